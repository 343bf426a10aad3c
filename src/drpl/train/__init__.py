"""Training: networks, losses, synthesis, data and the loop. Needs the extra `train`."""
