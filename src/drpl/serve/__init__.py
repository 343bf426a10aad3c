"""The local page: a service that fuses stacks of dropped pictures; needs the extra ``web``."""
