"""Alignment of a stack: frames matched to neighbours, then mapped to the reference frame."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from drpl.align.accept import fitting_match, fitting_tie
from drpl.align.adjust import Tie, adjusted
from drpl.align.geometry import (
    Transform,
    identity,
    inverse,
    largest_shift,
    normalised,
    rescale,
)
from drpl.align.pairs import Match
from drpl.core.frames import Plane
from drpl.core.options import MOTIONS, UNALIGNED, Motion, Unaligned
from drpl.errors import AlignmentError, ConfigError

Status = Literal["reference", "aligned", "simpler", "unaligned", "rejected"]
STATUSES: tuple[str, ...] = get_args(Status)
STILL = 0.1
"""Shift of its corners, in full-resolution pixels, below which a frame is not resampled."""
SPACINGS = (2, 3, 4)
"""Further spacings at which frames of a chain are tied: every frame at the first, one in so many as
the spacing at the others."""
LONGEST_SLANT = 0.7
"""Displacement that varying blur alone shows, in working pixels, up to which spacings over 2 are
tied: it grows with the spacing, and its correction is not exact."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """Alignment of a frame to the reference frame.

    ``transform`` maps moving to reference, in full-resolution pixels. ``motion`` is one of
    `MOTIONS`, ``"identity"``, or ``"none"`` if no motion fits. ``residual``, the median
    displacement of textured blocks in full-resolution pixels, and ``score``, the correlation in
    [-1, 1], are relative to the frame it was matched to; NaN if not measured. A ``"simpler"`` frame
    is aligned by a simpler motion than requested; an ``"unaligned"`` one is used with the transform
    of the nearest aligned frame. ``note`` explains this in the report.
    """

    transform: Transform
    motion: str
    residual: float
    score: float
    status: Status
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Link:
    """Match of a frame to an earlier frame of its chain, in pixels of the planes.

    ``parent`` and ``root`` are places in the chain: of the frame it is matched to (None if it
    begins a group), and of the first frame of its group, to which ``to_root`` maps. The rest is as
    in `Alignment`.
    """

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
    """Frames in focus order, each matched to an earlier one on planes of (H, W) ``shape``.

    Frames are tied to those they are matched to, and to some over longer spacings.
    """

    links: tuple[_Link, ...]
    ties: tuple[Tie, ...]
    shape: tuple[int, ...]
    motion: Motion


def chain_frames(lumas: Iterable[tuple[int, Plane]], *, motion: Motion = "affine") -> Chain:
    """Match each frame to an earlier one: the last of the largest group, else its neighbour.

    ``lumas`` yields the number and luma plane (H, W) of each frame in focus order, at working size:
    0.4 to 0.75 megapixels work well. Six planes are held at a time, at most. Raise AlignmentError
    if there is no frame or planes differ in shape, ConfigError if the motion is unknown.
    """
    if motion not in MOTIONS:
        raise ConfigError(f"motion is {motion!r}; expected one of {MOTIONS}")
    links: list[_Link] = []
    ties: list[Tie] = []
    recent: dict[int, Plane] = {}
    last: dict[int, tuple[int, Plane]] = {}
    sizes: dict[int, int] = {}
    for index, (number, plane) in enumerate(lumas):
        _check_plane(number, plane, last)
        link, match = _link(number, plane, last.values(), links, motion)
        links.append(link)
        recent[index] = plane
        ties += _ties(index, match, links, recent, motion)
        recent.pop(index - max(SPACINGS), None)
        sizes[link.root] = sizes.get(link.root, 0) + 1
        last[link.root] = (index, plane)
        main = max(sizes, key=lambda root: sizes[root])
        last = {root: last[root] for root in (main, link.root)}  # tried in this order
        shape = plane.shape
    if not links:
        raise AlignmentError("found no frame to align; expected at least one")
    return Chain(tuple(links), tuple(ties), shape, motion)


def align_chain(
    chain: Chain,
    *,
    scale: float | tuple[float, float] = 1.0,
    reference: int | None = None,
    middle: int | None = None,
    unaligned: Unaligned = "reject",
) -> list[Alignment]:
    """Align the frames of a chain to its reference frame, in the order of their numbers.

    ``scale`` is full size divided by working size; a pair for x and y if rounding makes them
    differ. ``reference`` is by default the frame nearest to the ``middle`` frame (by default
    halfway along the chain) in the largest group of frames that fit each other. A frame that cannot
    be aligned is rejected, or, if ``unaligned`` is ``"keep"``, takes the transform of the nearest
    aligned frame. Raise AlignmentError if the reference is not in the chain, ConfigError if
    ``unaligned`` is unknown.
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
        place = _nearest_to_middle(links, len(links) // 2 if middle is None else places[middle])
    else:
        place = places[reference]
    aligned = _alignments(chain, place, unaligned, scale)
    return [aligned[places[number]] for number in range(len(links))]


def _check_plane(number: int, plane: Plane, last: dict[int, tuple[int, Plane]]) -> None:
    """Check that a plane has the shape of the earlier ones."""
    expected = next(iter(last.values()))[1].shape if last else plane.shape
    if plane.ndim != 2 or plane.size == 0 or plane.shape != expected:
        shown = expected if last else "(height, width)"
        raise AlignmentError(
            f"frame {number}: luma plane has shape {plane.shape}; expected {shown}, as all frames"
        )


def _link(
    number: int,
    plane: Plane,
    candidates: Iterable[tuple[int, Plane]],
    links: list[_Link],
    motion: Motion,
) -> tuple[_Link, Match | None]:
    """Link a frame to the first candidate that fits it; without one it begins a new group."""
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
        link = _Link(
            number,
            parent,
            links[parent].root,
            normalised(links[parent].to_root @ match.transform),
            used,
            match.score,
            match.residual,
            "; ".join([*notes, *filter(None, [note])]),
        )
        return link, match
    alone = _Link(number, None, len(links), identity(), "none", best, math.nan, "; ".join(notes))
    return alone, None


def _ties(
    place: int,
    match: Match | None,
    links: list[_Link],
    recent: dict[int, Plane],
    motion: Motion,
) -> list[Tie]:
    """Tie a frame to its parent by their match, and to earlier ancestors by new measurements."""
    link = links[place]
    if match is None or link.parent is None or match.information is None:
        return []
    found = [_tie(link.parent, place, match, link.motion)]
    nearer = link.parent
    for spacing in SPACINGS:
        ancestor = links[nearer].parent
        if ancestor is None or ancestor not in recent:
            break
        nearer = ancestor
        if spacing > min(SPACINGS):
            if spacing * match.slant > LONGEST_SLANT:
                break
            if place % spacing:
                continue
        start = normalised(inverse(links[ancestor].to_root) @ link.to_root)
        tie = fitting_tie(recent[ancestor], recent[place], start, motion)
        if tie is not None:
            found.append(_tie(ancestor, place, tie, motion))
    return found


def _tie(first: int, second: int, match: Match, motion: str) -> Tie:
    """Return the tie that a match of the second frame to the first amounts to."""
    known = next(name for name in MOTIONS if name == motion)
    information = np.asarray(match.information)
    return Tie(first, second, inverse(match.transform), known, information, match.slant)


def _nearest_to_middle(links: list[_Link], middle: int) -> int:
    """Return the place of the frame of the largest group that is nearest to the middle."""
    roots = [link.root for link in links]
    main = max(set(roots), key=lambda root: (roots.count(root), root == roots[middle], -root))
    members = [index for index, root in enumerate(roots) if root == main]
    return min(members, key=lambda index: (abs(index - middle), index))


def _alignments(
    chain: Chain, reference: int, unaligned: Unaligned, scale: float | tuple[float, float]
) -> list[Alignment]:
    """Align all frames to the reference frame, in full-resolution pixels."""
    links = list(chain.links)
    toward = _toward_reference(links, reference)
    transforms, simplest = _adjusted(chain, reference)
    size = scale if isinstance(scale, tuple) else (scale, scale)
    full = [round(chain.shape[0] * size[1]), round(chain.shape[1] * size[0])]
    aligned: dict[int, Alignment] = {}
    for index, link in enumerate(links):
        if link.root != links[reference].root:
            continue
        if index == reference:
            aligned[index] = Alignment(identity(), "identity", 0.0, 1.0, "reference")
            continue
        used = toward.get(index, link)
        transform = rescale(transforms[index], scale)
        still = largest_shift(transform, full) < STILL
        aligned[index] = Alignment(
            identity() if still else transform,
            "identity" if still else _simpler(used.motion, simplest),
            used.residual * math.sqrt(size[0] * size[1]),
            used.score,
            "aligned" if used.motion == chain.motion else "simpler",
            used.note,
        )
    return [
        aligned[index] if index in aligned else _unaligned(index, links, aligned, unaligned)
        for index in range(len(links))
    ]


def _adjusted(chain: Chain, reference: int) -> tuple[list[Transform], str]:
    """Return the transforms of all frames to the reference frame, and the motion they need."""
    root = chain.links[reference].root
    from_root = inverse(chain.links[reference].to_root)
    start = [
        normalised(from_root @ link.to_root) if link.root == root else identity()
        for link in chain.links
    ]
    ties = [tie for tie in chain.ties if chain.links[tie.second].root == root]
    return adjusted(start, ties, reference, chain.motion, chain.shape)


def _simpler(one: str, other: str) -> str:
    """Return the simpler of two motions, ``"identity"`` being the simplest."""
    ranks = ("identity", *MOTIONS)
    return min(one, other, key=ranks.index)


def _toward_reference(links: list[_Link], reference: int) -> dict[int, _Link]:
    """Return, for each ancestor of the reference, the link that leads from it to the reference."""
    toward: dict[int, _Link] = {}
    link = links[reference]
    while link.parent is not None:
        toward[link.parent] = link
        link = links[link.parent]
    return toward


def _unaligned(
    index: int, links: list[_Link], aligned: dict[int, Alignment], unaligned: Unaligned
) -> Alignment:
    """Return the alignment of a frame outside the reference frame's group."""
    link = links[index]
    note = link.note or "does not fit the frames of the reference"
    if unaligned == "reject":
        return Alignment(identity(), "none", math.nan, link.score, "rejected", note)
    nearest = min(aligned, key=lambda other: (abs(other - index), other))
    note += f"; takes the transform of frame {links[nearest].number}"
    transform = aligned[nearest].transform
    return Alignment(transform, "none", math.nan, link.score, "unaligned", note)
