"""Geometry of transforms: warps, valid and common areas, changes of scale.

A transform is a 3x3 float64 matrix that maps pixel coordinates (x = column, y = row, 1) of a moving
frame to pixel coordinates of the reference frame. Pixel centres lie at integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Floats, Pixels
from drpl.core.tiling import Window
from drpl.errors import AlignmentError, ConfigError

Transform = NDArray[np.float64]
"""Matrix (3, 3), float64: moving to reference, in pixels."""
Interpolation = Literal["linear", "cubic", "lanczos"]
INTERPOLATIONS: tuple[str, ...] = get_args(Interpolation)
_FLAGS = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4}
LARGEST_SIDE = 32766
"""Longest side, in pixels, that OpenCV can warp."""
TOLERANCE = 1e-6
"""Pixels outside the moving frame that still count as inside, for rounding errors."""
SMALLEST_AREA = 0.1
"""Area of a pixel under a plausible transform, at least, in pixels."""
CANDIDATES = 512
"""Rows among which the edges of the common area are first searched for."""


def identity() -> Transform:
    """Return the transform that moves nothing."""
    return np.eye(3)


def inverse(transform: Transform) -> Transform:
    """Return the inverse of a transform, scaled so that its last element is 1."""
    return normalised(np.linalg.inv(transform))


def normalised(transform: NDArray[np.floating[Any]]) -> Transform:
    """Scale a transform so that its last element is 1."""
    return np.asarray(transform / transform[2, 2], np.float64)


def is_plausible(transform: Transform) -> bool:
    """Return True if a transform is finite and neither collapses areas nor mirrors them."""
    return bool(np.isfinite(transform).all()) and np.linalg.det(transform) > SMALLEST_AREA


def is_identity(transform: Transform) -> bool:
    """Return True if a transform is exactly the identity."""
    return bool(np.array_equal(transform, np.eye(3)))


def map_points(transform: Transform, points: Floats) -> Floats:
    """Map points (..., 2), x and y in pixels, by a transform."""
    mapped = points @ transform[:, :2].T + transform[:, 2]
    return np.asarray(mapped[..., :2] / mapped[..., 2:], np.float64)


def corners(shape: Sequence[int]) -> Floats:
    """Return the centres of the four corner pixels, shape (4, 2), x and y in pixels."""
    bottom, right = shape[0] - 1.0, shape[1] - 1.0
    return np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]])


def largest_shift(transform: Transform, shape: Sequence[int]) -> float:
    """Return the largest distance, in pixels, by which a transform moves a corner."""
    points = corners(shape)
    return float(np.linalg.norm(map_points(transform, points) - points, axis=1).max())


def scaling(scale: float | tuple[float, float]) -> Transform:
    """Return the transform from a reduced picture to the full one, ``scale`` times as large (x, y).

    Edges map to edges, so that the first pixel centre moves by ``(scale - 1) / 2``.
    """
    x, y = scale if isinstance(scale, tuple) else (scale, scale)
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1.0]])


def rescale(transform: Transform, scale: float | tuple[float, float]) -> Transform:
    """Express a transform between reduced pictures in pixels of the full ones; see `scaling`.

    The identity stays exactly the identity.
    """
    if is_identity(transform):
        return identity()
    enlarge = scaling(scale)
    return normalised(enlarge @ transform @ inverse(enlarge))


def warp(
    pixels: Pixels,
    transform: Transform,
    shape: Sequence[int],
    *,
    interpolation: Interpolation = "cubic",
) -> Pixels:
    """Warp a moving frame, of one to four channels, onto a reference frame of a height and width.

    Places outside the moving frame are mirrored. Integers stay within the range of their dtype,
    floats within that of ``pixels``, which is itself returned if nothing moves. Raise
    AlignmentError if a side has more than 32766 pixels or the transform cannot be inverted,
    ConfigError if the interpolation is unknown.
    """
    if interpolation not in _FLAGS:
        raise ConfigError(f"interpolation is {interpolation!r}; expected one of {INTERPOLATIONS}")
    size = (int(shape[1]), int(shape[0]))
    if is_identity(transform) and pixels.shape[:2] == size[::-1]:
        return pixels
    _check_warp(pixels, transform, size)
    warped = _warp_plain(pixels, inverse(transform), size, _FLAGS[interpolation])
    if pixels.dtype == np.float32 and interpolation != "linear":
        np.clip(warped, pixels.min(), pixels.max(), out=warped)
    return warped.reshape(size[1], size[0], *pixels.shape[2:])


def _check_warp(pixels: Pixels, transform: Transform, size: tuple[int, int]) -> None:
    """Reject sizes and transforms that OpenCV cannot warp."""
    side = max(*pixels.shape[:2], *size)
    if side > LARGEST_SIDE:
        raise AlignmentError(
            f"a side has {side} pixels; frames of more than {LARGEST_SIDE} cannot be warped: "
            "align smaller ones"
        )
    if not np.isfinite(transform).all() or abs(np.linalg.det(transform)) < 1e-12:
        raise AlignmentError(
            f"transform is {transform.tolist()}; expected one that can be inverted"
        )


def _warp_plain(pixels: Pixels, to_moving: Transform, size: tuple[int, int], flags: int) -> Pixels:
    """Warp with OpenCV by a transform from reference to moving frame, mirrored outside."""
    flags |= cv2.WARP_INVERSE_MAP
    border = cv2.BORDER_REFLECT
    if np.array_equal(to_moving[2], (0, 0, 1)):
        affine = to_moving[:2]
        return np.asarray(cv2.warpAffine(pixels, affine, size, flags=flags, borderMode=border))
    return np.asarray(cv2.warpPerspective(pixels, to_moving, size, flags=flags, borderMode=border))


def valid_spans(
    transform: Transform, shape: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return first and stop (H,) of the columns that the moving frame covers in each reference row.

    The span is half-open, and empty where ``first >= stop``. Both frames have the same shape.
    """
    height, width = int(shape[0]), int(shape[1])
    x, y, w = np.linalg.inv(transform)
    middle = np.array([(width - 1) / 2, (height - 1) / 2, 1])
    x, y, w = (row * (np.sign(w @ middle) or 1.0) for row in (x, y, w))
    # a pixel is covered where none of these linear forms of its position is negative
    forms = (x, (width - 1) * w - x, y, (height - 1) * w - y, w)
    rows = np.arange(height)
    low, high = np.zeros(height), np.full(height, width - 1.0)
    for along, down, constant in forms:
        rest = down * rows + constant + TOLERANCE
        if abs(along) < 1e-12:
            high = np.where(rest >= 0, high, -1)
        elif along > 0:
            low = np.maximum(low, -rest / along)
        else:
            high = np.minimum(high, -rest / along)
    first = np.ceil(np.minimum(low, width)).astype(np.int64)
    return first, np.floor(np.maximum(high, -1)).astype(np.int64) + 1


