"""Registered frames, and the composite that a method fuses them into."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Pixels
from drpl.core.masks import PairDecision

Coverage = NDArray[np.bool_]
"""Mask (H, W): True where a frame shows the scene, False where warping mirrored its edge."""
Maps = tuple[NDArray[np.unsignedinteger[Any]], NDArray[np.uint8]]
"""Index map and doubt, both (H, W), of a picture that is itself fused."""


class Prepared(NamedTuple):
    """Frame or fused slab, registered to the reference frame and matched to its exposure.

    Frames and slabs are numbered from 0. ``covered`` is None if the frame shows the scene
    everywhere; ``maps`` is None for a single frame.
    """

    number: int
    frame: Pixels
    covered: Coverage | None = None
    maps: Maps | None = None


@dataclass(frozen=True, slots=True)
class Slab:
    """Run of frames, by number, that were fused by themselves into the picture ``file``."""

    file: Path
    frames: tuple[int, ...]


@dataclass
class Composite:
    """Fused picture and its maps, updated as each frame is merged.

    Attributes
    ----------
    seen : ndarray
        Source pixels selected by hard decisions, at the decision scale; the network compares the
        next frame with them.
    fused : ndarray, shape (H, W) or (H, W, C)
        Source pixels, blended along seams; the same array as ``seen`` while both are equal.
    index_map : ndarray, shape (H, W), uint8, or uint16 for more than 256 frames
        Number of the frame that contributes most to each pixel.
    doubt : ndarray, shape (H, W), uint8
        Complement of the confidence map: 0 where the decision is clear, 255 where another frame
        is as good.
    covered : Coverage or None
        Union of the frames' coverage; None if it is the whole picture.
    scale : int
        Picture pixels per decision, along each axis.
    masks : PairDecision or None
        Masks of the last decision: composite (A) against last frame (B).
    """

    seen: Pixels
    fused: Pixels
    index_map: NDArray[np.unsignedinteger[Any]]
    doubt: NDArray[np.uint8]
    covered: Coverage | None
    scale: int
    masks: PairDecision | None = None
    slabs: tuple[Slab, ...] = ()
