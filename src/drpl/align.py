"""Align the frames of a stack to its reference frame."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from drpl.displacement import MODELS, Model, Plane
from drpl.errors import AlignmentError, ConfigError
from drpl.exposure import Exposure, apply_exposure, match_exposure
from drpl.register import Match, estimate_transform, match_planes
from drpl.warp import (
    Transform,
    common_area,
    corners,
    identity,
    largest_shift,
    rescale,
    valid_area,
    warp,
)

__all__ = [
    "Alignment",
    "Exposure",
    "Transform",
    "align_stack",
    "apply_exposure",
    "common_area",
    "estimate_transform",
    "match_exposure",
    "valid_area",
    "warp",
]

Policy = Literal["reject", "keep"]
POLICIES: tuple[str, ...] = get_args(Policy)
Status = Literal["reference", "aligned", "simpler", "unaligned", "rejected"]
STATUSES: tuple[str, ...] = get_args(Status)
LOWEST_SCORE = 0.3
LARGEST_RESIDUAL = 2.0
"""In pixels of the level at which the residual was measured."""
SCALES = (0.8, 1.25)
LARGEST_ROTATION = 20.0
"""Degrees between neighbours."""
STILL = 0.1
"""A frame of which no corner moves by as many full-resolution pixels is left as it is."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """How one frame lies on the reference frame.

    Attributes
    ----------
    transform : ndarray, shape (3, 3), float64
        Moving to reference, in full-resolution pixels (x = column, y = row, centres at integers).
    model : str
        ``"identity"``, ``"translation"``, ``"similarity"``, ``"affine"``, ``"homography"`` or,
        where nothing was found, ``"none"``.
    residual : float
        Median displacement of textured blocks against the neighbour that the frame was aligned to,
        in full-resolution pixels; NaN where it could not be measured.
    score : float
        Correlation with that neighbour, in [-1, 1].
    status : str
        ``"reference"``; ``"aligned"``; ``"simpler"`` (by a simpler model than asked for);
        ``"unaligned"`` (takes the transform of the nearest aligned frame); ``"rejected"``.
    note : str
        What happened, for the report; empty where all went well.
    """

    transform: Transform
    model: str
    residual: float
    score: float
    status: Status
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Link:
    """How a frame hangs on an earlier one, in pixels of the planes."""

    parent: int | None
    root: int
    to_root: Transform
    model: str
    score: float
    residual: float
    note: str


def align_stack(
    lumas: Iterable[Plane],
    *,
    scale: float | tuple[float, float] = 1.0,
    reference: int | None = None,
    model: Model = "affine",
    policy: Policy = "reject",
) -> list[Alignment]:
    """Align the frames of a stack.

    Parameters
    ----------
    lumas : iterable of ndarray, shape (H, W), float32
        Luma planes at working size, in the order of focus; 0.4 to 0.75 megapixels serve well. Two
        or three of them are held at a time.
    scale : float or pair of floats
        Full by working size; a pair for x and y where rounding makes them differ.
    reference : int or None
        Index of the reference frame; by default the middle one, or the nearest to it that belongs
        to the largest group of frames that fit each other.
    model : str
        ``"translation"``, ``"similarity"``, ``"affine"`` or ``"homography"``.
    policy : str
        What becomes of a frame that cannot be aligned: ``"reject"``, or ``"keep"`` it with the
        transform of the nearest aligned frame.

    Returns
    -------
    list of Alignment
        One per frame.

    Raises
    ------
    AlignmentError
        If there is no frame, planes differ in shape, or the reference is not one of them.
    ConfigError
        If the model or the policy is unknown.

    Examples
    --------
    >>> plane = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    >>> [a.status for a in align_stack([plane, plane, plane])]
    ['aligned', 'reference', 'aligned']
    """
    if policy not in POLICIES:
        raise ConfigError(f"policy is {policy!r}; expected one of {POLICIES}")
    if model not in MODELS:
        raise ConfigError(f"model is {model!r}; expected one of {MODELS}")
    links, shape = _linked(lumas, model)
    if reference is not None and not 0 <= reference < len(links):
        raise AlignmentError(
            f"reference is frame {reference}; expected an index from 0 to {len(links) - 1}"
        )
    middle = _middle(links) if reference is None else reference
    return _composed(links, middle, model, policy, scale, shape)


def _linked(lumas: Iterable[Plane], model: Model) -> tuple[list[_Link], tuple[int, ...]]:
    """Hang every frame on an earlier one: on the largest group so far, else on its neighbour."""
    links: list[_Link] = []
    last: dict[int, tuple[int, Plane]] = {}
    sizes: dict[int, int] = {}
    for index, plane in enumerate(lumas):
        _check_plane(index, plane, last)
        link = _link(index, plane, _candidates(index, last, sizes), links, model)
        links.append(link)
        sizes[link.root] = sizes.get(link.root, 0) + 1
        last[link.root] = (index, plane)
        main = max(sizes, key=lambda root: sizes[root])
        last = {root: last[root] for root in {main, link.root}}
        shape = plane.shape
    if not links:
        raise AlignmentError("found no frame to align; expected at least one")
    return links, shape


def _check_plane(index: int, plane: Plane, last: dict[int, tuple[int, Plane]]) -> None:
    """Check that a plane is like those before."""
    expected = next(iter(last.values()))[1].shape if last else plane.shape
    if plane.ndim != 2 or plane.size == 0 or plane.shape != expected:
        shown = expected if last else "(height, width)"
        raise AlignmentError(
            f"frame {index}: luma plane has shape {plane.shape}; expected {shown}, as all frames"
        )


def _candidates(
    index: int, last: dict[int, tuple[int, Plane]], sizes: dict[int, int]
) -> list[tuple[int, Plane]]:
    """Frames to align to: the last of the largest group, then the neighbour."""
    if index == 0:
        return []
    main = max(sizes, key=lambda root: sizes[root])
    return sorted(last.values(), key=lambda held: held is not last.get(main))


def _link(
    index: int,
    plane: Plane,
    candidates: list[tuple[int, Plane]],
    links: list[_Link],
    model: Model,
) -> _Link:
    """Hang a frame on the first candidate that it fits, else let it begin a group of its own."""
    notes: list[str] = []
    best = 0.0
    for parent, other in candidates:
        match, used, note = _fitting(other, plane, model)
        best = max(best, match.score)
        if used == "none":
            notes.append(f"does not fit frame {parent} ({note})")
            continue
        if parent != index - 1:
            notes.append(f"aligned to frame {parent}")
        chained = links[parent].to_root @ match.transform
        return _Link(
            parent,
            links[parent].root,
            chained / chained[2, 2],
            used,
            match.score,
            match.residual,
            "; ".join([*notes, *filter(None, [note])]),
        )
    return _Link(None, index, identity(), "none", best, math.nan, "; ".join(notes))


def _fitting(reference: Plane, moving: Plane, model: Model) -> tuple[Match, str, str]:
    """Match by the model or a simpler one; the model that fits or "none", and what was wrong."""
    note = ""
    for simpler in reversed(MODELS[: MODELS.index(model) + 1]):
        match = match_planes(reference, moving, model=simpler)
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


def _middle(links: list[_Link]) -> int:
    """The frame nearest to the middle in the largest group."""
    half = len(links) // 2
    roots = [link.root for link in links]
    main = max(set(roots), key=lambda root: (roots.count(root), root == roots[half], -root))
    members = [index for index, root in enumerate(roots) if root == main]
    return min(members, key=lambda index: (abs(index - half), index))


def _composed(
    links: list[_Link],
    reference: int,
    model: Model,
    policy: Policy,
    scale: float | tuple[float, float],
    shape: tuple[int, ...],
) -> list[Alignment]:
    """Transforms to the reference frame, in full-resolution pixels."""
    toward = _toward_reference(links, reference)
    from_root = np.linalg.inv(links[reference].to_root)
    size = scale if isinstance(scale, tuple) else (scale, scale)
    full = [round(shape[0] * size[1]), round(shape[1] * size[0])]
    aligned: dict[int, Alignment] = {}
    for index, link in enumerate(links):
        if link.root != links[reference].root:
            continue
        if index == reference:
            aligned[index] = Alignment(identity(), "identity", 0.0, 1.0, "reference")
            continue
        used = toward.get(index, link)
        chained = from_root @ link.to_root
        transform = rescale(chained / chained[2, 2], scale)
        still = largest_shift(transform, full) < STILL
        status: Status = "aligned" if used.model == model else "simpler"
        aligned[index] = Alignment(
            identity() if still else transform,
            "identity" if still else used.model,
            used.residual * math.sqrt(size[0] * size[1]),
            used.score,
            status,
            used.note,
        )
    return [
        aligned[index] if index in aligned else _unaligned(index, link, aligned, policy)
        for index, link in enumerate(links)
    ]


def _toward_reference(links: list[_Link], reference: int) -> dict[int, _Link]:
    """For the frames that the reference hangs on: the link that leads towards it."""
    toward: dict[int, _Link] = {}
    child = reference
    parent = links[child].parent
    while parent is not None:
        toward[parent] = links[child]
        child, parent = parent, links[parent].parent
    return toward


def _unaligned(index: int, link: _Link, aligned: dict[int, Alignment], policy: Policy) -> Alignment:
    """A frame that does not fit the reference's group."""
    note = link.note or "does not fit the frames of the reference"
    if policy == "reject":
        return Alignment(identity(), "none", math.nan, link.score, "rejected", note)
    nearest = min(aligned, key=lambda other: (abs(other - index), other))
    note += f"; takes the transform of frame {nearest}"
    transform = aligned[nearest].transform
    return Alignment(transform, "none", math.nan, link.score, "unaligned", note)
