"""Processes that work for the service: fusing, tiles, retouching."""
