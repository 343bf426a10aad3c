"""Benchmarks: quality against ground truth, and speed."""
