"""The order of frames by their focus, whatever the order they come in."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Distances = NDArray[np.float64]
OCTAVES = 4
GRID = 16
"""Cells along the longer side."""
TRUSTED = 1.2
"""How much longer than the shortest way through all frames the given one may be."""
STARTS = 8
"""Frames at which ways are begun."""


def focus_profile(luma: Plane) -> Plane:
    """Where a frame has detail, and how fine: too coarsely to be changed by small movements.

    Parameters
    ----------
    luma : ndarray, shape (H, W), float32, in [0, 1]
        At working size.

    Returns
    -------
    ndarray, shape (4, rows, columns), float32
        Mean absolute detail of four octaves, from the finest on, in the cells of a grid.
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


def focus_order(profiles: Sequence[Plane]) -> list[int]:
    """Order frames so that neighbours are focused alike.

    The given order is kept where it is nearly as smooth as any, else a shorter way through all
    frames is taken. The end with more detail comes first, so that a stack and its reverse, or a
    shuffled one, come out in one order.

    Parameters
    ----------
    profiles : sequence of ndarray
        `focus_profile` of each frame.

    Returns
    -------
    list of int
        Numbers of the frames.
    """
    count = len(profiles)
    energies = np.stack(profiles).reshape(count, OCTAVES, -1).astype(np.float64)
    apart = _distances(energies)
    order = np.arange(count)
    found = _shortest_way(apart)
    if _length(apart, order) > TRUSTED * _length(apart, found):
        order = found
    detail = energies.mean(axis=(1, 2))
    if detail[order[0]] < detail[order[-1]]:
        order = order[::-1]
    return [int(number) for number in order]


def in_sequence(order: Sequence[int]) -> bool:
    """Whether an order is that of the numbers, forwards or backwards."""
    return list(order) in (sorted(order), sorted(order, reverse=True))


def _distances(energies: Distances) -> Distances:
    """Mean difference of the logarithms of detail, above what is noise, between any two frames."""
    noise = np.percentile(energies, 10, axis=(0, 2), keepdims=True)
    levels = np.log(energies + noise + 1e-5).reshape(len(energies), -1)
    return np.stack([np.abs(levels - own).mean(axis=1) for own in levels])


def _length(apart: Distances, order: NDArray[np.intp]) -> float:
    """Length of a way through frames."""
    return float(apart[order[:-1], order[1:]].sum())


def _shortest_way(apart: Distances) -> NDArray[np.intp]:
    """A short way through all frames: always to the nearest, from several starts, then untwisted.

    The starts are the frames farthest from all others, ends of the way as a rule.
    """
    starts = np.argsort(-apart.sum(axis=1), kind="stable")[:STARTS]
    ways = [_untwisted(apart, _to_the_nearest(apart, int(start))) for start in starts]
    return min(ways, key=lambda way: _length(apart, way))


def _to_the_nearest(apart: Distances, start: int) -> NDArray[np.intp]:
    """A way that always goes on to the nearest frame that is left."""
    left = np.ones(len(apart), bool)
    way = [start]
    left[start] = False
    while left.any():
        way.append(int(np.argmin(np.where(left, apart[way[-1]], np.inf))))
        left[way[-1]] = False
    return np.array(way)


def _untwisted(apart: Distances, way: NDArray[np.intp]) -> NDArray[np.intp]:
    """A way of which no part is better reversed (2-opt)."""
    way = way.copy()
    improved = True
    while improved:
        improved = False
        for first in range(len(way) - 1):
            ends = np.arange(first + 1, len(way))
            change = np.zeros(len(ends))
            if first > 0:
                before = way[first - 1]
                change += apart[before, way[ends]] - apart[before, way[first]]
            after = way[ends[:-1] + 1]
            change[:-1] += apart[way[first], after] - apart[way[ends[:-1]], after]
            best = int(np.argmin(change))
            if change[best] < -1e-9:
                part = slice(first, first + best + 2)
                way[part] = way[part][::-1].copy()
                improved = True
    return way
