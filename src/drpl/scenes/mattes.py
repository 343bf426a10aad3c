"""Procedural mattes of foreground layers: blobs, shapes, strands, hair, grass, leaves, nets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Matte = NDArray[np.float32]
Mask = NDArray[np.uint8]
_FRACTION_BITS = 6
"""Fractional bits of OpenCV's fixed-point coordinates."""
_SUPERSAMPLING = 2
"""Canvas cells per pixel and axis; averaging them makes opacity equal to the covered area."""
_RIM = 0.7
"""Pixels by which OpenCV draws polygons too wide; also the width of the thinnest stroke."""


def _fixed_point(points: NDArray[np.float64]) -> NDArray[np.int32]:
    """Convert pixel coordinates to OpenCV's fixed-point coordinates on the canvas."""
    return np.round((points * _SUPERSAMPLING - 0.5) * (1 << _FRACTION_BITS)).astype(np.int32)


def _canvas(height: int, width: int) -> Mask:
    """Empty supersampled canvas for a picture of ``height`` x ``width`` pixels."""
    return np.zeros((height * _SUPERSAMPLING, width * _SUPERSAMPLING), np.uint8)


def _averaged(canvas: Mask) -> Matte:
    """Average a supersampled canvas to opacity per pixel."""
    size = (canvas.shape[1] // _SUPERSAMPLING, canvas.shape[0] // _SUPERSAMPLING)
    return cv2.resize(canvas, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0


def _fill(canvas: Mask, points: NDArray[np.float64], value: int = 255) -> None:
    """Fill a polygon with corners (n, 2) at (x, y) in pixels."""
    cv2.fillPoly(canvas, [_fixed_point(points)], value, cv2.LINE_AA, _FRACTION_BITS)


def _stroke(canvas: Mask, path: NDArray[np.float64], widths: NDArray[np.float64]) -> None:
    """Fill a stroke along a path (n, 2) with a width (n,) at each point, all in pixels."""
    along = np.gradient(path, axis=0)
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / length[:, None]
    half = normal * np.maximum(widths - _RIM, 0.0)[:, None] / 2
    _fill(canvas, np.concatenate([path + half, (path - half)[::-1]]))


def _noise(rng: np.random.Generator, height: int, width: int, cells: int) -> Matte:
    """Smooth noise (height, width), roughly within [-1, 1]."""
    rows = max(2, round(cells * height / max(height, width)))
    cols = max(2, round(cells * width / max(height, width)))
    grid = rng.uniform(-1, 1, (rows, cols)).astype(np.float32)
    return cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)


def _threshold(field: Matte, level: float) -> Matte:
    """Threshold a smooth field at a level, with an edge about one pixel wide."""
    rows = cv2.Sobel(field, cv2.CV_32F, 0, 1, ksize=1, scale=0.5)
    cols = cv2.Sobel(field, cv2.CV_32F, 1, 0, ksize=1, scale=0.5)
    steep = np.maximum(cv2.magnitude(rows, cols), 1e-4)
    return np.clip((field - np.float32(level)) / steep + 0.5, 0, 1).astype(np.float32)


def _blob(rng: np.random.Generator, height: int, width: int) -> Matte:
    """Blobs: thresholded smooth noise."""
    field = _noise(rng, height, width, int(rng.integers(3, 9)))
    field += np.float32(0.4) * _noise(rng, height, width, int(rng.integers(8, 20)))
    return _threshold(field, float(np.quantile(field[::8, ::8], rng.uniform(0.3, 0.85))))


def _corners(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float64]:
    """Corners (n, 2) of a random star-shaped polygon, in pixels."""
    count = int(rng.integers(3, 13))
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    reach = rng.uniform(0.25, 0.7) * rng.uniform(0.45, 1.0, count)
    centre = np.array([rng.uniform(0.15, 0.85) * width, rng.uniform(0.15, 0.85) * height])
    spread = np.stack([np.cos(angles) * width, np.sin(angles) * height], axis=1)
    corners: NDArray[np.float64] = centre + reach[:, None] * spread
    return corners


def _polygon(rng: np.random.Generator, height: int, width: int) -> Matte:
    """One to three star-shaped polygons."""
    canvas = _canvas(height, width)
    for _ in range(int(rng.integers(1, 4))):
        _fill(canvas, _corners(rng, height, width))
    return _averaged(canvas)


def _ellipse(rng: np.random.Generator, height: int, width: int) -> Matte:
    """One to four ellipses."""
    canvas = _canvas(height, width)
    angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    for _ in range(int(rng.integers(1, 5))):
        axes = rng.uniform(0.06, 0.42, 2) * min(height, width)
        ring = np.stack([axes[0] * np.cos(angles), axes[1] * np.sin(angles)], axis=1)
        turn = rng.uniform(0, np.pi)
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        _fill(canvas, ring @ rotation + rng.uniform(0, 1, 2) * (width, height))
    return _averaged(canvas)


def _half_plane(rng: np.random.Generator, height: int, width: int) -> Matte:
    """Half-plane with a straight or wavy edge."""
    rows, cols = np.mgrid[:height, :width].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    across = np.cos(angle) * (cols - width / 2) + np.sin(angle) * (rows - height / 2)
    along = np.cos(angle) * (rows - height / 2) - np.sin(angle) * (cols - width / 2)
    bend = rng.choice((0.0, rng.uniform(-0.15, 0.15) * min(height, width)))
    wave = bend * np.sin(along * (np.pi / max(height, width)) * rng.uniform(0.5, 3) + angle)
    reach = rng.uniform(-0.3, 0.3) * min(height, width)
    matte: Matte = np.clip(across + wave + reach + 0.5, 0, 1).astype(np.float32)
    return matte


def _wavy_path(
    rng: np.random.Generator, start: NDArray[np.float64], end: NDArray[np.float64], bend: float
) -> NDArray[np.float64]:
    """Wavy path (24, 2) from start to end; ``bend`` is its amplitude as a share of its length."""
    share = np.linspace(0, 1, 24)
    straight = start + share[:, None] * (end - start)
    aside = np.array([-(end - start)[1], (end - start)[0]])
    sway = bend * np.sin(np.pi * share * rng.uniform(0.5, 3)) * rng.choice((-1, 1))
    path: NDArray[np.float64] = straight + sway[:, None] * aside
    return path


def _strands(rng: np.random.Generator, height: int, width: int) -> Matte:
    """Two to eight long strands, each of constant width."""
    canvas = _canvas(height, width)
    for _ in range(int(rng.integers(2, 9))):
        angle = rng.uniform(0, 2 * np.pi)
        centre = rng.uniform(0.2, 0.8, 2) * (width, height)
        reach = (
            np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(0.4, 1.0) * max(height, width)
        )
        path = _wavy_path(rng, centre - reach, centre + reach, rng.uniform(0, 0.15))
        _stroke(canvas, path, np.full(len(path), np.exp(rng.uniform(0, np.log(12)))))
    return _averaged(canvas)


def _hair(rng: np.random.Generator, height: int, width: int) -> Matte:
    """Tuft of thin tapering hairs, in half of the cases with a round body at its root."""
    canvas = _canvas(height, width)
    root = rng.uniform(0, 1, 2) * (width, height)
    heading = np.arctan2(height / 2 - root[1], width / 2 - root[0])
    if rng.random() < 0.5:
        size = rng.uniform(0.15, 0.35) * min(height, width)
        ring = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        _fill(canvas, root + size * np.stack([np.cos(ring), np.sin(ring)], axis=1))
    for _ in range(int(rng.integers(25, 80))):
        angle = heading + rng.normal(0, 0.6)
        start = root + rng.normal(0, 0.08, 2) * min(height, width)
        reach = rng.uniform(0.3, 1.0) * max(height, width)
        end = start + reach * np.array([np.cos(angle), np.sin(angle)])
        path = _wavy_path(rng, start, end, rng.uniform(0, 0.25))
        _stroke(canvas, path, np.linspace(rng.uniform(0.9, 2.5), 0.5, len(path)))
    return _averaged(canvas)


def _grass(rng: np.random.Generator, height: int, width: int) -> Matte:
    """Blades of grass from the lower edge or, in one case of five, from the upper edge."""
    canvas = _canvas(height, width)
    for _ in range(int(rng.integers(12, 50))):
        start = np.array([rng.uniform(-0.1, 1.1) * width, height + 2.0])
        end = start + np.array([rng.normal(0, 0.2) * width, -rng.uniform(0.25, 1.0) * height])
        path = _wavy_path(rng, start, end, rng.uniform(0, 0.12))
        _stroke(canvas, path, np.linspace(rng.uniform(2.5, 9.0), 0.6, len(path)))
    return np.rot90(_averaged(canvas), 2).copy() if rng.random() < 0.2 else _averaged(canvas)


def _leaves(rng: np.random.Generator, height: int, width: int) -> Matte:
    """Branch with leaves on both sides."""
    canvas = _canvas(height, width)
    size = float(min(height, width))
    angle = rng.uniform(0, 2 * np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * 0.6 * size
    centre = np.array([width, height]) * rng.uniform(0.35, 0.65, 2)
    branch = _wavy_path(rng, centre - reach, centre + reach, rng.uniform(0, 0.2))
    _stroke(canvas, branch, np.linspace(rng.uniform(2.0, 5.0), 1.0, len(branch)))
    length = rng.uniform(0.12, 0.4) * size
    share = np.linspace(0, 1, 24)
    for base in branch[:: int(rng.integers(2, 5))]:
        for side in (-1, 1):
            aim = angle + side * rng.uniform(0.4, 1.3)
            tip = base + length * rng.uniform(0.6, 1.2) * np.array([np.cos(aim), np.sin(aim)])
            path = _wavy_path(rng, base, tip, rng.uniform(0, 0.12))
            _stroke(canvas, path, rng.uniform(0.2, 0.5) * length * np.sin(np.pi * share) + 0.8)
    return _averaged(canvas)


def _bars(
    rng: np.random.Generator, canvas: Mask, angle: float, gap: float, thick: float, bend: float
) -> None:
    """Draw parallel bars across the whole canvas; all lengths are in pixels."""
    height, width = (side / _SUPERSAMPLING for side in canvas.shape)
    reach = 0.75 * (height + width)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-np.sin(angle), np.cos(angle)])
    centre = np.array([width, height]) / 2
    share = np.linspace(-1, 1, 24)
    wave = bend * np.sin(share * rng.uniform(1, 6) + rng.uniform(0, 6))
    for offset in np.arange(-reach + rng.uniform(0, gap), reach, gap):
        path = centre + np.outer(share * reach, along) + np.outer(offset + wave, across)
        _stroke(canvas, path, np.full(len(path), thick))


