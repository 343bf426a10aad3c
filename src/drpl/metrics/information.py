"""Entropy, and the fusion metrics built on mutual information."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Pixels
from drpl.metrics.images import LEVELS, check_sources, grey_levels

Levels = NDArray[np.uint8]
BITS = 8


def en(fused: Pixels, *sources: Pixels, value_range: float | None = None) -> float:
    """Entropy EN of the fused image's grey levels in bits, in [0, 8]; higher is richer.

    Noise raises it as well as detail: compare it only between results from the same sources.

    Parameters
    ----------
    fused : ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
        Reduced to luma in 256 levels.
    *sources : ndarray
        Not looked at: all metrics without truth are called alike.
    value_range : float, optional
        Value of white in a float32 image, by default 1.

    Returns
    -------
    float

    Raises
    ------
    MetricError
        If the fused image cannot be read as one.

    References
    ----------
    Roberts, van Aardt and Ahmed, "Assessment of image fusion procedures using entropy, image
    quality, and multispectral classification", J. Appl. Remote Sens. 2 (2008),
    doi:10.1117/1.2945910.

    Examples
    --------
    >>> import numpy as np
    >>> from drpl.metrics import en
    >>> en(np.arange(256, dtype=np.uint8).reshape(16, 16))
    8.0
    """
    levels = grey_levels(fused, value_range)
    return _entropy(np.bincount(levels.ravel(), minlength=LEVELS))


def q_mi(fused: Pixels, *sources: Pixels, value_range: float | None = None) -> float:
    """Normalised mutual information Q_MI of Hossny et al., in [0, number of sources]; higher wins.

    Copying pixels hard raises it even where the wrong ones are copied; see the truth-based metrics.

    Parameters
    ----------
    fused, *sources : ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
        Alike in shape and dtype, two sources or more; reduced to luma in 256 levels.
    value_range : float, optional
        Value of white in float32 images, by default 1.

    Returns
    -------
    float
        Sum over the sources S of ``2 I(S, F) / (H(S) + H(F))``; a source as flat as the fused
        image counts 1.

    Raises
    ------
    MetricError
        If there are fewer than two sources, or the images are not alike.

    Notes
    -----
    The paper has two sources; the sum goes on over more.

    References
    ----------
    Hossny, Nahavandi and Creighton, "Comments on 'Information measure for performance of image
    fusion'", Electronics Letters 44 (2008), doi:10.1049/el:20081754.
    """
    check_sources(fused, sources)
    levels = grey_levels(fused, value_range)
    found = 0.0
    for source in sources:
        shared, first, second = _mutual_information(grey_levels(source, value_range), levels)
        total = first + second
        found += 2 * shared / total if total > 0 else 1.0
    return found


def q_ncie(fused: Pixels, *sources: Pixels, value_range: float | None = None) -> float:
    """Nonlinear correlation information entropy Q_NCIE of Wang et al.; higher is better.

    Parameters
    ----------
    fused, *sources : ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
        Alike in shape and dtype, two sources or more; reduced to luma in 256 levels.
    value_range : float, optional
        Value of white in float32 images, by default 1.

    Returns
    -------
    float
        In [1 - log(K) / log(256), 1] with K images, the fused one included: [0.802, 1] for pairs.

    Raises
    ------
    MetricError
        If there are fewer than two sources, or the images are not alike.

    Notes
    -----
    From the eigenvalues of the matrix of mutual information in units of 8 bits between all images,
    1 on its diagonal. Identical images reach 1 only if they use all levels alike.

    References
    ----------
    Wang, Shen and Jin, "Performance evaluation of image fusion techniques", in Image Fusion:
    Algorithms and Applications (2008), doi:10.1016/B978-0-12-372529-5.00017-2.
    """
    check_sources(fused, sources)
    images = [grey_levels(image, value_range) for image in (*sources, fused)]
    count = len(images)
    correlation = np.eye(count)
    for first, second in combinations(range(count), 2):
        shared = _mutual_information(images[first], images[second])[0] / BITS
        correlation[first, second] = correlation[second, first] = shared
    shares = np.clip(np.linalg.eigvalsh(correlation) / count, 0, None)
    return 1 - _surprise(shares) / BITS


def _mutual_information(first: Levels, second: Levels) -> tuple[float, float, float]:
    """Mutual information of two images, and the entropy of each, in bits."""
    cells = first.astype(np.intp) * LEVELS + second
    joint = np.bincount(cells.ravel(), minlength=LEVELS * LEVELS).reshape(LEVELS, LEVELS)
    alone = _entropy(joint.sum(axis=1)), _entropy(joint.sum(axis=0))
    return max(sum(alone) - _entropy(joint), 0.0), *alone


def _entropy(counts: NDArray[np.intp]) -> float:
    """Entropy of a histogram in bits."""
    return _surprise(counts / counts.sum())


def _surprise(shares: NDArray[np.float64]) -> float:
    """Sum of ``-p log2 p``; nothing for p = 0."""
    some = shares[shares > 0]
    return -float((some * np.log2(some)).sum())
