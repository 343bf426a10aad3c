"""Parameters of which `make test` runs the first and `make test-all` every one."""

import pytest


def first_of(values):
    """Mark all values but the first as slow."""
    first, *others = values
    return [first, *(pytest.param(value, marks=pytest.mark.slow) for value in others)]
