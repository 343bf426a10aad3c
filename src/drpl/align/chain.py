"""Align the frames of a stack to its reference frame."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from drpl.align.accept import fitting_match
from drpl.align.blocks import Plane
from drpl.align.geometry import Transform, identity, largest_shift, rescale
from drpl.core.options import MOTIONS, UNALIGNED, Motion, Unaligned
from drpl.errors import AlignmentError, ConfigError

Status = Literal["reference", "aligned", "simpler", "unaligned", "rejected"]
STATUSES: tuple[str, ...] = get_args(Status)
STILL = 0.1
"""A frame of which no corner moves by as many full-resolution pixels is left as it is."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """How one frame lies on the reference frame.

    Attributes
    ----------
    transform : ndarray, shape (3, 3), float64
        Moving to reference, in full-resolution pixels (x = column, y = row, centres at integers).
    motion : str
        ``"identity"``, ``"translation"``, ``"similarity"``, ``"affine"``, ``"homography"`` or,
        where nothing was found, ``"none"``.
    residual : float
        Median displacement of textured blocks against the neighbour that the frame was aligned to,
        in full-resolution pixels; NaN where it could not be measured.
    score : float
        Correlation with that neighbour, in [-1, 1].
    status : str
        ``"reference"``; ``"aligned"``; ``"simpler"`` (by a simpler motion than asked for);
        ``"unaligned"`` (takes the transform of the nearest aligned frame); ``"rejected"``.
    note : str
        What happened, for the report; empty where all went well.
    """

    transform: Transform
    motion: str
    residual: float
    score: float
    status: Status
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Link:
    """How a frame hangs on an earlier one of a chain, in pixels of the planes."""

    number: int
    parent: int | None
    root: int
    to_root: Transform
    motion: str
    score: float
    residual: float
    note: str


@dataclass(frozen=True, slots=True)
class Chain:
    """How frames, in the order of their focus, hang on each other."""

    links: tuple[_Link, ...]
    shape: tuple[int, ...]
    motion: Motion


def chain_frames(lumas: Iterable[tuple[int, Plane]], *, motion: Motion = "affine") -> Chain:
    """Register each frame with one before it: the last of the largest group, or its neighbour.

    Parameters
    ----------
    lumas : iterable of pairs of int and ndarray
        Numbers of the frames, and their luma planes (H, W), float32, at working size, in the order
        of focus; 0.4 to 0.75 megapixels serve well. Two or three of them are held at a time.
    motion : str
        ``"translation"``, ``"similarity"``, ``"affine"`` or ``"homography"``.

    Raises
    ------
    AlignmentError
        If there is no frame, or planes differ in shape.
    ConfigError
        If the motion is unknown.
    """
    if motion not in MOTIONS:
        raise ConfigError(f"motion is {motion!r}; expected one of {MOTIONS}")
    links: list[_Link] = []
    last: dict[int, tuple[int, Plane]] = {}
    sizes: dict[int, int] = {}
    for index, (number, plane) in enumerate(lumas):
        _check_plane(number, plane, last)
        link = _link(number, plane, _candidates(index, last, sizes), links, motion)
        links.append(link)
        sizes[link.root] = sizes.get(link.root, 0) + 1
        last[link.root] = (index, plane)
        main = max(sizes, key=lambda root: sizes[root])
        last = {root: last[root] for root in {main, link.root}}
        shape = plane.shape
    if not links:
        raise AlignmentError("found no frame to align; expected at least one")
    return Chain(tuple(links), shape, motion)


def align_chain(
    chain: Chain,
    *,
    scale: float | tuple[float, float] = 1.0,
    reference: int | None = None,
    middle: int | None = None,
    unaligned: Unaligned = "reject",
) -> list[Alignment]:
    """How the frames of a chain lie on its reference frame.

    Parameters
    ----------
    chain : Chain
        Of all frames of a stack.
    scale : float or pair of floats
        Full by working size; a pair for x and y where rounding makes them differ.
    reference : int or None
        Number of the reference frame; by default the middle one, or the nearest to it that belongs
        to the largest group of frames that fit each other.
    unaligned : str
        What becomes of a frame that cannot be aligned: ``"reject"``, or ``"keep"`` it with the
        transform of the nearest aligned frame.
    middle : int, optional
        Number of the frame that counts as the middle one, where no reference is given; by default
        that half-way along the chain.

    Returns
    -------
    list of Alignment
        By number of the frame.

    Raises
    ------
    AlignmentError
        If the reference is none of the frames.
    ConfigError
        If the unaligned is unknown.
    """
    if unaligned not in UNALIGNED:
        raise ConfigError(f"unaligned is {unaligned!r}; expected one of {UNALIGNED}")
    links = list(chain.links)
    places = {link.number: place for place, link in enumerate(links)}
    if reference is not None and reference not in places:
        raise AlignmentError(
            f"reference is frame {reference}; expected an index from 0 to {len(links) - 1}"
        )
    if reference is None:
        place = _middle(links, len(links) // 2 if middle is None else places[middle])
    else:
        place = places[reference]
    aligned = _composed(links, place, chain.motion, unaligned, scale, chain.shape)
    return [aligned[places[number]] for number in range(len(links))]


def _check_plane(number: int, plane: Plane, last: dict[int, tuple[int, Plane]]) -> None:
    """Check that a plane is like those before."""
    expected = next(iter(last.values()))[1].shape if last else plane.shape
    if plane.ndim != 2 or plane.size == 0 or plane.shape != expected:
        shown = expected if last else "(height, width)"
        raise AlignmentError(
            f"frame {number}: luma plane has shape {plane.shape}; expected {shown}, as all frames"
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
    number: int,
    plane: Plane,
    candidates: list[tuple[int, Plane]],
    links: list[_Link],
    motion: Motion,
) -> _Link:
    """Hang a frame on the first candidate that it fits, else let it begin a group of its own."""
    notes: list[str] = []
    best = 0.0
    for parent, other in candidates:
        match, used, note = fitting_match(other, plane, motion)
        best = max(best, match.score)
        if used == "none":
            notes.append(f"does not fit frame {links[parent].number} ({note})")
            continue
        if parent != len(links) - 1:
            notes.append(f"aligned to frame {links[parent].number}")
        chained = links[parent].to_root @ match.transform
        return _Link(
            number,
            parent,
            links[parent].root,
            chained / chained[2, 2],
            used,
            match.score,
            match.residual,
            "; ".join([*notes, *filter(None, [note])]),
        )
    return _Link(number, None, len(links), identity(), "none", best, math.nan, "; ".join(notes))


def _middle(links: list[_Link], half: int) -> int:
    """The frame of the largest group that is nearest to the middle."""
    roots = [link.root for link in links]
    main = max(set(roots), key=lambda root: (roots.count(root), root == roots[half], -root))
    members = [index for index, root in enumerate(roots) if root == main]
    return min(members, key=lambda index: (abs(index - half), index))


def _composed(
    links: list[_Link],
    reference: int,
    motion: Motion,
    unaligned: Unaligned,
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
        status: Status = "aligned" if used.motion == motion else "simpler"
        aligned[index] = Alignment(
            identity() if still else transform,
            "identity" if still else used.motion,
            used.residual * math.sqrt(size[0] * size[1]),
            used.score,
            status,
            used.note,
        )
    return [
        aligned[index] if index in aligned else _unaligned(index, links, aligned, unaligned)
        for index in range(len(links))
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


def _unaligned(
    index: int, links: list[_Link], aligned: dict[int, Alignment], unaligned: Unaligned
) -> Alignment:
    """A frame that does not fit the reference's group."""
    link = links[index]
    note = link.note or "does not fit the frames of the reference"
    if unaligned == "reject":
        return Alignment(identity(), "none", math.nan, link.score, "rejected", note)
    nearest = min(aligned, key=lambda other: (abs(other - index), other))
    note += f"; takes the transform of frame {links[nearest].number}"
    transform = aligned[nearest].transform
    return Alignment(transform, "none", math.nan, link.score, "unaligned", note)
