"""Registration of two luma planes: the transform between them and its quality.

Inside this file transforms map reference to moving pixels, as warps need them; `Match` holds the
inverse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.align.blocks import TEXTURED_SHARE, measure_displacements, polished, project
from drpl.align.geometry import (
    Transform,
    identity,
    inverse,
    is_plausible,
    map_points,
    normalised,
    scaling,
)
from drpl.core.frames import Floats, Plane
from drpl.core.options import MOTIONS, Motion
from drpl.errors import AlignmentError, ConfigError

Level = tuple[Plane, Plane, Transform]
"""Reference and moving plane of a pyramid level, and the transform from it to the finest."""
COARSEST_SIDE = 128
"""Largest side, in pixels, of the coarsest level."""
ECC_PIXELS = 200_000
"""Largest level, in pixels, registered by ECC; finer ones use the displacements of blocks."""
ECC_STEPS = (60, 20, 10)
"""Iterations of ECC by level, coarsest first; the last holds for all further levels."""
ECC_MOTIONS = {
    "translation": cv2.MOTION_TRANSLATION,
    "similarity": cv2.MOTION_AFFINE,
    "affine": cv2.MOTION_AFFINE,
    "homography": cv2.MOTION_HOMOGRAPHY,
}
"""OpenCV's code of each motion; a similarity is projected from an affine transform later."""
POLISH_STEPS = 2
"""Refinements by the displacements of blocks at each level."""
POLISH_LOSS = 0.002
"""Loss of score beyond which refinements by blocks are undone."""
GOOD_SCORE = 0.6
"""Score below which features are tried as well."""
SMALLEST_SIDE = 12
"""Shorter side, in pixels, below which nothing is estimated."""
MIN_FEATURES = 8
"""Fewest features, and fewest matches of features, for a transform."""
MIN_INLIERS = 6
"""Fewest matches that must agree with a transform."""


@dataclass(frozen=True, slots=True)
class Match:
    """Transform between two planes, moving to reference in their pixels, and its quality.

    ``score`` is the correlation of the band-passed planes after the warp, in [-1, 1]. ``residual``
    is the median displacement of textured blocks after the warp, in pixels of the planes; NaN if no
    block is textured. It was measured at the level whose pixels have size ``pixel_size``: blurred
    pictures have texture at coarse levels only.
    """

    transform: Transform
    score: float
    residual: float
    pixel_size: float = 1.0


def match_planes(reference: Plane, moving: Plane, *, motion: Motion = "affine") -> Match:
    """Estimate the transform that maps a moving picture onto a reference picture.

    Brightness of the luma planes may differ by gain and offset, sharpness by place. Phase
    correlation finds the shift; ECC refines the transform over a pyramid up to 0.2 megapixels. At
    larger levels it is fitted to the displacements of blocks, which differences in blur and
    brightness do not bias. If the score stays poor, matched SIFT features give a second start, and
    the better score wins. Raise AlignmentError if the planes differ in size, ConfigError if the
    motion is unknown.

    Reference: Evangelidis and Psarakis, TPAMI 30 (2008), doi:10.1109/TPAMI.2008.113 (ECC).
    """
    if motion not in MOTIONS:
        raise ConfigError(f"motion is {motion!r}; expected one of {MOTIONS}")
    if reference.shape != moving.shape or reference.ndim != 2:
        raise AlignmentError(
            f"luma planes have shapes {reference.shape} and {moving.shape}; expected (H, W), alike"
        )
    if np.array_equal(reference, moving):
        return Match(identity(), 1.0, 0.0)
    contrast = min(reference.std(), moving.std())
    if min(reference.shape) < SMALLEST_SIDE or contrast == 0:
        return Match(identity(), 0.0, float("nan"))
    reference, moving = reference / contrast, moving / contrast  # dim frames match like bright ones
    levels = _pyramid(reference, moving)
    best = _refined_by_blocks(levels, _refined_by_ecc(levels, _first_shift(levels), motion), motion)
    if best.score < GOOD_SCORE:
        matched = _from_features(reference, moving, motion)
        if matched is not None:
            best = max(
                best, _refined_by_blocks(levels, matched, motion), key=lambda match: match.score
            )
    return best


