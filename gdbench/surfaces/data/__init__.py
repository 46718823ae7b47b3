"""Make an error surface of a user's table."""
