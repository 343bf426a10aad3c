"""Plain averaging."""

from __future__ import annotations

import numpy as np

from drpl.classical.views import Images, View, Views


class Mean:
    """The running mean of frames, or of bands of them, where they show the scene."""

    def __init__(self) -> None:
        self._total: Images = np.zeros((0, 0, 1), np.float32)
        self._frames = self._total

    def add(self, image: Images, view: View) -> None:
        """Add the band (h, w, C) of a frame."""
        covered = view.shown((image.shape[0], image.shape[1]))
        if not self._total.size:
            self._total = np.zeros_like(image)
            self._frames = np.zeros((*image.shape[:2], 1), np.float32)
        weight = np.ones_like(self._frames) if covered is None else covered[..., None]
        self._total += weight * image
        self._frames += weight

    def mean(self) -> Images:
        """The mean, shape (h, w, C)."""
        return np.asarray(self._total / np.maximum(self._frames, 1), np.float32)


def fuse_average(views: Views) -> Images:
    """Mean of the frames: what every method has to beat.

    Parameters
    ----------
    views : Views

    Returns
    -------
    ndarray, shape (H, W, C), float32
    """
    mean = Mean()
    for view in views:
        mean.add(view.pixels, view)
    return mean.mean()
