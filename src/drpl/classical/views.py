"""Input and result of classical methods: registered frames as float32, and their fusion."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.composite import Coverage
from drpl.core.frames import Pixels, Plane
from drpl.core.luma import Levels, luma_plane

Images = NDArray[np.float32]
Labels = NDArray[np.uint16]


class View(NamedTuple):
    """A registered frame.

    ``pixels``, shape (H, W, C), are in the units of the source, so that selected pixels stay exact.
    ``covered``, shape (H, W), is True where the frame shows the scene, and may be taken; None if it
    does everywhere, like the reference frame of a stack.
    """

    pixels: Images
    levels: Levels = Levels()
    covered: Coverage | None = None

    @property
    def luma(self) -> Plane:
        """Rec. 601 luma, shape (H, W), black at 0 and white at 1."""
        return luma_plane(self.pixels, self.levels)

    @property
    def grey(self) -> Plane:
        """Mean of the colours, shape (H, W), black at 0 and white at 1."""
        colours = self.pixels[..., : 3 if self.pixels.shape[2] > 2 else 1]
        black, span = np.float32(self.levels.black), np.float32(self.levels.span)
        return np.asarray((colours.mean(axis=2) - black) / span, np.float32)

    def coverage_like(self, plane: NDArray[Any]) -> Coverage | None:
        """Return the coverage at the height and width of a band or plane, which may be smaller."""
        shape = plane.shape[:2]
        if self.covered is None or self.covered.shape == shape:
            return self.covered
        whole = self.covered.astype(np.float32)
        small = cv2.resize(whole, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
        return np.asarray(small > 0.999, np.bool_)


Views = Iterable[View]
"""Frames to iterate over, in one or more passes; a method holds one at a time."""


class Fusion(NamedTuple):
    """Result of a classical method.

    ``fused``, shape (H, W, C), is in the units of the sources. ``index_map`` holds the place, from
    0, of the frame that a pixel is (mostly) taken from; ``confidence`` is 255 where the choice is
    clear, 0 where another frame would serve as well.
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


def as_view(pixels: Pixels, levels: Levels, covered: Coverage | None = None) -> View:
    """Return the view of a registered frame (H, W) or (H, W, C), converted to float32."""
    image = pixels if pixels.ndim == 3 else pixels[..., None]
    return View(np.ascontiguousarray(image, np.float32), levels, covered)


def as_pixels(fused: Images, like: Pixels) -> Pixels:
    """Convert a fused image to a source's shape and dtype; integers are rounded and clipped."""
    if like.dtype.kind == "u":
        # not to white: pixels of the sources may lie above the one that the user gave
        fused = np.rint(np.clip(fused, 0, np.iinfo(like.dtype).max))
    return fused.reshape(like.shape).astype(like.dtype)
