"""Displacements of blocks between two planes, and the transform that explains them.

Inside this file transforms go from reference to moving pixels, as warps need them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.align.geometry import Transform, corners, identity, inverse, map_points
from drpl.core.options import Motion

Plane = NDArray[np.float32]
Floats = NDArray[np.float64]
BLOCK = 32
"""Side of a block, in pixels."""
MODEL_ERROR = 0.05
"""Pixels by which blocks may differ from any motion (parallax, distortion)."""
TEXTURED_SHARE = 0.35
"""Share of blocks with texture that a level needs for displacements to be believed."""
MEASURABLE = 0.25
"""Standard deviation, in pixels, up to which a block counts as textured."""


def project(transform: Transform, motion: Motion, shape: Sequence[int]) -> Transform:
    """Nearest transform of a simpler motion, over the corners of the picture.

    Parameters
    ----------
    transform : ndarray, shape (3, 3), float64
    motion : str
    shape : sequence of int
        Height and width in pixels.

    Returns
    -------
    ndarray, shape (3, 3), float64
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
    """Displacement at points by parameters of a motion: (N, 2, parameters)."""
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
    """Matrix that moves points by what `_design` says (to first order for a homography)."""
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
    """A step given in units around the middle, in pixels."""
    centre = np.array([[unit, 0, middle[0]], [0, unit, middle[1]], [0, 0, 1.0]])
    moved = centre @ step @ inverse(centre)
    return np.asarray(moved / moved[2, 2], np.float64)


@dataclass(frozen=True, slots=True)
class Displacements:
    """Displacements of blocks that a warp leaves.

    Attributes
    ----------
    points : ndarray, shape (N, 2), float64
        Centres of the blocks in the reference picture, x and y in pixels.
    found : ndarray, shape (N, 2), float64
        Where the reference's content lies in the warped picture, relative to its place there.
    covariance : ndarray, shape (N, 2, 2), float64
        Of ``found``, in square pixels.
    """

    points: Floats
    found: Floats
    covariance: Floats

    def textured(self) -> Floats:
        """Lengths, in pixels, over the blocks that can be measured to a quarter of a pixel."""
        sharp = np.linalg.eigvalsh(self.covariance)[:, 1] < MEASURABLE**2
        return np.asarray(np.linalg.norm(self.found[sharp], axis=1), np.float64)


def measure_displacements(reference: Plane, moving: Plane, transform: Transform) -> Displacements:
    """Measure how far blocks are still displaced after a warp.

    Parameters
    ----------
    reference, moving : ndarray, shape (H, W), float32
    transform : ndarray, shape (3, 3), float64
        Reference to moving, in pixels.

    Returns
    -------
    Displacements

    Notes
    -----
    One step of Lucas and Kanade per block, with the local Laplacian, gain and offset as further
    unknowns: a block that is sharper, brighter or of more contrast in one of the planes is not
    taken for a displaced one.
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
    found, covariance = _solved(sums[inside], side * side)
    return Displacements(points[inside], found, covariance)


def _smooth(plane: Plane) -> Plane:
    """A plane smooth enough for gradients."""
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), 1.0), np.float32)


def _regressors(reference: Plane, warped: Plane) -> Plane:
    """Gradients, Laplacian, mean and one; last the difference that they shall explain."""
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
    """Blocks that lie within the moving picture as a whole."""
    half = side / 2 + 1
    inside = np.ones(len(points), bool)
    limit = np.array([shape[1] - 1.0, shape[0] - 1.0])
    for corner in ((-half, -half), (half, -half), (half, half), (-half, half)):
        clipped = np.clip(points + corner, 0, limit)
        mapped = map_points(transform, clipped)
        inside &= ((mapped > -0.5) & (mapped < limit + 0.5)).all(1)
    return inside


def _solved(sums: Floats, samples: int) -> tuple[Floats, Floats]:
    """Displacement and its covariance, from each block's sums of products."""
    power = np.einsum("nii->ni", sums)
    floor = 1e-6 * power[:, 4]
    nuisance = sums[:, 2:5, 2:5] + (1e-4 * power[:, 2:5] + floor[:, None])[..., None] * np.eye(3)
    rest = sums[:, [0, 1, 5]]
    cross = rest[:, :, 2:5]
    own = rest[:, :, [0, 1, 5]] - cross @ np.linalg.solve(nuisance, cross.transpose(0, 2, 1))
    information = own[:, :2, :2] + floor[:, None, None] * np.eye(2)
    found = np.linalg.solve(information, own[:, :2, 2:])[..., 0]
    unexplained = own[:, 2, 2] - np.einsum("ni,ni->n", found, own[:, :2, 2])
    noise = np.maximum(unexplained, 0) / samples + 1e-6 * power[:, 4] / samples
    # neighbouring pixels are not independent: about one in ten counts
    covariance = np.linalg.inv(information) * (10 * noise)[:, None, None]
    return found, covariance


def polished(reference: Plane, moving: Plane, transform: Transform, motion: Motion) -> Transform:
    """Fit a step of the motion to the displacements of blocks, robustly, and add it.

    Nothing is added where too few blocks have texture at this level, as in blurred pictures.
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
    parameters = _robust_fit(design, measured.found, np.asarray(precision, np.float64))
    step = _centred(_step_matrix(parameters / unit, motion), middle, unit)
    moved = transform @ step
    return np.asarray(moved / moved[2, 2], np.float64)


def _robust_fit(design: Floats, wanted: Floats, precision: Floats) -> Floats:
    """Weighted least squares with Cauchy weights on what blocks deviate by."""
    weight = np.ones(len(wanted))
    parameters = np.zeros(design.shape[2])
    for _ in range(6):
        weighted = precision * weight[:, None, None]
        normal = np.einsum("nip,nij,njq->pq", design, weighted, design, optimize=True)
        right = np.einsum("nip,nij,nj->p", design, weighted, wanted, optimize=True)
        normal += 1e-6 * np.trace(normal) * np.eye(len(normal))
        parameters = np.linalg.solve(normal, right)
        left = wanted - design @ parameters
        distance = np.einsum("ni,nij,nj->n", left, precision, left, optimize=True)
        weight = 1 / (1 + distance / max(2 * float(np.median(distance)), 1e-12))
    return parameters
