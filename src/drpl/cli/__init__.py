"""Terminal commands, one file each."""
