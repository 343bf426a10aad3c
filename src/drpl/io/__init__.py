"""Reading and writing: image files with their metadata, stacks, atomic results."""
