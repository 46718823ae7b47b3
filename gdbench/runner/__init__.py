"""Carry out a plan, here or on Dask, in memory or in resumable shards; then look at what happened."""
