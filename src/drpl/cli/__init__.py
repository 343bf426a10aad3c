"""The terminal: a file for each command."""
