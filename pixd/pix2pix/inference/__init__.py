"""Translates with a loaded generator: decoding in other processes, batches, tiles."""
