"""Decision masks of a pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Plane


def clearness(soft: Plane) -> NDArray[np.uint8]:
    """Return the clearness of a soft decision map: 255 at 0 and 1, 0 at one half."""
    clear: NDArray[np.uint8] = np.rint(np.abs(2 * soft - 1) * 255).astype(np.uint8)
    return clear


def decision_map(masks: PairDecision, rows: slice = slice(None)) -> Plane:
    """Return rows of the soft decision map ``(M_A + 1 - M_B) / 2``, float32, in [0, 1]."""
    mask_a, mask_b = (mask[rows].astype(np.float32) for mask in (masks.mask_a, masks.mask_b))
    return (mask_a + np.float32(1) - mask_b) / np.float32(2)


@dataclass(frozen=True, slots=True)
class PairDecision:
    """Complementary decision masks of source A and source B: weights in [0, 1], shape (H, W).

    They are floating point and add up to about 1.
    """

    mask_a: NDArray[np.floating[Any]]
    mask_b: NDArray[np.floating[Any]]
