"""Composition: decisions and frames to the fused picture, its index map and confidence."""
