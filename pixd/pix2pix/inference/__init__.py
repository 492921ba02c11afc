"""Translating with a loaded generator: decoding beside it, batches, tiles."""
