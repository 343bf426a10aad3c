"""Fusion by shift-invariant (undecimated) wavelets."""

from __future__ import annotations

import cv2
import numpy as np

from drpl.classical.average import Mean
from drpl.classical.pyramid import StrongestBand
from drpl.classical.views import Images, Views, planes

SCALES = 6
"""Scales of the transform."""
B3_SPLINE = np.array([1, 4, 6, 4, 1], np.float32) / 16
"""Taps of the low-pass filter."""


def fuse_wavelet(views: Views) -> Images:
    """Fuse shift-invariant wavelets: each coefficient comes from the frame of most local energy.

    All channels follow one choice. The smoothest band, blurred over some 64 pixels, is averaged.
    The frames are read once. The transform is the second-generation isotropic undecimated wavelet
    transform (filters "with holes", B3 spline, 6 scales). Energy is summed over the pixels that 5x5
    coefficients span, with the holes between them. Reconstruction smooths, so a wrong choice leaves
    no edge.

    References: Starck, Fadili and Murtagh 2007, doi:10.1109/TIP.2006.887733; Rockinger 1997,
    doi:10.1109/ICIP.1997.632093.
    """
    bands: list[StrongestBand] = []
    base = Mean()
    for view in views:
        image = view.pixels
        for scale in range(SCALES):
            if scale == len(bands):
                bands.append(StrongestBand(4 * 2**scale + 1))
            smoother = _smoothed(image, scale)
            bands[scale].add(image - _smoothed(smoother, scale), view)
            image = smoother
        base.add(image, view.covered)
    fused = base.mean()
    for scale in reversed(range(SCALES)):
        fused = bands[scale].detail + _smoothed(fused, scale)
    return fused


def _smoothed(image: Images, scale: int) -> Images:
    """Apply the low-pass filter of a scale, mirrored at the borders."""
    holed = np.zeros(4 * 2**scale + 1, np.float32)
    holed[:: 2**scale] = B3_SPLINE
    return planes(cv2.sepFilter2D(image, -1, holed, holed, borderType=cv2.BORDER_REFLECT))
