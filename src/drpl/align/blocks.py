"""Displacements of blocks between two planes, and transforms fitted to them.

Transforms in this file map reference to moving pixels, as warps need them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.align.geometry import Transform, corners, identity, inverse, map_points, normalised
from drpl.core.frames import Floats, Plane
from drpl.core.options import Motion

BLOCK = 32
"""Side of a block, in pixels."""
SMOOTHING = 1.0
"""Standard deviation, in pixels, of the smoothing before gradients are taken."""
MODEL_ERROR = 0.05
"""Standard deviation, in pixels, of blocks from any motion (parallax, distortion)."""
TEXTURE_ERROR = 0.04
"""Error of a displacement, relative to the length over which the block's texture changes."""
SLANT_ERROR = 0.2
"""Error of the correction for blur that varies within a block, relative to the correction."""
SHARPEST_SHARE = 0.2
"""Share of measured blocks that count as sharpest; coarser texture loses weight with the square of
its length, for what blur does to it is systematic and does not average out."""
TEXTURED_SHARE, TEXTURED_BLOCKS = 0.04, 4
"""Share and number of textured blocks above which the displacements of a level are trusted."""
MAX_DEVIATION = 0.25
"""Standard deviation, in pixels, below which a displacement counts as measured."""
CORRELATED = 50
"""Pixels per independent sample of what is left unexplained in a block."""
PRIOR = 1.0
"""Standard deviation, in pixels, of a start: directions that no block measures stay as they are."""
ROUNDS = 6
"""Iterations of the robust fit."""


def project(transform: Transform, motion: Motion, shape: Sequence[int]) -> Transform:
    """Return the transform of a motion that is nearest to a given one at the picture's corners.

    For a homography, it is the given transform itself.
    """
    if motion == "homography":
        return transform
    points = corners(shape)
    targets = map_points(transform, points)
    middle = points.mean(0)
    design = _design(points - middle, motion)
    wanted = (targets - points).reshape(-1)
    solution = np.linalg.lstsq(design.reshape(wanted.size, -1), wanted, rcond=None)[0]
    return _centred(_step_matrix(np.asarray(solution, np.float64), motion), middle, 1.0)


def _design(points: Floats, motion: Motion) -> Floats:
    """Return the derivatives (N, 2, parameters) of displacements by the parameters of a motion."""
    x, y = points[:, 0], points[:, 1]
    one, zero = np.ones_like(x), np.zeros_like(x)
    columns = [(one, zero), (zero, one)]
    if motion == "similarity":
        columns += [(x, y), (-y, x)]
    elif motion != "translation":
        columns += [(x, zero), (y, zero), (zero, x), (zero, y)]
    if motion == "homography":
        columns += [(x * x, x * y), (x * y, y * y)]
    return np.stack([np.stack(column, -1) for column in columns], -1)


def _step_matrix(parameters: Floats, motion: Motion) -> Transform:
    """Return the transform with given parameters; for a homography, to first order."""
    step = identity()
    step[:2, 2] = parameters[:2]
    if motion == "similarity":
        grow, turn = parameters[2:4]
        step[:2, :2] += [[grow, -turn], [turn, grow]]
    elif motion != "translation":
        step[:2, :2] += parameters[2:6].reshape(2, 2)
    if motion == "homography":
        step[2, :2] = -parameters[6:8]
    return step


def _centred(step: Transform, middle: Floats, unit: float) -> Transform:
    """Express a transform about the middle, in multiples of ``unit``, in pixels."""
    centre = np.array([[unit, 0, middle[0]], [0, unit, middle[1]], [0, 0, 1.0]])
    return normalised(centre @ step @ inverse(centre))


@dataclass(frozen=True, slots=True)
class Displacements:
    """Displacements of blocks that remain after a warp.

    ``points`` (N, 2) are the centres of the blocks in the reference picture, x and y in pixels;
    ``offsets`` (N, 2) the position of their content in the warped picture less that in the
    reference picture, and ``covariance`` (N, 2, 2) that of the offsets, in square pixels.
    ``slants`` (N,) are the displacements, in pixels, that varying blur alone would have shown.
    """

    points: Floats
    offsets: Floats
    covariance: Floats
    slants: Floats

    def lengths(self, offsets: Floats) -> Floats:
        """Return the lengths, in pixels, of offsets (N, 2) of measured blocks, without noise.

        A direction counts the less, the less certain it is, as that along an edge.
        """
        known = self.measured()
        precision = np.linalg.inv(self.covariance[known])
        squares = np.einsum("ni,nij,nj->n", offsets[known], precision, offsets[known])
        return np.asarray(np.sqrt(squares * _spread(self.covariance[known])[0]), np.float64)

    def measured(self) -> NDArray[np.bool_]:
        """Return a mask (N,) of offsets that are certain to a quarter of a pixel in a direction."""
        return np.asarray(_spread(self.covariance)[0] < MAX_DEVIATION**2)

    @property
    def suffices(self) -> bool:
        """True if enough blocks are textured to trust them."""
        least = max(TEXTURED_BLOCKS, TEXTURED_SHARE * len(self.points))
        return bool(self.measured().sum() >= least)


