"""Plain averaging."""

from __future__ import annotations

import numpy as np

from drpl.classical.views import Images, View, Views


class Mean:
    """Running mean of frames, or of one band of each, where they show the scene."""

    def __init__(self) -> None:
        self._total: Images = np.zeros((0, 0, 1), np.float32)
        self._weight = self._total

    def add(self, image: Images, view: View) -> None:
        """Add a frame, or a band (h, w, C) of it."""
        covered = view.coverage_at((image.shape[0], image.shape[1]))
        if not self._total.size:
            self._total = np.zeros_like(image)
            self._weight = np.zeros((*image.shape[:2], 1), np.float32)
        shown = np.ones_like(self._weight) if covered is None else covered[..., None]
        self._total += shown * image
        self._weight += shown

    def mean(self) -> Images:
        """Return the mean, shape (h, w, C)."""
        return np.asarray(self._total / np.maximum(self._weight, 1), np.float32)


def fuse_average(views: Views) -> Images:
    """Average the frames: the simplest method, for comparison.

    Parameters
    ----------
    views : Views
        Read once.

    Returns
    -------
    ndarray, shape (H, W, C), float32
    """
    mean = Mean()
    for view in views:
        mean.add(view.pixels, view)
    return mean.mean()
