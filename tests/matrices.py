"""Test parameters: `make test` runs the first value, `make test-all` all of them."""

import pytest


def first_of(values):
    """Mark all values but the first as slow."""
    first, *others = values
    return [first, *(pytest.param(value, marks=pytest.mark.slow) for value in others)]
