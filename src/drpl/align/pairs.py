"""Registration of two luma planes: the transform between them and its quality.

Inside this file transforms map reference to moving pixels, as warps need them; `Match` holds the
inverse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.align.blocks import fit_motion, measure_displacements, project
from drpl.align.geometry import (
    Transform,
    identity,
    inverse,
    is_plausible,
    largest_shift,
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
POLISH_STEPS, TIE_STEPS = 3, 1
"""Most refinements by the displacements of blocks: of a match, and of a tie with a good start."""
NEAR, NEAR_RESIDUAL = 3.0, 0.3
"""Shift of the corners and residual, in pixels, up to which displacements from rest are trusted."""
CONVERGED = 0.25
"""Shift of the corners, in pixels of the level, below which refinement ends."""
POLISH_LOSS = 0.03
"""Loss of score beyond which refinements by blocks are undone: where blur varies, the best score is
at a biased transform."""
PERIODIC, FEWEST_PEAKS = 0.4, 2
"""Likeness to itself, shifted, and number of such shifts, from which a picture is periodic."""
PEAK_SHARE = 0.97
"""Likeness at a shift, relative to the best, from which it is about as good."""
PERIOD_PIXELS, PERIOD_SHARE = 5, 0.6
"""Fewest pixels that a period needs at a level, and the largest shift looked for, in periods."""
FLATTEST = 0.01
"""Local contrast, relative to the mean and squared, below which detail is not raised to that of
other places."""
SURE_SCORE, SIMPLER_LOSS = 0.9, 0.02
"""Score of a motion from rest above which no other is looked for, and what it may fall short of
another's."""
GOOD_SCORE = 0.6
"""Score of what is sharp in both pictures below which features are tried as well."""
SMALLEST_SIDE = 12
"""Shorter side, in pixels, below which nothing is estimated."""
FEATURE_PIXELS = 300_000
"""Largest level, in pixels, that features are looked for in; SIFT takes 180 bytes for each."""
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
    pictures have texture at coarse levels only. ``information`` and ``slant`` are those of
    `drpl.align.blocks.Fit`, in pixels of the planes; None where nothing could be measured.
    """

    transform: Transform
    score: float
    residual: float
    pixel_size: float = 1.0
    information: Floats | None = None
    slant: float = 0.0


def match_planes(reference: Plane, moving: Plane, *, motion: Motion = "affine") -> Match:
    """Estimate the transform that maps a moving picture onto a reference picture.

    Brightness of the luma planes may differ by gain and offset, sharpness by place. A small motion
    on which the displacements of blocks agree is taken: it is the simplest. Else phase correlation
    finds the shift, ECC refines the transform over a pyramid up to 0.2 megapixels, and a motion is
    fitted to displacements, which differences in blur and brightness do not bias. If what is sharp
    in both does not match well, SIFT features give a second start; the better match of it wins. In
    periodic pictures shifts of over half a period are not looked for. Raise AlignmentError if the
    planes differ in size, ConfigError if the motion is unknown.

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
    near = _from_rest(levels, motion)
    if near is not None and near.score > SURE_SCORE:
        return near
    period = _period(levels)
    plain = _without_aliases(levels, period)
    if period:
        start = _near_shift(plain, PERIOD_SHARE * period, motion)
    else:
        start = _refined_by_ecc(levels, _first_shift(levels), motion)
    best = _refined_by_blocks(plain, start, motion)
    sharp = _sharp_score(levels, best)
    if sharp < GOOD_SCORE and not period:
        matched = _from_features(levels, motion)
        if matched is not None:
            other = _refined_by_blocks(levels, matched, motion)
            if _sharp_score(levels, other) > sharp:
                best = other
    return near if near is not None and near.score > best.score - SIMPLER_LOSS else best


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


