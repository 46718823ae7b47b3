"""A program to records: lanes, steps, threads."""
