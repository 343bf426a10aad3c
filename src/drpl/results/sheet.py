"""Decision sheet: a picture of every decision, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.compose.fold import Decision, NewFrame
from drpl.core.composite import Composite
from drpl.core.frames import Pixels, full_scale

Bytes = NDArray[np.uint8]
DECISIONS = "decisions.png"
"""Name of the file."""
WIDTH = 320
"""Largest width of a thumbnail, in pixels."""
LINE = 28
"""Height of a line of text, in pixels."""
INK, PAPER = (240.0, 240.0, 240.0), 32
"""Colours of text and background."""


class DecisionSheet:
    """Observer of the fold that draws a row of thumbnails for each frame and each fused slab.

    A row shows the registered frame, the decision map (white where the composite was kept, black
    where the frame was taken, grey where the decision is soft; black for the first frame), and the
    composite after the decision.
    """

    def __init__(self, names: Sequence[str], *, value_range: float | None = None) -> None:
        self._names = names
        self._value_range = value_range
        self._rows: list[Bytes] = []

    def __call__(self, composite: Composite, new: NewFrame, decision: Decision | None) -> None:
        """Draw a row; see `drpl.compose.fold.Observer`."""
        white = full_scale(new.frame, self._value_range)
        frame, after = (_thumbnail(pixels, white) for pixels in (new.frame, composite.fused))
        plane = np.zeros(frame.shape[:2], np.float32)
        if decision is not None:
            plane = _decision_thumbnail(decision, new.frame.shape[0], frame.shape[:2])
        grey = np.rint(plane * 255).astype(np.uint8)
        pictures = np.hstack([frame, np.repeat(grey[..., None], 3, axis=2), after])
        self._rows += [draw_label(self._text(composite, new), pictures.shape[1]), pictures]

    def picture(self) -> Bytes:
        """Return the sheet, shape (H, W, 3), RGB: all rows, one below the other."""
        return np.vstack(self._rows)

    def _text(self, composite: Composite, new: NewFrame) -> str:
        """Return number, name and share of a frame or slab."""
        share = f"{100 * _share(composite, new):.1f} %"
        if new.maps is not None:
            return f"slab {new.number + 1:02d}: {share}"
        name = self._names[new.number].replace("\\", "/").rsplit("/", 1)[-1]
        return f"{new.number} {name}: {share}"


def _share(composite: Composite, new: NewFrame) -> float:
    """Return the share of the composite that a frame or slab gave, in [0, 1]."""
    numbers = new.number if new.maps is None else new.maps[0]
    # row by row, since a mask of the whole picture takes memory
    whole = np.broadcast_to(numbers, composite.index_map.shape)
    pairs = zip(composite.index_map, whole, strict=True)
    return sum(np.count_nonzero(row == n) for row, n in pairs) / composite.index_map.size


def _thumbnail(pixels: Pixels, white: float) -> Bytes:
    """Return a thumbnail of a picture, shape (H, W, 3), RGB."""
    height, width = pixels.shape[:2]
    columns = min(width, WIDTH)
    size = (columns, max(1, round(height * columns / width)))
    small: NDArray[Any] = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    small = small.reshape(size[1], columns, -1)
    colours = small[..., :3] if small.shape[2] > 2 else np.repeat(small[..., :1], 3, axis=2)
    scaled = np.clip(colours.astype(np.float32) / np.float32(white), 0, 1)
    rounded: Bytes = np.rint(scaled * 255).astype(np.uint8)
    return rounded


def _decision_thumbnail(
    decision: Decision, height: int, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return a thumbnail of a decision map of ``height`` rows, decided a few rows at a time."""
    edges = np.linspace(0, height, shape[0] + 1).round().astype(int).tolist()
    size = (shape[1], 1)
    rows = [
        cv2.resize(decision(slice(top, bottom)), size, interpolation=cv2.INTER_AREA)
        for top, bottom in pairwise(edges)
    ]
    return np.vstack(rows).astype(np.float32)


def draw_label(text: str, width: int) -> Bytes:
    """Draw a line of text, shape (`LINE`, width, 3); characters outside ASCII become ``?``."""
    strip = np.full((LINE, width, 3), PAPER, np.uint8)
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(strip, plain, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, cv2.LINE_AA)
    return strip
