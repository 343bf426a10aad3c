"""Plain averaging."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpl.classical.views import Images, Views

LEAST = 1e-6
"""Least weight of a frame where it shows the scene, so that weights can be normalised."""


class Mean:
    """Running mean of images (h, w, C), such as one band of each frame."""

    def __init__(self) -> None:
        self._total: Images = np.zeros((0, 0, 1), np.float32)
        self._weight = self._total

    def add(self, image: Images, weight: NDArray[Any] | None) -> None:
        """Add an image with its weight (h, w), numbers or coverage; None weighs 1 everywhere."""
        if not self._total.size:
            self._total = np.zeros_like(image)
            self._weight = np.zeros((*image.shape[:2], 1), np.float32)
        weights = np.ones_like(self._weight) if weight is None else weight[..., None]
        self._total += weights * image
        self._weight += weights

    def mean(self) -> Images:
        """Return the mean, shape (h, w, C)."""
        return np.asarray(self._total / np.maximum(self._weight, LEAST), np.float32)


def fuse_average(views: Views) -> Images:
    """Average the frames, which are read once: the simplest method, for comparison."""
    mean = Mean()
    for view in views:
        mean.add(view.pixels, view.covered)
    return mean.mean()
