"""Registration of frames to the reference frame, in geometry and exposure."""
