"""Processes of the service: fusing, tiles, retouching."""