@dataclass(frozen=True, slots=True)
class Fit:
    """Motion fitted to the displacements of blocks.

    ``step`` is the transform left in the reference picture, ``information`` (P, P) the inverse of
    the covariance of its parameters, in pixels at the longer side's ends (see `parameters_of`),
    ``residual`` the median length, in pixels, of the measured displacements that it leaves, and
    ``slant`` the mean one that varying blur alone would have shown.
    """

    step: Transform
    information: Floats
    residual: float
    slant: float


def measure_displacements(reference: Plane, moving: Plane, transform: Transform) -> Displacements:
    """Measure the displacements of blocks that remain after a warp.

    Only blocks that lie wholly within the moving picture count. One Lucas-Kanade step per block,
    with differences in blur, brightness and contrast as further unknowns, does not take these for
    displacements. Blur c that varies across a block changes the picture t by the Laplacian of c t,
    whose part 2 (grad c, grad t) looks like a displacement; docs/adr/0013 derives the unknowns.
    """
    height, width = reference.shape
    side = min(BLOCK, height, width)
    rows, cols = height // side, width // side
    top, left = (height - rows * side) // 2, (width - cols * side) // 2
    window = np.s_[top : top + rows * side, left : left + cols * side]
    warped = cv2.warpPerspective(
        _smooth(moving),
        transform,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )
    planes = _regressors(_smooth(reference), np.asarray(warped, np.float32))[:, *window]
    sums = np.concatenate(
        [_products(planes[:, row * side : (row + 1) * side], cols) for row in range(rows)]
    )
    y, x = np.mgrid[:rows, :cols].reshape(2, -1) * side + (side - 1) / 2
    points = np.stack([x + left, y + top], -1)
    inside = _covered(points, side, transform, reference.shape)
    return Displacements(points[inside], *_solved(sums[inside], side * side))


def _smooth(plane: Plane) -> Plane:
    """Smooth a plane enough for its gradients to be reliable."""
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), SMOOTHING), np.float32)


def _regressors(reference: Plane, warped: Plane) -> Plane:
    """Return gradients, Laplacian, its gradients, mean and a constant, then what to explain."""
    mean = (reference + warped) * np.float32(0.5)
    planes = np.empty((8, *reference.shape), np.float32)
    cv2.Sobel(mean, cv2.CV_32F, 1, 0, planes[0], 3, 1 / 8)
    cv2.Sobel(mean, cv2.CV_32F, 0, 1, planes[1], 3, 1 / 8)
    laplacian = cv2.Laplacian(mean, cv2.CV_32F, planes[2])
    cv2.Sobel(laplacian, cv2.CV_32F, 1, 0, planes[3], 3, 1 / 8)
    cv2.Sobel(laplacian, cv2.CV_32F, 0, 1, planes[4], 3, 1 / 8)
    np.subtract(mean, mean.mean(), out=planes[5])
    planes[6] = planes[5].std() + np.float32(1e-9)
    np.subtract(reference, warped, out=planes[7])
    return planes


def _products(strip: Plane, cols: int) -> Floats:
    """Return the sums of products (cols, 8, 8) of regressors over the blocks of a strip.

    The gradients of the Laplacian become the changes that blur makes which grows by 1 across a
    block, rightwards and downwards: of x t, smoothed, the Laplacian is x times that of t, and
    twice its gradient, and the variance of the smoothing times the gradient of the Laplacian.
    """
    side = strip.shape[1]
    blocks = strip.reshape(8, side, cols, side).transpose(2, 0, 1, 3).copy()
    ramp = ((np.arange(side) - (side - 1) / 2) / side).astype(np.float32)
    for slant, along in ((0, ramp[None]), (1, ramp[:, None])):
        blocks[:, 3 + slant] *= np.float32(SMOOTHING**2 / side)
        blocks[:, 3 + slant] += along * blocks[:, 2]
        blocks[:, 3 + slant] += np.float32(2 / side) * blocks[:, slant]
    flat = blocks.reshape(cols, 8, side * side)
    return np.asarray(np.matmul(flat, flat.transpose(0, 2, 1)), np.float64)


def _covered(
    points: Floats, side: int, transform: Transform, shape: Sequence[int]
) -> NDArray[np.bool_]:
    """Return a mask of the blocks that lie wholly within the moving picture."""
    half = side / 2 + 1
    inside = np.ones(len(points), bool)
    limit = np.array([shape[1] - 1.0, shape[0] - 1.0])
    for corner in ((-half, -half), (half, -half), (half, half), (-half, half)):
        clipped = np.clip(points + corner, 0, limit)
        mapped = map_points(transform, clipped)
        inside &= ((mapped > -0.5) & (mapped < limit + 0.5)).all(1)
    return inside


