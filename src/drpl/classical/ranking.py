"""Which frame has the largest focus measure, and whether its neighbourhood agrees."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.classical.views import Images, Labels, Plane, Views, box_mean
from drpl.core.composite import Coverage

NEAR = 1e-3
"""Distance, in units of white, below which two frames are about equally near."""


class Maximum:
    """The running maximum of a focus measure over frames.

    Attributes
    ----------
    best : ndarray, shape (H, W), float32
        Empty before the first frame.
    """

    def __init__(self) -> None:
        self.best: Plane = np.zeros((0, 0), np.float32)

    def add(self, measure: Plane, covered: Coverage | None = None) -> Coverage:
        """Compare one frame more.

        Parameters
        ----------
        measure : ndarray, shape (H, W), float32, 0 or more
        covered : ndarray of bool, shape (H, W), optional
            Where the frame may win.

        Returns
        -------
        ndarray of bool, shape (H, W)
            Where its measure is larger than any before.
        """
        if not self.best.size:
            self.best = np.full_like(measure, -1)
        better: Coverage = measure > self.best
        if covered is not None:
            better &= covered
        np.copyto(self.best, measure, where=better)
        return better


class Ranking(Maximum):
    """A running maximum that knows which frame has it, and how clearly.

    Attributes
    ----------
    index : ndarray, shape (H, W), uint16
        Place of the frame with the largest measure; of several, the first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.index: Labels = np.zeros((0, 0), np.uint16)
        self._second: Plane = np.zeros((0, 0), np.float32)
        self._frames = 0

    def add(self, measure: Plane, covered: Coverage | None = None) -> Coverage:
        """See `Maximum.add`."""
        if self._frames == 0:
            self.index, self._second = np.zeros(measure.shape, np.uint16), np.zeros_like(measure)
        else:
            lower = np.minimum(measure, self.best)
            if covered is not None:
                lower[~covered] = 0
            np.maximum(self._second, lower, out=self._second)
        better = super().add(measure, covered)
        self.index[better] = self._frames
        self._frames += 1
        return better

    def confidence(self) -> NDArray[np.uint8]:
        """255 where no other frame has any of the measure, 0 where another has as much."""
        share = self._second / np.maximum(self.best, np.finfo(np.float32).tiny)
        share[self.best <= 0] = 1
        clear: NDArray[np.uint8] = np.rint(255 * (1 - np.minimum(share, 1))).astype(np.uint8)
        return clear


def majority(labels: Labels, side: int = 3) -> Labels:
    """Consistency verification: the label of most pixels around each.

    Parameters
    ----------
    labels : ndarray, shape (H, W), uint16
    side : int
        Of the square window, odd.

    Returns
    -------
    ndarray, shape (H, W), uint16
        The label that more than half of the window has; where none has, the pixel's own.

    References
    ----------
    Li, Manjunath and Mitra, "Multisensor image fusion using the wavelet transform", Graphical
    Models and Image Processing 57 (1995), doi:10.1006/gmip.1995.1022.
    """
    verified = labels.copy()
    for label in np.unique(labels):
        share = box_mean((labels == label).astype(np.float32), side)
        verified[share > 0.5] = label
    return verified


def pick(views: Views, wanted: Labels, measured: Labels) -> tuple[Images, Labels]:
    """Take each pixel from the frame that its label names.

    Parameters
    ----------
    views : Views
    wanted : ndarray, shape (H, W), uint16
        Places of frames.
    measured : ndarray, shape (H, W), uint16
        What to take where the frame that is wanted does not show the scene.

    Returns
    -------
    fused : ndarray, shape (H, W, C), float32
    index_map : ndarray, shape (H, W), uint16
    """
    fused: Images = np.zeros((0, 0, 1), np.float32)
    index = measured.copy()
    settled = np.zeros(wanted.shape, np.bool_)
    for place, view in enumerate(views):
        if place == 0:
            fused = np.zeros_like(view.pixels)
        named = wanted == place
        if view.covered is not None:
            named &= view.covered
        taken = named | ((measured == place) & ~settled)
        settled |= named
        index[taken] = place
        cv2.copyTo(view.pixels, taken.view(np.uint8), fused)
    return fused, index


def nearest(views: Views, fused: Images) -> tuple[Labels, NDArray[np.uint8]]:
    """Which frame each pixel of a fused image is nearest to, and how clearly.

    Parameters
    ----------
    views : Views
    fused : ndarray, shape (H, W, C), float32

    Returns
    -------
    index_map : ndarray, shape (H, W), uint16
    confidence : ndarray, shape (H, W), uint8
    """
    ranking = Ranking()
    for view in views:
        apart = np.abs(view.pixels - fused).mean(axis=2) / np.float32(view.white)
        ranking.add(1 / (apart + np.float32(NEAR)), view.covered)
    return ranking.index, ranking.confidence()