def _pyramid(reference: Plane, moving: Plane) -> list[Level]:
    """Return both planes at full, half, quarter size and so on, coarsest first."""
    height, width = reference.shape
    levels = [(reference, moving, identity())]
    while max(levels[0][0].shape) > COARSEST_SIDE and min(levels[0][0].shape) >= 2 * SMALLEST_SIDE:
        rows, cols = levels[0][0].shape
        size = (-(-cols // 2), -(-rows // 2))
        small_reference, small_moving = (
            np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)
            for plane in levels[0][:2]
        )
        enlarge = scaling((width / size[0], height / size[1]))
        levels.insert(0, (small_reference, small_moving, enlarge))
    return levels


def _first_shift(levels: list[Level]) -> Transform:
    """Estimate the shift, in pixels of the finest level, by phase correlation at the coarsest."""
    reference, moving, enlarge = levels[0]
    window = cv2.createHanningWindow(reference.shape[::-1], cv2.CV_32F)
    flat = [np.asarray(p - p.mean(), np.float32) for p in (reference, moving)]
    (x, y), _ = cv2.phaseCorrelate(flat[0], flat[1], window)
    shift = np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])
    plausible = np.isfinite(shift).all() and max(abs(x), abs(y)) < max(reference.shape) / 2
    still = identity()
    better = plausible and (
        correlation(reference, moving, shift) > correlation(reference, moving, still)
    )
    return _at_level(shift if better else still, inverse(enlarge))


def _refined_by_blocks(levels: list[Level], start: Transform, motion: Motion) -> Match:
    """Refine a start level by level by the displacements of blocks, and measure its quality."""
    found = start = project(start, motion, levels[-1][0].shape)
    if not is_plausible(start):
        return Match(identity(), 0.0, float("nan"))
    for reference, moving, enlarge in levels:
        if reference.size > ECC_PIXELS or enlarge is levels[-1][2]:
            local = _at_level(found, enlarge)
            for _ in range(POLISH_STEPS):
                local = polished(reference, moving, local, motion)
            if is_plausible(local):
                found = _at_level(local, inverse(enlarge))
    score, before = _score(levels, found), _score(levels, start)
    if score < before - POLISH_LOSS:
        found, score = start, before
    return Match(inverse(found), score, *_residual(levels, found))


def _residual(levels: list[Level], transform: Transform) -> tuple[float, float]:
    """Return residual and pixel size at the finest level with enough textured blocks."""
    residual, pixel_size = float("nan"), 1.0
    for reference, moving, enlarge in reversed(levels):
        pixel_size = float(np.sqrt(enlarge[0, 0] * enlarge[1, 1]))
        measured = measure_displacements(reference, moving, _at_level(transform, enlarge))
        lengths = measured.textured()
        if lengths.size:
            residual = float(np.median(lengths)) * pixel_size
        if lengths.size > TEXTURED_SHARE * len(measured.points):
            break
    return residual, pixel_size


def _at_level(transform: Transform, enlarge: Transform) -> Transform:
    """Express a transform of the finest level in pixels of a coarser one."""
    return normalised(inverse(enlarge) @ transform @ enlarge)


def _refined_by_ecc(levels: list[Level], start: Transform, motion: Motion) -> Transform:
    """Refine a transform by ECC, coarsest level first."""
    steps = iter(ECC_STEPS)
    found = start
    for reference, moving, enlarge in levels:
        if reference.size > ECC_PIXELS and enlarge is not levels[0][2]:
            break
        local = _at_level(found, enlarge)
        local = _ecc(reference, moving, local, motion, next(steps, ECC_STEPS[-1]))
        found = _at_level(local, inverse(enlarge))
    return found


