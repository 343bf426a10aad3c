"""Training: networks, losses, the loop, recipes and export. Needs the extra ``train``."""
