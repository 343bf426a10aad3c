"""The visible path of fusion, and its memory plan."""
