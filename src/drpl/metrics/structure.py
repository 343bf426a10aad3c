"""Fusion metrics based on structural similarity, by Piella and Heijmans, Cvejic and Yang."""

from __future__ import annotations

import numpy as np

from drpl.core.frames import Pixels
from drpl.metrics.gradients import prewitt
from drpl.metrics.images import Plane, pair_up, weighted_mean
from drpl.metrics.windows import Moments, Window, covariance, moments, similarity

BLOCK = Window.uniform(8)
"""Window of all metrics but Q_Y."""
PIELLA_CONSTANT = (1e-6 * 255) ** 2
"""Constant of SSIM: negligible but for flat windows, as in the universal quality index."""
YANG_WINDOW = Window.gaussian(7, 1.5)
"""Window of Q_Y."""
TINY_CONSTANT = 2e-16
"""Constant of SSIM in Q_C and Q_Y; it keeps flat windows defined."""
ALIKE = 0.75
"""Similarity of the sources from which Q_Y demands both of them."""


def q_s(fused: Pixels, *sources: Pixels, value_range: float | None = None) -> float:
    """Compute the fusion quality index Q_S of Piella and Heijmans, in [-1, 1]; higher is better.

    Mean over all 8x8 windows of the universal quality index of the fused image against each source,
    weighted by the sources' variances. Images are at least 8x8 pixels.

    Reference: Piella and Heijmans, "A new quality metric for image fusion", ICIP (2003),
    doi:10.1109/ICIP.2003.1247209, equation 4.
    """
    f, planes = pair_up(fused, sources, value_range, least=BLOCK.size)
    return float(_local_quality(f, planes)[0].mean())


def q_w(fused: Pixels, *sources: Pixels, value_range: float | None = None) -> float:
    """Compute the weighted quality index Q_W of Piella and Heijmans, in [-1, 1]; higher is better.

    Mean of the local quality of `q_s`, with each window weighted by the largest variance of a
    source in it. Images are at least 8x8 pixels. Reference: equation 5 of the paper of `q_s`,
    doi:10.1109/ICIP.2003.1247209.
    """
    f, planes = pair_up(fused, sources, value_range, least=BLOCK.size)
    return _weighted_quality(f, planes)


def q_e(fused: Pixels, *sources: Pixels, value_range: float | None = None) -> float:
    """Compute the edge-dependent quality index Q_E, in [-1, 1]; higher is better.

    Q_W of the images times Q_W of their edges (magnitude of the 3x3 Prewitt gradient, zero
    padding). Images are at least 8x8 pixels. The paper of `q_s`, doi:10.1109/ICIP.2003.1247209,
    defines ``Q_W^(1 - alpha) Q_W(edges)^alpha`` (equation 6) and leaves alpha open. The plain
    product follows the field's MATLAB code.
    """
    f, planes = pair_up(fused, sources, value_range, least=BLOCK.size)
    edges = _weighted_quality(prewitt(f), [prewitt(plane) for plane in planes])
    return _weighted_quality(f, planes) * edges


def q_c(fused: Pixels, *sources: Pixels, value_range: float | None = None) -> float:
    """Compute the similarity metric Q_C of Cvejic et al. for pairs, in [-1, 1]; higher is better.

    Mean over all 8x8 windows of the universal quality index against both sources, weighted by
    their covariances with the fused image, with weights clipped to [0, 1]. Images are at least 8x8
    pixels.

    Where both covariances are 0, both sources have weight 0.5. Flat windows are treated as in
    `q_y`, which changes scores slightly. Weights are clipped as in the paper and in Y. Liu's
    revision of the field's MATLAB code; Z. Liu's first version sets the score of such a window to
    0 or 1 instead.

    Reference: Cvejic, Loza, Bull and Canagarajah, "A similarity metric for assessment of image
    fusion algorithms", Int. J. Signal Processing 2 (2005), no DOI.
    """
    f, planes = pair_up(fused, sources, value_range, least=BLOCK.size, exactly_two=True)
    whole, a, b = (moments(plane, BLOCK) for plane in (f, *planes))
    shared_a, shared_b = (covariance(source, whole, BLOCK) for source in (a, b))
    weight = np.clip(_share(shared_a, shared_a + shared_b), 0, 1)
    quality_a, quality_b = (
        similarity(source, whole, shared, TINY_CONSTANT, TINY_CONSTANT)
        for source, shared in ((a, shared_a), (b, shared_b))
    )
    return float((weight * quality_a + (1 - weight) * quality_b).mean())


def q_y(fused: Pixels, *sources: Pixels, value_range: float | None = None) -> float:
    """Compute the similarity metric Q_Y of Yang et al. for pairs, in [-1, 1]; higher is better.

    Mean over all windows (7x7 Gaussian, sigma 1.5) of the similarity to the sources: weighted by
    their variances where the sources are alike (similarity 0.75 or more), otherwise the larger one.
    Images are at least 7x7 pixels.

    In flat windows, the field's MATLAB code divides by variances that are mere rounding errors:
    similarities are arbitrary there, and the score is NaN where both variances are exactly 0. Here
    such variances are set to 0, and two flat windows of the same grey score 1. On photographs with
    clipped regions this changes the score slightly.

    Reference: Yang et al., "A novel similarity based quality metric for image fusion", Information
    Fusion 9 (2008), doi:10.1016/j.inffus.2006.09.001.
    """
    window = YANG_WINDOW
    f, planes = pair_up(fused, sources, value_range, least=window.size, exactly_two=True)
    whole, a, b = (moments(plane, window) for plane in (f, *planes))
    to_a, to_b, between = (
        _index(first, second, window, TINY_CONSTANT)
        for first, second in ((a, whole), (b, whole), (a, b))
    )
    weight = _share(a.variance, a.variance + b.variance)
    both = weight * to_a + (1 - weight) * to_b
    return float(np.where(between >= ALIKE, both, np.maximum(to_a, to_b)).mean())


def _weighted_quality(fused: Plane, sources: list[Plane]) -> float:
    """Return the mean local quality, with windows weighted by their saliency."""
    quality, saliency = _local_quality(fused, sources)
    return weighted_mean([quality], [saliency])


def _local_quality(fused: Plane, sources: list[Plane]) -> tuple[Plane, Plane]:
    """Return Piella's local quality of each window, and its saliency: the largest variance."""
    whole = moments(fused, BLOCK)
    each = [moments(source, BLOCK) for source in sources]
    variances = np.stack([source.variance for source in each])
    total = variances.sum(axis=0)
    quality = np.zeros_like(total)
    for source in each:
        weight = _share(source.variance, total, 1 / len(each))
        quality += weight * _index(source, whole, BLOCK, PIELLA_CONSTANT)
    return quality, variances.max(axis=0)


def _index(first: Moments, second: Moments, window: Window, constant: float) -> Plane:
    """Return the map of the universal quality index."""
    return similarity(first, second, covariance(first, second, window), constant, constant)


def _share(part: Plane, total: Plane, otherwise: float = 0.5) -> Plane:
    """Return the part over the total, or ``otherwise`` where the total is 0."""
    zero = total == 0
    found: Plane = part / np.where(zero, 1, total)
    found[zero] = otherwise
    return found
