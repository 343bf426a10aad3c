"""Adjustment of a chain of frames by ties over several spacings, with the simplest motion.

Where focus differs, a tie between two frames is off by a small, systematic part of what varying
blur shows, and errors add up along a chain. Ties over longer spacings, and motions without freedom
that nothing needs, keep the sum small. See docs/adr/0013.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drpl.align.blocks import parameters_of, project, with_parameters
from drpl.align.geometry import Transform, identity, inverse, is_plausible, normalised
from drpl.core.frames import Floats
from drpl.core.options import MOTIONS, Motion

TOLERANCE, SLANT_TOLERANCE = 0.02, 0.3
"""Misfit, in pixels, that a simpler motion may leave in a tie: a constant, and a share of the
displacement that varying blur alone would have shown."""
NOISE_SHARE = 0.15
"""Share of the variance of a tie that is noise; the rest is systematic error of its blocks."""
GROWTH, MOST_RATIO = 1.7, 2.0
"""Growth of the misfit from the shortest to the next spacing below which it comes from blur, not
from motion (which would double it), and the ratio to the tolerance up to which that counts."""
WORST_RATIO = 10.0
"""Ratio to the tolerance that no tie may reach: a single jump is motion as well."""
NO_WORSE = 1.5
"""Misfit of a similarity, relative to that of a more flexible motion, up to which it is used."""
LIKELY = 4.0
"""Squared error of a tie, in units of its variance or of the median one, that halves its weight."""
PRIOR = 1e-3
"""Information, in 1 / pixels squared, that holds directions which no tie measures."""
ROUNDS = 4
"""Iterations of the adjustment, each with weights from the misfits of the last."""


@dataclass(frozen=True, slots=True)
class Tie:
    """Measured transform between two frames of a chain.

    ``first`` and ``second`` are their places; ``transform`` maps the first frame to the second, in
    pixels of the planes. ``information`` belongs to the parameters of ``motion`` in the first
    frame, and ``slant`` is that of `drpl.align.blocks.Fit`, in pixels of the planes.
    """

    first: int
    second: int
    transform: Transform
    motion: Motion
    information: Floats
    slant: float


def adjusted(
    start: Sequence[Transform],
    ties: Sequence[Tie],
    fixed: int,
    motion: Motion,
    shape: Sequence[int],
) -> tuple[list[Transform], str]:
    """Adjust the transforms of a chain's frames to its ties; return them and their motion.

    ``start`` maps each frame to that at place ``fixed``. The motion returned is ``"identity"``, or
    the simplest one, up to ``motion``, that explains the ties.
    """
    still = [identity() for _ in start]
    if not ties:
        return list(start), motion
    if _explained(still, ties, shape):
        return still, "identity"
    simpler = MOTIONS[: MOTIONS.index(motion)]
    if "translation" in simpler:
        moved = _solved(still, ties, fixed, "translation", shape)
        if _explained(moved, ties, shape):
            return moved, "translation"
    full = _solved(start, ties, fixed, motion, shape)
    if "similarity" in simpler:
        similar = [project(transform, "similarity", shape) for transform in start]
        similar = _solved(similar, ties, fixed, "similarity", shape)
        misfits = [np.median(_misfits(found, ties, shape)) for found in (similar, full)]
        if misfits[0] <= NO_WORSE * misfits[1] + TOLERANCE / 4:
            return similar, "similarity"
    return full, motion


def _error(transforms: Sequence[Transform], tie: Tie, shape: Sequence[int]) -> Floats:
    """Return the parameters of the step, in the first frame, between a tie and transforms."""
    between = inverse(transforms[tie.second]) @ transforms[tie.first]
    return parameters_of(inverse(tie.transform) @ between, tie.motion, shape)


def _misfits(transforms: Sequence[Transform], ties: Sequence[Tie], shape: Sequence[int]) -> Floats:
    """Return the misfit of each tie: the shift, in pixels, that is as unlikely as its error."""
    found = []
    for tie in ties:
        error = _error(transforms, tie, shape)
        shift = np.trace(tie.information[:2, :2]) / 2
        found.append(np.sqrt(max(0.0, error @ tie.information @ error) / max(shift, 1e-12)))
    return np.array(found)


def _explained(transforms: Sequence[Transform], ties: Sequence[Tie], shape: Sequence[int]) -> bool:
    """Return True if transforms leave no more misfit in ties than varying blur causes."""
    misfits = _misfits(transforms, ties, shape)
    ratios = misfits / np.array([_tolerance(tie) for tie in ties])
    spacings = np.array([abs(tie.second - tie.first) for tie in ties])
    kinds = [spacings == spacing for spacing in np.unique(spacings)]
    typical = max(float(np.median(ratios[kind])) for kind in kinds)
    if ratios.max() > WORST_RATIO or typical > MOST_RATIO:
        return False
    if typical <= 1:
        return True
    if len(kinds) < 2:
        return False
    shortest, next_one = (float(np.median(misfits[kind])) for kind in kinds[:2])
    return next_one < GROWTH * shortest


def _tolerance(tie: Tie) -> float:
    """Return the misfit, in pixels, of a tie that blur and noise may cause."""
    noise = NOISE_SHARE * 2 * len(tie.information) / np.trace(tie.information[:2, :2])
    return float(np.sqrt((TOLERANCE + SLANT_TOLERANCE * tie.slant) ** 2 + noise))


def _solved(
    start: Sequence[Transform],
    ties: Sequence[Tie],
    fixed: int,
    motion: Motion,
    shape: Sequence[int],
) -> list[Transform]:
    """Return the transforms of a motion that ties agree on best, by weighted least squares.

    The normal equations are block tridiagonal: a tie reaches no farther than one block.
    """
    count = len(_units(motion))
    bases = {name: _basis(motion, name, shape) for name in {tie.motion for tie in ties}}
    reach = max(abs(tie.second - tie.first) for tie in ties)
    blocks = -(-len(start) // reach)
    side = reach * count
    found = list(start)
    for _ in range(ROUNDS):
        errors = [_error(found, tie, shape) for tie in ties]
        distances = np.array([e @ t.information @ e for e, t in zip(errors, ties, strict=True)])
        weights = 1 / (1 + distances / max(LIKELY * float(np.median(distances)), LIKELY))
        diagonal = np.tile(PRIOR * np.eye(side), (blocks, 1, 1))
        beyond = np.zeros((blocks, side, side))
        right = np.zeros((blocks, side))
        for tie, error, weight in zip(ties, errors, weights, strict=True):
            basis = bases[tie.motion]
            own = weight * basis.T @ tie.information @ basis
            pull = weight * basis.T @ tie.information @ error
            for place, sign in ((tie.first, -1), (tie.second, 1)):
                block, part = _part(place, reach, count)
                diagonal[block, part, part] += own
                right[block, part] += sign * pull
            low, high = sorted((tie.first, tie.second))
            (block, rows), (other, cols) = (_part(place, reach, count) for place in (low, high))
            if block == other:
                diagonal[block, rows, cols] -= own
                diagonal[block, cols, rows] -= own
            else:
                beyond[block, rows, cols] -= own
        block, part = _part(fixed, reach, count)
        diagonal[block, part, part] += 1e9 * np.eye(count)
        steps = _block_tridiagonal(diagonal, beyond, right).reshape(-1, count)
        moved = [
            normalised(transform @ with_parameters(step, motion, shape))
            for transform, step in zip(found, steps, strict=False)
        ]
        if not all(is_plausible(transform) for transform in moved):
            return found
        found = moved
    to_fixed = inverse(found[fixed])
    return [normalised(to_fixed @ transform) for transform in found]


def _part(place: int, reach: int, count: int) -> tuple[int, slice]:
    """Return the block of a place, and the part of it."""
    start = place % reach * count
    return place // reach, slice(start, start + count)


def _block_tridiagonal(diagonal: Floats, beyond: Floats, right: Floats) -> Floats:
    """Solve symmetric equations of blocks (B, S, S), with those above the diagonal ``beyond``."""
    diagonal, right = diagonal.copy(), right.copy()
    for block in range(1, len(diagonal)):
        above = beyond[block - 1]
        factor = np.linalg.solve(diagonal[block - 1], above).T
        diagonal[block] -= factor @ above
        right[block] -= factor @ right[block - 1]
    found = np.empty_like(right)
    for block in reversed(range(len(diagonal))):
        rest = right[block]
        if block + 1 < len(diagonal):
            rest = rest - beyond[block] @ found[block + 1]
        found[block] = np.linalg.solve(diagonal[block], rest)
    return found


def _basis(motion: Motion, flexible: Motion, shape: Sequence[int]) -> Floats:
    """Return the parameters of a more flexible motion per parameter of a simpler one, (Q, P)."""
    return np.column_stack(
        [
            parameters_of(with_parameters(unit, motion, shape), flexible, shape)
            for unit in _units(motion)
        ]
    )


def _units(motion: Motion) -> Floats:
    """Return the unit vectors of a motion's parameters."""
    return np.eye({"translation": 2, "similarity": 4, "affine": 6, "homography": 8}[motion])
