"""Acceptance of matches: limits on misfit and distortion between neighbouring frames."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from drpl.align.geometry import Transform, corners, inverse
from drpl.align.pairs import Match, match_planes, tie_planes
from drpl.core.frames import Plane
from drpl.core.options import MOTIONS, Motion

MIN_SCORE = 0.3
"""Smallest correlation of a match."""
MAX_RESIDUAL = 2.0
"""Largest residual, in pixels of the level at which it was measured."""
SCALE_RANGE = (0.8, 1.25)
"""Smallest and largest scale between neighbours."""
MAX_ROTATION = 20.0
"""Largest rotation between neighbours, in degrees."""
MAX_SHIFT = 0.5
"""Largest shift between neighbours, relative to the picture."""
MIN_DEPTH_RATIO = 0.5
"""Smallest ratio of the homogeneous coordinates of two corners: a limit on perspective."""


def fitting_match(reference: Plane, moving: Plane, motion: Motion) -> tuple[Match, str, str]:
    """Match two frames by the most flexible motion that does not distort them implausibly.

    Motions are tried from ``motion`` down. Returns the match, its motion (``"none"`` if none fits)
    and the fault of the first rejected motion (empty if none was rejected). The less sharp frame is
    always matched to the sharper one and the result inverted if necessary, so that a stack and its
    reverse give the same transforms.
    """
    if _sharpness(moving) > _sharpness(reference):
        match, used, note = _fitting(moving, reference, motion)
        return replace(match, transform=inverse(match.transform)), used, note
    return _fitting(reference, moving, motion)


def fitting_tie(reference: Plane, moving: Plane, start: Transform, motion: Motion) -> Match | None:
    """Refine a good start, moving to reference, in the same direction as `fitting_match`."""
    if _sharpness(moving) > _sharpness(reference):
        tie = tie_planes(moving, reference, inverse(start), motion=motion)
        return tie and replace(tie, transform=inverse(tie.transform))
    return tie_planes(reference, moving, start, motion=motion)


def _sharpness(plane: Plane) -> float:
    """Return the standard deviation of a plane's Laplacian."""
    return float(cv2.Laplacian(plane, cv2.CV_32F).std())


def _fitting(reference: Plane, moving: Plane, motion: Motion) -> tuple[Match, str, str]:
    """Try simpler motions as long as the match is distorted; see `fitting_match`."""
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
    """Return why a match is poor, or an empty string."""
    if match.score < MIN_SCORE:
        return f"score {match.score:.2f} is below {MIN_SCORE}"
    if match.residual > MAX_RESIDUAL * match.pixel_size:
        return f"residual of {match.residual:.1f} working pixels is too large"
    return ""


def _distortion(matrix: Transform, shape: tuple[int, ...]) -> str:
    """Return why a transform between neighbours is implausible, or an empty string."""
    height, width = shape
    w = np.append(corners(shape), np.ones((4, 1)), 1) @ matrix[2]
    if w.min() < MIN_DEPTH_RATIO * w.max():
        return "perspective is implausible"
    middle = np.array([(width - 1) / 2, (height - 1) / 2, 1])
    x, y, depth = matrix @ middle
    linear = (matrix[:2, :2] - np.outer([x / depth, y / depth], matrix[2, :2])) / depth
    stretch = np.linalg.svd(linear)[1]
    turn = math.degrees(math.atan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1]))
    shift = abs(x / depth - middle[0]) / width, abs(y / depth - middle[1]) / height
    smallest, largest = SCALE_RANGE
    if not smallest <= stretch[1] <= stretch[0] <= largest or np.linalg.det(linear) < 0:
        return f"scale {stretch[0]:.2f} by {stretch[1]:.2f} is implausible"
    if abs(turn) > MAX_ROTATION:
        return f"rotation by {turn:.1f} degrees is implausible"
    if max(shift) > MAX_SHIFT:
        return "shift is more than half of the picture"
    return ""
