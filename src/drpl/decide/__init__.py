"""Decisions: which of two pictures each pixel is taken from."""
