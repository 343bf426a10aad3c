"""Registered frames as classical methods see them, and what the methods make of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.composite import Coverage
from drpl.core.frames import Pixels
from drpl.core.luma import luma_plane

Images = NDArray[np.float32]
Plane = NDArray[np.float32]
Labels = NDArray[np.uint16]


class View(NamedTuple):
    """A registered frame.

    Attributes
    ----------
    pixels : ndarray, shape (H, W, C), float32
        In the units of the source: what is picked comes out as it went in.
    white : float
        Value of white.
    covered : ndarray of bool, shape (H, W), or None
        Where the frame shows the scene; None is everywhere. Nothing else of it is taken. One frame
        of a stack, the reference, shows the scene everywhere.
    """

    pixels: Images
    white: float = 1.0
    covered: Coverage | None = None

    @property
    def luma(self) -> Plane:
        """Rec. 601 luma, shape (H, W), white at 1."""
        return luma_plane(self.pixels, self.white)

    @property
    def grey(self) -> Plane:
        """Mean of the colours, shape (H, W), white at 1."""
        colours = self.pixels[..., : 3 if self.pixels.shape[2] > 2 else 1]
        return np.asarray(colours.mean(axis=2) / np.float32(self.white), np.float32)

    def shown(self, shape: tuple[int, int]) -> Coverage | None:
        """Where the frame shows the scene, at a smaller size."""
        if self.covered is None or self.covered.shape == shape:
            return self.covered
        whole = self.covered.astype(np.float32)
        small = cv2.resize(whole, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
        return np.asarray(small > 0.999, np.bool_)


Views = Iterable[View]
"""Frames in turn. A method goes through them as often as it needs, and holds one at a time."""


class Fusion(NamedTuple):
    """What a method makes of frames.

    Attributes
    ----------
    fused : ndarray, shape (H, W, C), float32
        In the units of the sources.
    index_map : ndarray, shape (H, W), uint16
        Place of the frame, from 0, that a pixel is (mostly) from.
    confidence : ndarray, shape (H, W), uint8
        255 where that is clear, 0 where another frame would have served as well.
    """

    fused: Images
    index_map: Labels
    confidence: NDArray[np.uint8]


def planes(image: NDArray[Any]) -> NDArray[Any]:
    """Three axes again after OpenCV has dropped a single channel."""
    return image if image.ndim == 3 else image[..., None]


def box_mean(image: Plane, side: int) -> Plane:
    """Mean over a square window, mirrored at the borders."""
    mean = cv2.boxFilter(image, -1, (side, side), borderType=cv2.BORDER_REFLECT)
    return np.asarray(mean, np.float32)


def as_view(pixels: Pixels, white: float, covered: Coverage | None = None) -> View:
    """View a registered frame (H, W) or (H, W, C) of any dtype as float32."""
    image = pixels if pixels.ndim == 3 else pixels[..., None]
    return View(np.ascontiguousarray(image, np.float32), white, covered)


def as_pixels(fused: Images, like: Pixels, white: float) -> Pixels:
    """Convert a fused image to the shape and dtype of a source; integers are rounded and clipped.

    Parameters
    ----------
    fused : ndarray, shape (H, W, C), float32
    like : ndarray
        A source image, or an array of its shape and dtype.
    white : float
        Upper bound of integers.
    """
    if like.dtype.kind == "u":
        fused = np.rint(np.clip(fused, 0, np.float32(white)))
    return fused.reshape(like.shape).astype(like.dtype)
