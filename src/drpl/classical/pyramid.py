"""Fusion by Laplacian pyramids."""

from __future__ import annotations

import cv2
import numpy as np

from drpl.classical.average import Mean
from drpl.classical.ranking import Maximum
from drpl.classical.views import Images, View, Views, planes
from drpl.core.frames import Plane

WINDOW = 5
"""Side, in coefficients, of the window over which energy is summed."""
LEAST = 16
"""Shorter side, in pixels, below which a band is not halved again."""


def fuse_laplacian(views: Views) -> Images:
    """Fuse Laplacian pyramids: each coefficient comes from the frame of most local energy.

    All channels follow one choice. The base, 8 to 15 pixels high or wide, is averaged. The frames
    are read once. The energy is Burt and Kolczynski's, in a window of 5x5. Their match measure,
    which averages where two frames are alike, is defined for pairs only and is left out: a maximum
    over N frames can be updated frame by frame.

    References: Burt and Adelson 1983, doi:10.1109/TCOM.1983.1095851; Burt and Kolczynski 1993,
    doi:10.1109/ICCV.1993.378222.
    """
    bands: list[StrongestBand] = []
    base = Mean()
    for view in views:
        image, number = view.pixels, 0
        while min(image.shape[:2]) >= LEAST:
            smaller = planes(cv2.pyrDown(image))
            if number == len(bands):
                bands.append(StrongestBand(WINDOW))
            bands[number].add(image - _enlarged(smaller, image), view)
            image, number = smaller, number + 1
        base.add(image, view.coverage_like(image))
    fused = base.mean()
    for band in reversed(bands):
        fused = band.detail + _enlarged(fused, band.detail)
    return fused


def _enlarged(small: Images, like: Images) -> Images:
    """Enlarge an image by one level, to the size of another."""
    return planes(cv2.pyrUp(small, dstsize=(like.shape[1], like.shape[0])))


class StrongestBand:
    """Coefficients of one band, each from the frame of largest local energy so far.

    Energy is summed over windows of ``window`` coefficients a side. ``detail``, shape (h, w, C), is
    empty before the first frame.
    """

    def __init__(self, window: int) -> None:
        self.detail: Images = np.zeros((0, 0, 1), np.float32)
        self._window = window
        self._energy = Maximum()

    def add(self, detail: Images, view: View) -> None:
        """Take the coefficients of one more frame where they are stronger."""
        energy = measure_energy(detail, self._window)
        better = self._energy.add(energy, view.coverage_like(energy))
        if not self.detail.size:
            self.detail = np.zeros_like(detail)
        cv2.copyTo(detail, better.view(np.uint8), self.detail)


def measure_energy(detail: Images, size: int = 5) -> Plane:
    """Return local energy, shape (H, W): squares summed over channels and a square window."""
    squared = np.square(detail).sum(axis=2)
    energy = cv2.boxFilter(squared, -1, (size, size), normalize=False)
    return np.asarray(energy, np.float32)
