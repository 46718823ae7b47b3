"""A user's table as an error surface."""
