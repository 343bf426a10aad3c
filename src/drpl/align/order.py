"""Order of frames by focus, independent of the order in which they are given."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.core.frames import Floats, Plane, Tensor

OCTAVES = 4
"""Octaves of detail in a profile."""
GRID = 16
"""Cells along the longer side."""
TRUSTED = 1.05
"""Length of the given order, relative to the shortest path found, up to which it is kept."""
FINE_OCTAVES = 2
"""Octaves of detail with one peak along focus; coarser detail spreads as it goes out of focus."""
MOST_PEAKS = 0.14
"""Rise of detail after its peak, relative to its range and more than along the shortest path, up to
which the given order is kept."""
STARTS = 8
"""Frames from which paths are tried."""


def focus_profile(luma: Plane) -> Tensor:
    """Measure where a frame has detail, by octave, on a grid too coarse for small shifts to matter.

    Given luma (H, W) in [0, 1] at working size, returns the mean absolute detail in each cell,
    shape (4, rows, columns), finest octave first.
    """
    height, width = luma.shape
    longer = max(height, width)
    cells = (max(1, round(GRID * width / longer)), max(1, round(GRID * height / longer)))
    octaves = []
    for _ in range(OCTAVES):
        size = (luma.shape[1], luma.shape[0])
        half = (max(1, size[0] // 2), max(1, size[1] // 2))
        coarse = np.asarray(cv2.resize(luma, half, interpolation=cv2.INTER_AREA), np.float32)
        detail = np.abs(luma - cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR))
        octaves.append(cv2.resize(detail, cells, interpolation=cv2.INTER_AREA))
        luma = coarse
    return np.stack(octaves).astype(np.float32)


def focus_order(profiles: Sequence[Tensor]) -> list[int]:
    """Order frames, given their `focus_profile`, so that neighbours have similar focus.

    In the order of focus, detail at a place has one peak. The given order is kept if it is nearly
    as short as the shortest path found through all frames, or if it has nearly as few further
    peaks: a flat object looks alike on both sides of focus, so that the shortest path goes to and
    fro between them. Otherwise that path is taken. The end with more detail comes first, so that a
    stack, its reverse and a shuffled copy have one order.
    """
    count = len(profiles)
    energies = np.stack(profiles).reshape(count, OCTAVES, -1).astype(np.float64)
    levels = _levels(energies)
    distances = np.stack([np.abs(levels - own).mean(axis=1) for own in levels])
    order = np.arange(count)
    shortest = _short_path(distances)
    fine = energies[:, :FINE_OCTAVES].reshape(count, -1)
    longer = _length(distances, order) > TRUSTED * _length(distances, shortest)
    if longer and _further_peaks(fine) > MOST_PEAKS + _further_peaks(fine[shortest]):
        order = shortest
    detail = energies.mean(axis=(1, 2))
    if detail[order[0]] < detail[order[-1]]:
        order = order[::-1]
    return [int(number) for number in order]


def _further_peaks(detail: Floats) -> float:
    """Return how far detail (N, K) rises again after falling from its peak, on either side of it.

    It is relative to the range of detail; that of places with one peak is 0.
    """
    peak = detail.argmax(axis=0)
    steps = np.diff(detail, axis=0)
    against = np.where(np.arange(len(steps))[:, None] < peak, -steps, steps)
    spread = detail.max(axis=0) - detail.min(axis=0)
    return float(np.maximum(against, 0).sum() / max(float(spread.sum()), 1e-12))


def in_sequence(order: Sequence[int]) -> bool:
    """Return True if an order is ascending or descending."""
    return list(order) in (sorted(order), sorted(order, reverse=True))


def _levels(energies: Floats) -> Floats:
    """Return the log of detail, noise discounted, by frame: (N, octaves x cells)."""
    noise = np.percentile(energies, 10, axis=(0, 2), keepdims=True)
    return np.asarray(np.log(energies + noise + 1e-5).reshape(len(energies), -1), np.float64)


def _length(distances: Floats, path: NDArray[np.intp]) -> float:
    """Return the length of a path through frames."""
    return float(distances[path[:-1], path[1:]].sum())


def _short_path(distances: Floats) -> NDArray[np.intp]:
    """Find a short path through all frames: nearest neighbours from several starts, then 2-opt.

    Paths start at the frames farthest from all others, which usually are the ends of the stack.
    """
    starts = np.argsort(-distances.sum(axis=1), kind="stable")[:STARTS]
    paths = [_two_opt(distances, _nearest_neighbours(distances, int(start))) for start in starts]
    return min(paths, key=lambda path: _length(distances, path))


def _nearest_neighbours(distances: Floats, start: int) -> NDArray[np.intp]:
    """Return the path from a start that always continues with the nearest frame left."""
    left = np.ones(len(distances), bool)
    path = [start]
    left[start] = False
    while left.any():
        path.append(int(np.argmin(np.where(left, distances[path[-1]], np.inf))))
        left[path[-1]] = False
    return np.array(path)


def _two_opt(distances: Floats, path: NDArray[np.intp]) -> NDArray[np.intp]:
    """Reverse parts of a path as long as that shortens it."""
    path = path.copy()
    improved = True
    while improved:
        improved = False
        for first in range(len(path) - 1):
            ends = np.arange(first + 1, len(path))
            change = np.zeros(len(ends))
            if first > 0:
                before = path[first - 1]
                change += distances[before, path[ends]] - distances[before, path[first]]
            after = path[ends[:-1] + 1]
            change[:-1] += distances[path[first], after] - distances[path[ends[:-1]], after]
            best = int(np.argmin(change))
            if change[best] < -1e-9:
                part = slice(first, first + best + 2)
                path[part] = path[part][::-1].copy()
                improved = True
    return path
