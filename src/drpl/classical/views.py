"""Input and result of classical methods: registered frames as float32, and their fusion."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.composite import Coverage
from drpl.core.frames import Pixels, Plane
from drpl.core.luma import luma_plane

Images = NDArray[np.float32]
Labels = NDArray[np.uint16]


class View(NamedTuple):
    """A registered frame.

    Attributes
    ----------
    pixels : ndarray, shape (H, W, C), float32
        Pixels in the units of the source, so that selected pixels stay exact.
    white : float
        Value of white.
    covered : ndarray of bool, shape (H, W), or None
        True where the frame shows the scene, and may be taken; None if it does everywhere, like the
        reference frame of a stack.
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

    def coverage_at(self, shape: tuple[int, int]) -> Coverage | None:
        """Return the coverage at a smaller height and width."""
        if self.covered is None or self.covered.shape == shape:
            return self.covered
        whole = self.covered.astype(np.float32)
        small = cv2.resize(whole, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
        return np.asarray(small > 0.999, np.bool_)


Views = Iterable[View]
"""Frames to iterate over, in one or more passes; a method holds one at a time."""


class Fusion(NamedTuple):
    """Result of a classical method.

    Attributes
    ----------
    fused : ndarray, shape (H, W, C), float32
        Fused image in the units of the sources.
    index_map : ndarray, shape (H, W), uint16
        Place, from 0, of the frame that a pixel is (mostly) taken from.
    confidence : ndarray, shape (H, W), uint8
        255 where the choice is clear, 0 where another frame would serve as well.
    """

    fused: Images
    index_map: Labels
    confidence: NDArray[np.uint8]


def planes(image: NDArray[Any]) -> NDArray[Any]:
    """Return an image with three axes, even if OpenCV dropped a single channel."""
    return image if image.ndim == 3 else image[..., None]


def box_mean(image: Plane, side: int) -> Plane:
    """Return the mean over a square window, mirrored at the borders."""
    mean = cv2.boxFilter(image, -1, (side, side), borderType=cv2.BORDER_REFLECT)
    return np.asarray(mean, np.float32)


def as_view(pixels: Pixels, white: float, covered: Coverage | None = None) -> View:
    """Return the view of a registered frame (H, W) or (H, W, C), converted to float32."""
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

    Returns
    -------
    ndarray
        Array of the shape and dtype of ``like``.
    """
    if like.dtype.kind == "u":
        fused = np.rint(np.clip(fused, 0, np.float32(white)))
    return fused.reshape(like.shape).astype(like.dtype)
