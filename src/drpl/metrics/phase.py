"""Fusion metric of Zhao, Laganiere and Liu, based on phase congruency."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Pixels, Tensor
from drpl.metrics.congruency import Features, oriented_filters, phase_congruency
from drpl.metrics.images import pair_up

FEATURE = 0.1
"""Phase congruency above which a pixel is a feature."""
WINDOW = cv2.getGaussianKernel(11, 1.5)
"""Weights of the local correlation."""
STABILITY = np.float32(1e-4)
"""Constant that keeps the local correlation defined in flat windows."""
MAPS = ("congruency", "maximum", "minimum")
"""Maps of `Features` that are compared."""
SMALLEST = 8
"""Smallest height and width of an image in pixels."""


def q_p(fused: Pixels, *sources: Pixels, value_range: float | None = None) -> float:
    """Compute the preserved phase congruency Q_P of Zhao et al., in [-1, 1]; higher is better.

    Product over three maps: the phase congruency and its largest and smallest moment. Each factor
    is a mean over the sources' features of the local correlation with the map that fits best, among
    the sources and their strongest pixels. Without features the score is 1. Even identical images
    score below 1, since only the sources are masked to their features. Images are at least 8x8
    pixels.

    For odd sizes n, the field's MATLAB code divides frequencies by n - 1, which places all filters
    too low along that side. The true frequencies are used here, so scores of odd sizes differ
    slightly.

    Reference: Zhao, Laganiere and Liu, "Performance assessment of combinative pixel-level image
    fusion based on an absolute feature measurement", Int. J. Innovative Computing, Information and
    Control 3 (2007), no DOI.
    """
    f, planes = pair_up(fused, sources, value_range, least=SMALLEST)
    filters = oriented_filters((f.shape[0], f.shape[1]))
    found = phase_congruency(f, filters)
    each = [phase_congruency(plane, filters) for plane in planes]
    each.append(_strongest(each))
    masks = [features.congruency > FEATURE for features in each]
    count = int(masks[-1].sum())
    if count == 0:
        return 1.0
    score = 1.0
    for name in MAPS:
        maps = [np.where(m, getattr(s, name), 0) for m, s in zip(masks, each, strict=True)]
        best = _best_correlation(getattr(found, name), maps, masks)
        score *= float(best.sum(dtype=np.float64)) / count
    return score


def _strongest(each: list[Features]) -> Features:
    """Take all maps from the source with the largest congruency at each pixel."""
    chosen = np.argmax([features.congruency for features in each], axis=0)[np.newaxis]
    stacks = (np.stack([getattr(features, name) for features in each]) for name in MAPS)
    return Features(*(np.take_along_axis(stack, chosen, axis=0)[0] for stack in stacks))


def _best_correlation(found: Tensor, maps: list[Tensor], masks: list[NDArray[np.bool_]]) -> Tensor:
    """Return the local correlation with the best-fitting map; 0 where no map has a feature."""
    mean_found, variance_found = _moments(found)
    best = np.full_like(found, -np.inf)
    for source, mask in zip(maps, masks, strict=True):
        mean, variance = _moments(source)
        shared = _average(source * found) - mean * mean_found
        correlation = shared + STABILITY
        correlation /= np.sqrt(np.abs(variance * variance_found)) + STABILITY
        correlation[~mask] = 0
        np.maximum(best, correlation, out=best)
    return best


def _moments(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return local means and variances."""
    mean = _average(image)
    return mean, _average(image * image) - mean * mean


def _average(image: Tensor) -> Tensor:
    """Return the local Gaussian mean, with zero padding."""
    smooth = cv2.sepFilter2D(image, -1, WINDOW, WINDOW, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(smooth, np.float32)
