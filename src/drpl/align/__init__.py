"""Registration: how frames move onto the reference frame, and how they are exposed."""