def _net(rng: np.random.Generator, height: int, width: int) -> Matte:
    """Net of two crossing sets of bars."""
    canvas = _canvas(height, width)
    thick = np.exp(rng.uniform(0, np.log(6)))
    gap = thick * rng.uniform(2.5, 9) + 4
    angle, bend = rng.uniform(0, np.pi), rng.choice((0.0, rng.uniform(0, 8)))
    _bars(rng, canvas, angle, gap, thick, bend)
    _bars(rng, canvas, angle + np.pi / 2 + rng.normal(0, 0.25), gap, thick, bend)
    return _averaged(canvas)


def _fence(rng: np.random.Generator, height: int, width: int) -> Matte:
    """Fence of parallel bars."""
    canvas = _canvas(height, width)
    thick = np.exp(rng.uniform(0, np.log(12)))
    bend = rng.choice((0.0, rng.uniform(0, 6)))
    _bars(rng, canvas, rng.uniform(0, np.pi), thick * rng.uniform(1.5, 7) + 4, thick, bend)
    return _averaged(canvas)


def _porous(rng: np.random.Generator, height: int, width: int) -> Matte:
    """Solid shape with holes."""
    shape = _SOLID[int(rng.integers(len(_SOLID)))](rng, height, width)
    field = _noise(rng, height, width, int(rng.integers(10, 45)))
    return shape * _threshold(field, float(np.quantile(field[::8, ::8], rng.uniform(0.2, 0.6))))


