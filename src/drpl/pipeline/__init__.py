"""Fusion of a stack, and its memory plan."""
