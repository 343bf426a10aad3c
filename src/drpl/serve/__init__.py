"""Local web service that fuses uploaded stacks, with its page; needs the extra ``web``."""
