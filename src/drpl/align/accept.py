"""Gates: which match of two frames is to be believed."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from drpl.align.blocks import Plane
from drpl.align.geometry import Transform, corners, inverse
from drpl.align.pairs import Match, match_planes
from drpl.core.options import MOTIONS, Motion

LOWEST_SCORE = 0.3
LARGEST_RESIDUAL = 2.0
"""In pixels of the level at which the residual was measured."""
SCALES = (0.8, 1.25)
LARGEST_ROTATION = 20.0
"""Degrees between neighbours."""


def fitting_match(reference: Plane, moving: Plane, motion: Motion) -> tuple[Match, str, str]:
    """Match two frames by a motion, or by a simpler one where that distorts them implausibly.

    The sharper one is matched with the other, whichever is to be moved: so a stack and its reverse
    come out alike.

    Parameters
    ----------
    reference, moving : ndarray, shape (H, W), float32
        Luma planes.
    motion : str
        The most flexible motion that may be tried.

    Returns
    -------
    match : Match
    used : str
        The motion that fits, or "none".
    note : str
        What was wrong with those that do not.
    """
    if _sharpness(moving) > _sharpness(reference):
        match, used, note = _fitting(moving, reference, motion)
        return replace(match, transform=inverse(match.transform)), used, note
    return _fitting(reference, moving, motion)


def _sharpness(plane: Plane) -> float:
    """How much a plane changes from pixel to pixel."""
    return float(cv2.Laplacian(plane, cv2.CV_32F).std())


def _fitting(reference: Plane, moving: Plane, motion: Motion) -> tuple[Match, str, str]:
    """Match, motion and note as of `fitting_match`."""
    note = ""
    for simpler in reversed(MOTIONS[: MOTIONS.index(motion) + 1]):
        match = match_planes(reference, moving, motion=simpler)
        distortion, misfit = _distortion(match.transform, reference.shape), _misfit(match)
        if not (distortion or misfit):
            return match, simpler, note and f"{note}, hence {simpler}"
        note = note or f"{simpler}: {distortion or misfit}"
        if not distortion:
            break
    return match, "none", note


def _misfit(match: Match) -> str:
    """What makes a match poor; empty where nothing does."""
    if match.score < LOWEST_SCORE:
        return f"score {match.score:.2f} is below {LOWEST_SCORE}"
    if match.residual > LARGEST_RESIDUAL * match.grain:
        return f"residual of {match.residual:.1f} working pixels is too large"
    return ""


def _distortion(matrix: Transform, shape: tuple[int, ...]) -> str:
    """What makes a transform between neighbours implausible; empty where nothing does."""
    height, width = shape
    w = np.append(corners(shape), np.ones((4, 1)), 1) @ matrix[2]
    if w.min() < 0.5 * w.max():
        return "perspective is implausible"
    middle = np.array([(width - 1) / 2, (height - 1) / 2, 1])
    x, y, depth = matrix @ middle
    linear = (matrix[:2, :2] - np.outer([x / depth, y / depth], matrix[2, :2])) / depth
    stretch = np.linalg.svd(linear)[1]
    turn = math.degrees(math.atan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1]))
    shift = abs(x / depth - middle[0]) / width, abs(y / depth - middle[1]) / height
    if not SCALES[0] <= stretch[1] <= stretch[0] <= SCALES[1] or np.linalg.det(linear) < 0:
        return f"scale {stretch[0]:.2f} by {stretch[1]:.2f} is implausible"
    if abs(turn) > LARGEST_ROTATION:
        return f"rotation by {turn:.1f} degrees is implausible"
    if max(shift) > 0.5:
        return "shift is more than half of the picture"
    return ""
