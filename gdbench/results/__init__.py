"""Finished runs: rows, table, statistics, comparison, and the folder that holds them."""
