"""Entropy, and the fusion metrics built on mutual information."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Pixels
from drpl.metrics.images import LEVELS, check_sources, grey_levels

Levels = NDArray[np.uint8]
BITS = 8
"""Bits in a grey level."""


def en(fused: Pixels, *sources: Pixels, value_range: float | None = None) -> float:
    """Compute the entropy EN of the fused image in bits, in [0, 8]; higher means more information.

    Noise raises it as much as detail does; compare only results from the same sources.

    Reference: Roberts, van Aardt and Ahmed, "Assessment of image fusion procedures using entropy,
    image quality, and multispectral classification", J. Appl. Remote Sens. 2 (2008),
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
    """Compute the normalised mutual information Q_MI, in [0, number of sources]; higher is better.

    Sum over the sources S of ``2 I(S, F) / (H(S) + H(F))``; a flat source of a flat fused image
    contributes 1. The paper defines the sum for two sources; here it extends to more. Pixels
    copied from a single source raise it, even from the wrong source.

    Reference: Hossny, Nahavandi and Creighton, "Comments on 'Information measure for performance
    of image fusion'", Electronics Letters 44 (2008), doi:10.1049/el:20081754.
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
    """Compute the nonlinear correlation information entropy Q_NCIE; higher is better.

    Its range is [1 - log(K) / log(256), 1] for K images including the fused one, so [0.802, 1] for
    two sources. The score is computed from the eigenvalues of a matrix that holds the mutual
    information of all pairs of images, in units of 8 bits, and 1 on its diagonal. Identical images
    score 1 only if all grey levels are equally frequent.

    Reference: Wang, Shen and Jin, "Performance evaluation of image fusion techniques", in Image
    Fusion: Algorithms and Applications (2008), doi:10.1016/B978-0-12-372529-5.00017-2.
    """
    check_sources(fused, sources)
    images = [grey_levels(image, value_range) for image in (*sources, fused)]
    count = len(images)
    correlation = np.eye(count)
    for first, second in combinations(range(count), 2):
        shared = _mutual_information(images[first], images[second])[0] / BITS
        correlation[first, second] = correlation[second, first] = shared
    shares = np.clip(np.linalg.eigvalsh(correlation) / count, 0, None)
    return 1 - _entropy_of_shares(shares) / BITS


def _mutual_information(first: Levels, second: Levels) -> tuple[float, float, float]:
    """Return the mutual information of two images, and the entropy of each, in bits."""
    cells = first.astype(np.intp) * LEVELS + second
    joint = np.bincount(cells.ravel(), minlength=LEVELS * LEVELS).reshape(LEVELS, LEVELS)
    marginals = _entropy(joint.sum(axis=1)), _entropy(joint.sum(axis=0))
    return max(sum(marginals) - _entropy(joint), 0.0), *marginals


def _entropy(counts: NDArray[np.intp]) -> float:
    """Return the entropy of a histogram in bits."""
    return _entropy_of_shares(counts / counts.sum())


def _entropy_of_shares(shares: NDArray[np.float64]) -> float:
    """Return the sum of ``-p log2 p`` over the shares above 0."""
    positive = shares[shares > 0]
    return -float((positive * np.log2(positive)).sum())
