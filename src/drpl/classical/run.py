"""Classical methods in place of a network: all frames together, read as often as a method needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpl.classical.table import Baseline, as_pixels, as_view
from drpl.classical.views import View
from drpl.core.frames import Composite, Pixels, Prepared, full_scale
from drpl.core.masks import PairDecision

Reader = Callable[[], Iterator[Prepared]]
"""Gives the frames in turn, from the first again at each call."""


def fuse_classical(
    baseline: Baseline,
    read: Reader,
    numbers: Sequence[int],
    *,
    count: int,
    like: Pixels,
    value_range: float | None,
) -> tuple[Composite, PairDecision]:
    """Fuse frames by a baseline.

    Parameters
    ----------
    baseline : Baseline
    read : Reader
    numbers : sequence of int
        Of the frames that it gives.
    count : int
        Frames of the stack.
    like : ndarray
        A frame, or a stand-in of its shape and dtype.
    value_range : float, optional
        Value of white in float images.

    Returns
    -------
    composite : Composite
    masks : PairDecision
        Hard, of the last frame against the others.
    """
    white = full_scale(like, value_range)
    fusion = baseline.fuse(_Registered(read, white))
    fused = as_pixels(fusion.fused, like, white)
    frames: NDArray[np.unsignedinteger[Any]] = np.asarray(
        numbers, np.uint8 if count <= 256 else np.uint16
    )
    last = fusion.index_map == len(numbers) - 1
    masks = PairDecision(*(mask.astype(np.float16) for mask in (~last, last)))
    doubt = 255 - fusion.confidence
    return Composite(fused, fused, frames[fusion.index_map], doubt, None, 1), masks


@dataclass(frozen=True)
class _Registered:
    """Frames as a method sees them, from the first again each time."""

    read: Reader
    white: float

    def __iter__(self) -> Iterator[View]:
        """The frames in turn."""
        return (as_view(frame, self.white, covered) for _, frame, covered, _ in self.read())
