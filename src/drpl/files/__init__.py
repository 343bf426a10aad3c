"""Paths in, files out: fusing, aligning, evaluating, batches, the demonstration."""
