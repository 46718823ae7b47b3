"""Rates of convergence: the predicted one, the observed one, and why they differ."""
