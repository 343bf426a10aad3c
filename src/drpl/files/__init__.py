"""Paths in, files out: fusion, alignment, evaluation, batches, demonstration."""
