"""Metrics of contrast and sharpness, computed from the fused image alone.

Noise and halos raise all of them: report them beside other metrics, never optimise for them.
"""

from __future__ import annotations

import cv2
import numpy as np

from drpl.core.frames import Pixels
from drpl.metrics.gradients import sobel
from drpl.metrics.images import Plane, grey_levels


def sd(fused: Pixels, *sources: Pixels, value_range: float | None = None) -> float:
    """Compute the standard deviation SD of grey levels, in [0, 127.5]; higher means more contrast.

    The field's MATLAB code returns the mean of the columns' deviations instead (``mean(std(A))``,
    divisor H - 1), which ignores differences between columns and is therefore too low.

    Reference: Liu et al., "Objective assessment of multiresolution image fusion algorithms for
    context enhancement in night vision", IEEE TPAMI 34 (2012), doi:10.1109/TPAMI.2011.109.
    """
    return float(_plane(fused, value_range).std())


def ag(fused: Pixels, *sources: Pixels, value_range: float | None = None) -> float:
    """Compute the average gradient AG in grey levels, in [0, 255]; higher is sharper.

    Mean of ``sqrt((dx^2 + dy^2) / 2)`` over all pixels, with differences of 0 beyond the last row
    and column.

    Reference: Cui et al., "Detail preserved fusion of visible and infrared images using regional
    saliency extraction and multi-scale image decomposition", Optics Communications 341 (2015),
    doi:10.1016/j.optcom.2014.12.032.
    """
    plane = _plane(fused, value_range)
    across = np.diff(plane, axis=1, append=plane[:, -1:])
    down = np.diff(plane, axis=0, append=plane[-1:])
    return float(np.sqrt((across**2 + down**2) / 2).mean())


def ei(fused: Pixels, *sources: Pixels, value_range: float | None = None) -> float:
    """Compute the edge intensity EI in grey levels, in [0, 1443]; higher is sharper.

    Mean magnitude of the Sobel gradient (weights 1 2 1, not normalised, edge pixels repeated).

    Reference: Rajalingam and Priya, "Hybrid multimodality medical image fusion technique for
    feature enhancement in medical diagnosis", Int. J. Engineering Science Invention (2018), no DOI.
    """
    across, down = sobel(_plane(fused, value_range), cv2.BORDER_REPLICATE)
    return float(cv2.magnitude(across, down).mean())


def sf(fused: Pixels, *sources: Pixels, value_range: float | None = None) -> float:
    """Compute the spatial frequency SF in grey levels, in [0, 361]; higher is sharper.

    ``sqrt(S / N)`` for N pixels, where S is the sum of squared differences along rows and columns.

    Reference: Eskicioglu and Fisher, "Image quality measures and their performance", IEEE Trans.
    Communications 43 (1995), doi:10.1109/26.477498.
    """
    plane = _plane(fused, value_range)
    energy = sum(float((np.diff(plane, axis=axis) ** 2).sum()) for axis in (0, 1))
    return float(np.sqrt(energy / plane.size))


def _plane(fused: Pixels, value_range: float | None) -> Plane:
    """Return the grey levels in double precision."""
    return grey_levels(fused, value_range).astype(np.float64)
