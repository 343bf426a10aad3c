"""Frame of largest focus measure at each pixel, its confidence, and consistency verification."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.classical.views import Images, Labels, Views, box_mean
from drpl.core.composite import Coverage
from drpl.core.frames import Plane

NEAR = 1e-3
"""Difference in value, relative to white, below which two frames count as equally near."""


class Maximum:
    """Running maximum ``best`` of a focus measure, shape (H, W); empty before the first frame."""

    def __init__(self) -> None:
        self.best: Plane = np.zeros((0, 0), np.float32)

    def add(self, measure: Plane, covered: Coverage | None = None) -> Coverage:
        """Add a frame's measure (H, W), 0 or more, and return where it is larger than any before.

        The frame may win where ``covered`` (H, W) is True; everywhere by default.
        """
        if not self.best.size:
            self.best = np.full_like(measure, -1)
        better: Coverage = measure > self.best
        if covered is not None:
            better &= covered
        np.copyto(self.best, measure, where=better)
        return better


class Ranking(Maximum):
    """Running maximum with the index map and confidence of its frames.

    ``index``, shape (H, W), holds the place, from 0, of the frame of largest measure; of equal
    ones, the first.
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
        """Return the confidence map, shape (H, W): the lead of the best frame over the second.

        255 where the measure of every other frame is 0, 0 where another frame has as much.
        """
        share = self._second / np.maximum(self.best, np.finfo(np.float32).tiny)
        share[self.best <= 0] = 1
        return np.asarray(np.rint(255 * (1 - np.minimum(share, 1))), np.uint8)


def majority(labels: Labels, side: int = 3) -> Labels:
    """Give each pixel the label that more than half of its window shares, if there is one.

    This verifies consistency; ``side`` is the odd side of the square window in pixels. Reference:
    Li, Manjunath and Mitra 1995, doi:10.1006/gmip.1995.1022.
    """
    verified = labels.copy()
    for label in np.unique(labels):
        share = box_mean((labels == label).astype(np.float32), side)
        verified[share > 0.5] = label
    return verified


def pick(views: Views, labels: Labels, fallback: Labels) -> tuple[Images, Labels]:
    """Take each pixel from the frame of its label; return the fused image and its index map.

    Labels (H, W) are places of frames, from 0. Where the labelled frame does not show the scene,
    the pixel follows ``fallback``. The views are read once.
    """
    fused: Images = np.zeros((0, 0, 1), np.float32)
    index = fallback.copy()
    labelled = np.zeros(labels.shape, np.bool_)
    for place, view in enumerate(views):
        if place == 0:
            fused = np.zeros_like(view.pixels)
        shown = labels == place
        if view.covered is not None:
            shown &= view.covered
        taken = shown | ((fallback == place) & ~labelled)
        labelled |= shown
        index[taken] = place
        cv2.copyTo(view.pixels, taken.view(np.uint8), fused)
    return fused, index


def nearest(views: Views, fused: Images) -> tuple[Labels, NDArray[np.uint8]]:
    """Find the frame nearest in value to each pixel of a fused image; the views are read once.

    Return the index map and a confidence of 255 where the nearest frame is clear, 0 where another
    is as near.
    """
    ranking = Ranking()
    for view in views:
        apart = np.abs(view.pixels - fused).mean(axis=2) / np.float32(view.levels.span)
        ranking.add(1 / (apart + np.float32(NEAR)), view.covered)
    return ranking.index, ranking.confidence()
