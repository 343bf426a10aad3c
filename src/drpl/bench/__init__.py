"""Benchmarks of fusion quality, with and without ground truth."""