def _ecc(
    reference: Plane, moving: Plane, start: Transform, motion: Motion, steps: int
) -> Transform:
    """Refine by ECC at one level; return the start if ECC does not improve it."""
    code = ECC_MOTIONS[motion]
    rows = 3 if code == cv2.MOTION_HOMOGRAPHY else 2
    matrix = start[:rows].astype(np.float32)
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, steps, 1e-5)
    mask = np.full(moving.shape, 255, np.uint8)
    try:
        _, refined = cv2.findTransformECC(reference, moving, matrix, code, criteria, mask, 5)
    except cv2.error:
        return start
    found = identity()
    found[:rows] = refined
    if not is_plausible(found):
        return start
    better = correlation(reference, moving, found) > correlation(reference, moving, start)
    return found if better else start


def _score(levels: list[Level], transform: Transform) -> float:
    """Return the correlation at the finest level small enough for ECC."""
    small = [level for level in levels if level[0].size <= ECC_PIXELS] or levels[:1]
    reference, moving, enlarge = small[-1]
    return correlation(reference, moving, _at_level(transform, enlarge))


def correlation(reference: Plane, moving: Plane, transform: Transform) -> float:
    """Return the correlation, in [-1, 1], of two band-passed planes over the area that they share.

    It is 0 if they share less than a tenth of the picture. The transform maps reference to moving.
    """
    size = reference.shape[::-1]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(
        _band(moving), transform, size, flags=flags, borderValue=float("nan")
    )
    valid = np.isfinite(warped)
    if valid.mean() < 0.1:
        return 0.0
    a, b = _band(reference)[valid], warped[valid]
    a, b = a - a.mean(), b - b.mean()
    power = math.sqrt(float(a @ a) * float(b @ b))
    return float(np.clip(float(a @ b) / power, -1, 1)) if power > 0 else 0.0


def _band(plane: Plane) -> Plane:
    """Remove the finest detail, which depends on focus, and the slow changes of lighting."""
    fine = cv2.GaussianBlur(plane, (0, 0), 1.5, borderType=cv2.BORDER_REFLECT)
    return np.asarray(fine - cv2.blur(plane, (31, 31), borderType=cv2.BORDER_REFLECT), np.float32)


def _from_features(reference: Plane, moving: Plane, motion: Motion) -> Transform | None:
    """Estimate a transform by SIFT features and RANSAC; None if too few match."""
    detector = cv2.SIFT.create(nfeatures=1500, contrastThreshold=0.01)
    found = [detector.detectAndCompute(_as_bytes(plane), None) for plane in (reference, moving)]
    (points_r, descriptors_r), (points_m, descriptors_m) = found
    if min(len(points_r), len(points_m)) < MIN_FEATURES:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(descriptors_r, descriptors_m, k=2)
    good = [first for first, second in pairs if first.distance < 0.8 * second.distance]
    if len(good) < MIN_FEATURES:
        return None
    source = np.array([points_r[pair.queryIdx].pt for pair in good])
    target = np.array([points_m[pair.trainIdx].pt for pair in good])
    affine, inliers = cv2.estimateAffinePartial2D(source, target, ransacReprojThreshold=3)
    if affine is None or int(inliers.sum()) < MIN_INLIERS:
        return None
    transform = identity()
    transform[:2] = affine
    if motion in ("translation", "similarity"):
        return project(transform, motion, reference.shape)
    return _more_flexible(source, target, motion, transform)


def _more_flexible(
    source: Floats, target: Floats, motion: Motion, similarity: Transform
) -> Transform:
    """Fit an affine transform or homography; keep the similarity if it fits about as well."""
    if motion == "affine":
        rows, _ = cv2.estimateAffine2D(source, target, ransacReprojThreshold=3)
    else:
        rows, _ = cv2.findHomography(source, target, cv2.RANSAC, 3)
    if rows is None:
        return similarity
    flexible = identity()
    flexible[: len(rows)] = rows

    def fitting(transform: Transform) -> int:
        misfit = np.linalg.norm(map_points(transform, source) - target, axis=1)
        return int((misfit < 2).sum())

    return flexible if fitting(flexible) > 1.1 * fitting(similarity) else similarity


def _as_bytes(plane: Plane) -> NDArray[np.uint8]:
    """Stretch a plane to 8 bits."""
    low, high = np.percentile(plane, (0.5, 99.5))
    stretched = np.clip((plane - low) * (255 / max(high - low, 1e-9)), 0, 255)
    return np.asarray(stretched, np.uint8)
