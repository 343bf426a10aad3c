"""Composition of the fused picture, its index map and its confidence map from decisions."""