def valid_area(transform: Transform, shape: Sequence[int]) -> NDArray[np.bool_]:
    """Return a mask (H, W) of the reference frame, True where the moving frame covers it."""
    first, stop = valid_spans(transform, shape)
    columns = np.arange(int(shape[1]))
    return (columns >= first[:, None]) & (columns < stop[:, None])


def common_area(transforms: Sequence[Transform], shape: Sequence[int]) -> Window:
    """Return rows and columns of the largest upright rectangle that every frame covers.

    Raise AlignmentError if the frames share no pixel.
    """
    first = np.zeros(int(shape[0]), np.int64)
    stop = np.full(int(shape[0]), int(shape[1]), np.int64)
    for transform in transforms:
        starts, ends = valid_spans(transform, shape)
        first, stop = np.maximum(first, starts), np.minimum(stop, ends)
    inside = np.flatnonzero(first < stop)
    if inside.size == 0:
        raise AlignmentError("the aligned frames share no area; leave out frames that are far off")
    step = -(-inside.size // CANDIDATES)
    tops = bottoms = inside[:: max(1, step)]
    top, bottom = _best_rows(tops, bottoms, first, stop)
    if step > 1:
        near = np.arange(-step, step + 1)
        tops, bottoms = (np.clip(row + near, inside[0], inside[-1]) for row in (top, bottom))
        top, bottom = _best_rows(tops, bottoms, first, stop)
    left, right = max(first[top], first[bottom]), min(stop[top], stop[bottom])
    return slice(int(top), int(bottom) + 1), slice(int(left), int(right))


def _best_rows(
    tops: NDArray[np.int64],
    bottoms: NDArray[np.int64],
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
) -> tuple[int, int]:
    """Return the first and last row of the largest rectangle in the common area.

    The common area is convex, so the columns of these two rows bound the rectangle.
    """
    left = np.maximum(first[tops][:, None], first[bottoms])
    right = np.minimum(stop[tops][:, None], stop[bottoms])
    height = bottoms - tops[:, None] + 1
    area = np.where((height > 0) & (right > left), height * (right - left), 0)
    row, col = np.unravel_index(int(area.argmax()), area.shape)
    return int(tops[row]), int(bottoms[col])