def _period(levels: list[Level]) -> float:
    """Return the shortest period of the reference, in pixels of the finest level; 0 without one."""
    plane, _, enlarge = _small_level(levels)
    detail = _flattened(plane)
    likeness = np.fft.irfft2(np.abs(np.fft.rfft2(detail)) ** 2, detail.shape)
    alike = np.fft.fftshift(likeness > PERIODIC * likeness[0, 0]).astype(np.uint8)
    count, labels = cv2.connectedComponents(alike)
    middle = (detail.shape[0] // 2, detail.shape[1] // 2)
    apart = np.argwhere((labels > 0) & (labels != labels[middle])) - np.array(middle)
    if count - 2 < FEWEST_PEAKS:  # less the rest, and no shift
        return 0.0
    return float(np.linalg.norm(apart, axis=1).min()) * _pixel_size(enlarge)


def _near_shift(levels: list[Level], most: float, motion: Motion) -> Transform:
    """Find a shift of up to ``most`` pixels; take ECC's step from it if it is below half of it."""
    shift = _shift_within(levels, most)
    refined = _refined_by_ecc(levels, shift, motion)
    step = normalised(inverse(shift) @ refined)
    return refined if largest_shift(step, levels[-1][0].shape) < most / 2 else shift


def _shift_within(levels: list[Level], most: float) -> Transform:
    """Return the best shift of up to ``most`` pixels of the finest level, by cross-correlation.

    Of shifts that are about as good, as those along lines, the smallest counts.
    """
    reference, moving, enlarge = _small_level(levels)
    spectra = [np.fft.rfft2(_flattened(plane)) for plane in (reference, moving)]
    likeness = np.fft.irfft2(np.conj(spectra[0]) * spectra[1], reference.shape)
    y, x = np.meshgrid(*(np.fft.fftfreq(side, 1 / side) for side in reference.shape), indexing="ij")
    shifts = np.hypot(x, y)
    near = shifts <= max(1.0, most / _pixel_size(enlarge))
    alike = near & (likeness >= PEAK_SHARE * likeness[near].max())
    best = int(np.argmin(np.where(alike, shifts, np.inf)))
    shift = np.array([[1, 0, x.flat[best]], [0, 1, y.flat[best]], [0, 0, 1.0]])
    return _at_level(shift, inverse(enlarge))


def _without_aliases(levels: list[Level], period: float) -> list[Level]:
    """Leave out levels too coarse to show the period of a periodic picture."""
    shown = [level for level in levels if _pixel_size(level[2]) * PERIOD_PIXELS <= period]
    return levels if period == 0 else shown or levels[-1:]


def _pixel_size(enlarge: Transform) -> float:
    """Return the size of a level's pixels in those of the finest level."""
    return math.sqrt(enlarge[0, 0] * enlarge[1, 1])


def _flattened(plane: Plane) -> Plane:
    """Return the detail of a plane relative to the local contrast, which depends on focus."""
    fine = cv2.GaussianBlur(plane, (0, 0), 0.7, borderType=cv2.BORDER_REFLECT)
    detail = fine - cv2.GaussianBlur(plane, (0, 0), 6, borderType=cv2.BORDER_REFLECT)
    power = cv2.GaussianBlur(detail * detail, (0, 0), 8, borderType=cv2.BORDER_REFLECT)
    floor = FLATTEST * float(power.mean()) + 1e-12
    return np.asarray(detail / np.sqrt(power + floor), np.float32)


def tie_planes(
    reference: Plane, moving: Plane, start: Transform, *, motion: Motion = "affine"
) -> Match | None:
    """Refine a transform that is off by a pixel or two at most; None if no level has texture.

    The score is not measured.
    """
    contrast = max(float(reference.std()), float(moving.std()), 1e-12)
    levels = _pyramid(reference / contrast, moving / contrast)
    local = inverse(project(inverse(start), motion, reference.shape))
    refined = _refined_at_level(levels, inverse(local), motion, TIE_STEPS)
    if refined.information is None or not is_plausible(refined.transform):
        return None
    return replace(refined, transform=inverse(refined.transform))


def _from_rest(levels: list[Level], motion: Motion) -> Match | None:
    """Refine from no motion; None if the displacements of blocks do not agree on a small one."""
    reference, moving, _ = levels[-1]
    measured = measure_displacements(reference, moving, identity())
    if not measured.suffices:
        return None
    fit = fit_motion(measured, motion, reference.shape)
    small = is_plausible(fit.step) and largest_shift(fit.step, reference.shape) < NEAR
    if not small or fit.residual > NEAR_RESIDUAL:
        return None
    match = _refined_by_blocks(levels, fit.step, motion)
    return match if match.residual <= NEAR_RESIDUAL * match.pixel_size else None


def _refined_by_blocks(levels: list[Level], start: Transform, motion: Motion) -> Match:
    """Refine a start by the displacements of blocks, and measure its quality."""
    start = project(start, motion, levels[-1][0].shape)
    if not is_plausible(start):
        return Match(identity(), 0.0, float("nan"))
    refined = _refined_at_level(levels, start, motion, POLISH_STEPS)
    score, before = _score(levels, refined.transform), _score(levels, start)
    if not is_plausible(refined.transform) or score < before - POLISH_LOSS:
        refined, score = _refined_at_level(levels, start, motion, 0), before
    return replace(refined, transform=inverse(refined.transform), score=score)


def _refined_at_level(levels: list[Level], start: Transform, motion: Motion, steps: int) -> Match:
    """Refine a transform at the finest level that has enough texture, else at the coarsest.

    With no ``steps``, it is only measured. The transform of the match still maps reference to
    moving pixels.
    """
    for reference, moving, enlarge in reversed(levels):
        local = _at_level(start, enlarge)
        measured = measure_displacements(reference, moving, local)
        if measured.suffices:
            break
    pixel_size = _pixel_size(enlarge)
    if not measured.measured().any():
        return Match(start, 0.0, float("nan"), pixel_size)
    fit = fit_motion(measured, motion, reference.shape)
    residual = float(np.median(measured.lengths(measured.offsets)))
    for step in range(steps):
        if step:
            measured = measure_displacements(reference, moving, local)
            fit = fit_motion(measured, motion, reference.shape)
        if not is_plausible(fit.step):
            return Match(start, 0.0, float("nan"), pixel_size)
        local, residual = normalised(local @ fit.step), fit.residual
        if largest_shift(fit.step, reference.shape) < CONVERGED:
            break
    return Match(
        _at_level(local, inverse(enlarge)),
        0.0,
        residual * pixel_size,
        pixel_size,
        fit.information / pixel_size**2,
        fit.slant * pixel_size,
    )


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


def _small_level(levels: list[Level]) -> Level:
    """Return the finest level that is small enough for ECC."""
    return _level_of(levels, ECC_PIXELS)


def _level_of(levels: list[Level], pixels: int) -> Level:
    """Return the finest level of up to so many pixels, or the coarsest."""
    return ([level for level in levels if level[0].size <= pixels] or levels[:1])[-1]


def _score(levels: list[Level], transform: Transform) -> float:
    """Return the correlation at the finest level small enough for ECC."""
    reference, moving, enlarge = _small_level(levels)
    return correlation(reference, moving, _at_level(transform, enlarge))


def _sharp_score(levels: list[Level], match: Match) -> float:
    """Return the correlation of fine detail, which is strong where both pictures are sharp."""
    reference, moving, enlarge = _small_level(levels)
    if not is_plausible(match.transform):
        return 0.0
    one, other = (
        np.asarray(cv2.GaussianBlur(plane, (0, 0), 1) - cv2.GaussianBlur(plane, (0, 0), 4))
        for plane in (reference, moving)
    )
    return _agreement(one, other, _at_level(inverse(match.transform), enlarge))


def correlation(reference: Plane, moving: Plane, transform: Transform) -> float:
    """Return the correlation, in [-1, 1], of two band-passed planes over the area that they share.

    It is 0 if they share less than a tenth of the picture. The transform maps reference to moving.
    """
    return _agreement(_band(reference), _band(moving), transform)


def _agreement(reference: Plane, moving: Plane, transform: Transform) -> float:
    """Return the correlation of planes as they are; see `correlation`."""
    size = reference.shape[::-1]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(moving, transform, size, flags=flags, borderValue=float("nan"))
    valid = np.isfinite(warped)
    if valid.mean() < 0.1:
        return 0.0
    a, b = reference[valid], warped[valid]
    a, b = a - a.mean(), b - b.mean()
    power = math.sqrt(float(a @ a) * float(b @ b))
    return float(np.clip(float(a @ b) / power, -1, 1)) if power > 0 else 0.0


def _band(plane: Plane) -> Plane:
    """Remove the finest detail, which depends on focus, and the slow changes of lighting."""
    fine = cv2.GaussianBlur(plane, (0, 0), 1.5, borderType=cv2.BORDER_REFLECT)
    return np.asarray(fine - cv2.blur(plane, (31, 31), borderType=cv2.BORDER_REFLECT), np.float32)


def _from_features(levels: list[Level], motion: Motion) -> Transform | None:
    """Estimate a transform by SIFT features and RANSAC; None if too few match."""
    reference, moving, enlarge = _level_of(levels, FEATURE_PIXELS)
    found = _matched_features(reference, moving, motion)
    return None if found is None else _at_level(found, inverse(enlarge))


def _matched_features(reference: Plane, moving: Plane, motion: Motion) -> Transform | None:
    """Estimate a transform between planes by SIFT features; see `_from_features`."""
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
