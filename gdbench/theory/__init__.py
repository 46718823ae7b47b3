"""The rate of convergence that is predicted, the one that is observed, and why they differ."""
