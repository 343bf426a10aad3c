"""Displacements of blocks between two planes, and transforms fitted to them.

Transforms in this file map reference to moving pixels, as warps need them.
"""

from __future__ import annotations

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
MODEL_ERROR = 0.05
"""Standard deviation, in pixels, of blocks from any motion (parallax, distortion)."""
TEXTURED_SHARE = 0.35
"""Share of textured blocks above which the displacements of a level are trusted."""
MAX_DEVIATION = 0.25
"""Standard deviation, in pixels, below which a displacement counts as measured."""
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
    """

    points: Floats
    offsets: Floats
    covariance: Floats

    def textured(self) -> Floats:
        """Return the lengths, in pixels, of offsets that are certain to a quarter of a pixel."""
        certain = np.linalg.eigvalsh(self.covariance)[:, 1] < MAX_DEVIATION**2
        return np.asarray(np.linalg.norm(self.offsets[certain], axis=1), np.float64)


def measure_displacements(reference: Plane, moving: Plane, transform: Transform) -> Displacements:
    """Measure the displacements of blocks that remain after a warp.

    Only blocks that lie wholly within the moving picture count. One Lucas-Kanade step per block,
    with the local Laplacian, gain and offset as further unknowns: differences in sharpness,
    brightness or contrast do not pass for displacements.
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
    blocks = planes.reshape(len(planes), rows, side, cols, side).transpose(1, 3, 0, 2, 4)
    blocks = blocks.reshape(rows * cols, len(planes), side * side)
    sums = np.matmul(blocks, blocks.transpose(0, 2, 1)).astype(np.float64)
    y, x = np.mgrid[:rows, :cols].reshape(2, -1) * side + (side - 1) / 2
    points = np.stack([x + left, y + top], -1)
    inside = _covered(points, side, transform, reference.shape)
    offsets, covariance = _solved(sums[inside], side * side)
    return Displacements(points[inside], offsets, covariance)


def _smooth(plane: Plane) -> Plane:
    """Smooth a plane enough for its gradients to be reliable."""
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), 1.0), np.float32)


def _regressors(reference: Plane, warped: Plane) -> Plane:
    """Return gradients, Laplacian, mean and a constant, then the difference to explain."""
    mean = (reference + warped) * np.float32(0.5)
    planes = np.empty((6, *reference.shape), np.float32)
    cv2.Sobel(mean, cv2.CV_32F, 1, 0, planes[0], 3, 1 / 8)
    cv2.Sobel(mean, cv2.CV_32F, 0, 1, planes[1], 3, 1 / 8)
    cv2.Laplacian(mean, cv2.CV_32F, planes[2])
    np.subtract(mean, mean.mean(), out=planes[3])
    planes[4] = planes[3].std() + np.float32(1e-9)
    np.subtract(reference, warped, out=planes[5])
    return planes


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


def _solved(sums: Floats, samples: int) -> tuple[Floats, Floats]:
    """Solve for the offset of each block and its covariance, given sums of products."""
    power = np.einsum("nii->ni", sums)
    floor = 1e-6 * power[:, 4]
    nuisance = sums[:, 2:5, 2:5] + (1e-4 * power[:, 2:5] + floor[:, None])[..., None] * np.eye(3)
    rest = sums[:, [0, 1, 5]]
    cross = rest[:, :, 2:5]
    own = rest[:, :, [0, 1, 5]] - cross @ np.linalg.solve(nuisance, cross.transpose(0, 2, 1))
    information = own[:, :2, :2] + floor[:, None, None] * np.eye(2)
    offsets = np.linalg.solve(information, own[:, :2, 2:])[..., 0]
    unexplained = own[:, 2, 2] - np.einsum("ni,ni->n", offsets, own[:, :2, 2])
    noise = np.maximum(unexplained, 0) / samples + 1e-6 * power[:, 4] / samples
    # noise is correlated: only about one pixel in ten is independent
    covariance = np.linalg.inv(information) * (10 * noise)[:, None, None]
    return offsets, covariance


def polished(reference: Plane, moving: Plane, transform: Transform, motion: Motion) -> Transform:
    """Refine a transform by a robust fit of a motion to the displacements of blocks.

    Returns ``transform`` itself if too few blocks are textured, as in blurred pictures.
    """
    measured = measure_displacements(reference, moving, transform)
    if measured.textured().size <= TEXTURED_SHARE * len(measured.points):
        return transform
    middle = (np.array(reference.shape[::-1], np.float64) - 1) / 2
    unit = max(1.0, float(middle.max()))
    design = _design((measured.points - middle) / unit, motion)
    if design.shape[0] < design.shape[2]:
        return transform
    precision = np.linalg.inv(measured.covariance + MODEL_ERROR**2 * np.eye(2))
    parameters = _robust_fit(design, measured.offsets, np.asarray(precision, np.float64))
    step = _centred(_step_matrix(parameters / unit, motion), middle, unit)
    return normalised(transform @ step)


def _robust_fit(design: Floats, wanted: Floats, precision: Floats) -> Floats:
    """Fit parameters by least squares with Cauchy weights on the residuals of blocks."""
    weight = np.ones(len(wanted))
    parameters = np.zeros(design.shape[2])
    for _ in range(ROUNDS):
        weighted = precision * weight[:, None, None]
        normal = np.einsum("nip,nij,njq->pq", design, weighted, design, optimize=True)
        right = np.einsum("nip,nij,nj->p", design, weighted, wanted, optimize=True)
        normal += 1e-6 * np.trace(normal) * np.eye(len(normal))
        parameters = np.linalg.solve(normal, right)
        residual = wanted - design @ parameters
        distance = np.einsum("ni,nij,nj->n", residual, precision, residual, optimize=True)
        weight = 1 / (1 + distance / max(2 * float(np.median(distance)), 1e-12))
    return parameters