def _soft(rng: np.random.Generator, height: int, width: int) -> Matte:
    """Solid shape with a soft edge."""
    shape = _SOLID[int(rng.integers(len(_SOLID)))](rng, height, width)
    blurred = cv2.GaussianBlur(shape, (0, 0), rng.uniform(1.0, 6.0))
    return np.clip(blurred, 0.0, 1.0).astype(np.float32)


def _silhouette(rng: np.random.Generator, height: int, width: int, mask: Mask) -> Matte:
    """Object of a mask file, rotated, scaled and placed at random, anti-aliased."""
    scale = rng.uniform(0.5, 1.2) * _SUPERSAMPLING * min(height, width) / max(mask.shape)
    matrix = cv2.getRotationMatrix2D(
        (mask.shape[1] / 2, mask.shape[0] / 2), rng.uniform(0, 360), scale
    )
    centre = rng.uniform(0.3, 0.7, 2) * (width, height) * _SUPERSAMPLING
    matrix[:, 2] += centre - (mask.shape[1] / 2, mask.shape[0] / 2)
    size = (width * _SUPERSAMPLING, height * _SUPERSAMPLING)
    binary = (mask > 127).astype(np.uint8) * 255
    return _averaged(cv2.warpAffine(binary, matrix, size).astype(np.uint8))


