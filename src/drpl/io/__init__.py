"""Input and output: image files with metadata, stacks of frames, atomic writing."""