def _solved(sums: Floats, samples: int) -> tuple[Floats, Floats, Floats]:
    """Solve for the offset of each block, its covariance and its slant, given sums of products."""
    power = np.einsum("nii->ni", sums)
    floor = 1e-6 * power[:, 6]
    nuisance = sums[:, 2:7, 2:7] + (1e-4 * power[:, 2:7] + floor[:, None])[..., None] * np.eye(5)
    rest = sums[:, [0, 1, 7]]
    cross = rest[:, :, 2:7]
    explained = np.linalg.solve(nuisance, cross.transpose(0, 2, 1))
    own = rest[:, :, [0, 1, 7]] - cross @ explained
    information = own[:, :2, :2] + floor[:, None, None] * np.eye(2)
    offsets = np.linalg.solve(information, own[:, :2, 2:])[..., 0]
    unexplained = own[:, 2, 2] - np.einsum("ni,ni->n", offsets, own[:, :2, 2])
    noise = np.maximum(unexplained, 0) / samples + 1e-6 * power[:, 6] / samples
    covariance = np.linalg.inv(information) * (CORRELATED * noise)[:, None, None]
    changes = explained[:, 1:3, 2] - np.einsum("nij,nj->ni", explained[:, 1:3, :2], offsets)
    slants = 2 / math.sqrt(samples) * np.linalg.norm(changes, axis=1)
    lengths = (power[:, 0] + power[:, 1]) / (power[:, 2] + 1e-9 * power[:, 6])
    error = TEXTURE_ERROR**2 * lengths + (SLANT_ERROR * slants) ** 2
    covariance += error[:, None, None] * np.eye(2)
    measured = _spread(covariance)[0] < MAX_DEVIATION**2
    if measured.sum() >= TEXTURED_BLOCKS:
        sharpest = float(np.quantile(lengths[measured], SHARPEST_SHARE))
        covariance *= np.maximum(1, lengths / max(sharpest, 1e-12))[:, None, None]
    return offsets, covariance, slants


def _spread(covariance: Floats) -> tuple[Floats, Floats]:
    """Return the variances (N,) in the most and in the least certain direction."""
    half = (covariance[:, 0, 0] - covariance[:, 1, 1]) / 2
    middle = (covariance[:, 0, 0] + covariance[:, 1, 1]) / 2
    apart = np.hypot(half, covariance[:, 0, 1])
    return middle - apart, middle + apart


def fit_motion(measured: Displacements, motion: Motion, shape: Sequence[int]) -> Fit:
    """Fit a motion to displacements by least squares with Cauchy weights on their residuals."""
    middle, unit = frame_of(shape)
    design = _design((measured.points - middle) / unit, motion)
    variance = measured.covariance + MODEL_ERROR**2 * np.eye(2)
    precision = np.linalg.inv(variance)
    prior = np.eye(design.shape[2]) / PRIOR**2
    weight = np.ones(len(precision))
    parameters = np.zeros(design.shape[2])
    certain = measured.measured()
    for _ in range(ROUNDS):
        weighted = precision * weight[:, None, None]
        information = np.einsum("nip,nij,njq->pq", design, weighted, design, optimize=True)
        right = np.einsum("nip,nij,nj->p", design, weighted, measured.offsets, optimize=True)
        parameters = np.linalg.solve(information + prior, right)
        residual = measured.offsets - design @ parameters
        distance = np.einsum("ni,nij,nj->n", residual, precision, residual, optimize=True)
        typical = float(np.median(distance)) if len(distance) else 0.0
        weight = 1 / (1 + distance / max(2 * typical, 1e-12))
    left = measured.lengths(residual)
    excess = max(1.0, float(np.median(distance[certain])) / math.log(4)) if certain.any() else 1.0
    sharpness = 1 / _spread(variance)[0]
    slant = math.sqrt(float(sharpness @ measured.slants**2) / max(float(sharpness.sum()), 1e-12))
    return Fit(
        _centred(_step_matrix(parameters / unit, motion), middle, unit),
        information / excess,
        float(np.median(left)) if left.size else float("nan"),
        slant,
    )


def frame_of(shape: Sequence[int]) -> tuple[Floats, float]:
    """Return the middle (x, y) of a picture and half its longer side, in pixels."""
    middle = (np.array([shape[1], shape[0]], np.float64) - 1) / 2
    return middle, max(1.0, float(middle.max()))


def parameters_of(step: Transform, motion: Motion, shape: Sequence[int]) -> Floats:
    """Return the parameters of a small transform, in pixels at the ends of the longer side."""
    middle, unit = frame_of(shape)
    centre = np.array([[unit, 0, middle[0]], [0, unit, middle[1]], [0, 0, 1.0]])
    local = normalised(inverse(centre) @ step @ centre)
    linear = local[:2, :2] - np.eye(2)
    found = [local[0, 2], local[1, 2]]
    if motion == "similarity":
        found += [(linear[0, 0] + linear[1, 1]) / 2, (linear[1, 0] - linear[0, 1]) / 2]
    elif motion != "translation":
        found += linear.ravel().tolist()
    if motion == "homography":
        found += (-local[2, :2]).tolist()
    return unit * np.array(found)


def with_parameters(parameters: Floats, motion: Motion, shape: Sequence[int]) -> Transform:
    """Return the small transform that has given parameters; see `parameters_of`."""
    middle, unit = frame_of(shape)
    return _centred(_step_matrix(parameters / unit, motion), middle, unit)
