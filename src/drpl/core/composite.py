"""Registered frames and the composite that a method fuses them into."""

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
"""Index map and doubt of a picture that is itself a fusion."""


class Prepared(NamedTuple):
    """A frame, or a fused slab, registered with the reference frame and exposed like it.

    Attributes
    ----------
    number : int
        Number of the frame or slab, from 0.
    frame : ndarray, shape (H, W) or (H, W, C)
    covered : Coverage or None
        None if the frame shows the scene everywhere.
    maps : Maps or None
        Index map and doubt of a slab.
    """

    number: int
    frame: Pixels
    covered: Coverage | None = None
    maps: Maps | None = None


@dataclass(frozen=True, slots=True)
class Slab:
    """A run of frames that was fused apart and written.

    Attributes
    ----------
    file : Path
        Picture of the slab.
    frames : tuple of int
        Numbers of its frames.
    """

    file: Path
    frames: tuple[int, ...]


@dataclass
class Composite:
    """The fused picture, while frames are merged and when all are.

    Attributes
    ----------
    seen : ndarray
        Source pixels selected by hard decisions, at the scale of decisions: what the network
        compares the next frame with.
    fused : ndarray, shape (H, W) or (H, W, C)
        Source pixels, blended along seams. The same array as ``seen`` while both are equal.
    index_map : ndarray, shape (H, W), uint8, or uint16 for more than 256 frames
        Number of the frame that each pixel is (mostly) taken from.
    doubt : ndarray, shape (H, W), uint8
        Complement of the confidence map: 0 where the decision is clear, 255 where another frame
        would serve as well.
    covered : Coverage or None
        Union of the frames' coverage; None if it is the whole picture.
    scale : int
        Pixels of the picture per pixel of a decision, along an axis.
    masks : PairDecision or None
        Masks of the last decision: composite (A) against the last frame (B).
    slabs : tuple of Slab
        Slabs that were fused apart.
    """

    seen: Pixels
    fused: Pixels
    index_map: NDArray[np.unsignedinteger[Any]]
    doubt: NDArray[np.uint8]
    covered: Coverage | None
    scale: int
    masks: PairDecision | None = None
    slabs: tuple[Slab, ...] = ()
