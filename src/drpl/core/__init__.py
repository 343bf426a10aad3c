"""Types and tools that every package shares; nothing here knows a method or a format."""