_Draw = Callable[[np.random.Generator, int, int], Matte]
_SOLID: tuple[_Draw, ...] = (_blob, _polygon, _ellipse, _half_plane)
_KINDS: dict[str, _Draw] = {
    "blob": _blob,
    "polygon": _polygon,
    "ellipse": _ellipse,
    "half_plane": _half_plane,
    "strands": _strands,
    "hair": _hair,
    "grass": _grass,
    "leaves": _leaves,
    "net": _net,
    "fence": _fence,
    "porous": _porous,
    "soft": _soft,
}
MATTE_KINDS: tuple[str, ...] = (*_KINDS, "silhouette")
"""Kinds of mattes; ``"silhouette"`` needs mask files."""
_COVERAGE = (0.02, 0.9)
"""Smallest and largest mean opacity of a matte."""


def draw_matte(
    rng: np.random.Generator,
    height: int,
    width: int,
    *,
    kind: str | None = None,
    silhouettes: Sequence[Mask] = (),
) -> Matte:
    """Draw the matte (height, width) of one foreground layer: anti-aliased opacity in [0, 1].

    Its mean lies between 0.02 and 0.9, unless ten attempts fail. The ``kind`` is one of
    `MATTE_KINDS`, drawn at random by default; ``silhouettes`` are mask files (h, w) with objects
    above 127. Raise ValueError if the kind is unknown, or is ``"silhouette"`` without mask files.
    """
    known = MATTE_KINDS if silhouettes else tuple(_KINDS)
    if kind is not None and kind not in known:
        raise ValueError(f"matte kind is {kind!r}; expected one of {known}")
    chosen = kind or str(rng.choice(known))
    for _ in range(10):
        if chosen == "silhouette":
            mask = silhouettes[int(rng.integers(len(silhouettes)))]
            matte = _silhouette(rng, height, width, mask)
        else:
            matte = _KINDS[chosen](rng, height, width)
        if _COVERAGE[0] <= float(matte.mean()) <= _COVERAGE[1]:
            break
    return matte
