"""Scenes with known truth: drawn, or rendered from photos and degraded."""
