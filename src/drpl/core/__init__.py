"""Types and tools that all packages share, independent of methods and file formats."""
