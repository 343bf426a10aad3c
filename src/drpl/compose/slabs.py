"""Slabs: runs of frames that are fused apart, then with each other."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from drpl.align.plan import Plan
from drpl.compose.fold import Folding
from drpl.core.composite import Composite, Prepared, Slab
from drpl.core.frames import Metadata, Pixels
from drpl.errors import ConfigError, WriteError


@dataclass(frozen=True)
class Slabs:
    """Cut of a stack into slabs, runs of frames that are fused apart.

    Each slab shares ``overlap`` frames with the previous one; the last may have fewer than
    ``size``. Raises ConfigError if a slab has fewer than two frames, or none of its own.

    >>> Slabs(4, 1).runs(range(9))
    [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8]]
    """

    size: int
    overlap: int = 0

    def __post_init__(self) -> None:
        """Validate."""
        if self.size < 2:
            raise ConfigError(f"slab is {self.size}; expected 2 frames or more")
        if not 0 <= self.overlap < self.size:
            raise ConfigError(
                f"overlap is {self.overlap}; expected 0 to {self.size - 1}, fewer frames than a "
                f"slab has ({self.size})"
            )

    def runs(self, numbers: Sequence[int]) -> list[list[int]]:
        """Return the frame numbers of each slab; every slab has one that no earlier slab has."""
        starts = range(0, max(1, len(numbers) - self.overlap), self.size - self.overlap)
        return [list(numbers[start : start + self.size]) for start in starts]

    def plan_runs(self, plan: Plan) -> list[list[int]]:
        """Return the used frames of each slab, in folding order; slabs keep the input order."""
        runs = self.runs([number for number in plan.focus_order if number in plan.used])
        return runs if plan.focus_order == plan.order else [run[::-1] for run in runs]


@dataclass(frozen=True, slots=True)
class SlabOutput:
    """Slabs to fuse apart, and the output of their pictures.

    A temporary file in ``folder`` holds the slabs' exact pixels. ``write`` writes the picture and
    metadata of a slab, by its number from 0, and returns its file.
    """

    slabs: Slabs
    folder: Path
    write: Callable[[int, Pixels, Metadata | None], Path]


def fold_slabs(folding: Folding, output: SlabOutput) -> Composite:
    """Fuse slabs apart, write their pictures, and fuse the slabs with each other.

    The composite's index map holds frame numbers, its ``slabs`` the files written. Raises
    ReadError, StackError, AlignmentError, ModelError or WriteError.
    """
    plan, stack = folding.frames.plan, folding.frames.stack
    runs = output.slabs.plan_runs(plan)
    frames = folding.frames.read([number for run in runs for number in run])
    window = plan.window(crop=folding.frames.options.crop)
    model = folding.load()
    folding = replace(folding, load=lambda: model)
    lap = folding.frames.clock.lap
    written: list[Slab] = []

    def fuse(number: int) -> Composite:
        run = runs[number]
        # the last run exhausts the frames, so that reading ends
        own = islice(frames, len(run)) if number + 1 < len(runs) else frames
        composite = folding.fold(own, last=run[-1])
        pixels = composite.fused[window].copy()
        folding.frames.restore(pixels)
        metadata = stack.metadata.get(plan.reference)
        written.append(Slab(output.write(number, pixels, metadata), tuple(sorted(run))))
        lap("write")
        return composite

    if len(runs) == 1:
        composite = fuse(0)
    else:
        with _SlabFile(output.folder) as file:
            for number in range(len(runs)):
                file.add(fuse(number))
                lap("write")
            composite = folding.fold(file.read(), last=len(runs) - 1)
    composite.slabs = tuple(written)
    return composite


class _SlabFile:
    """Exact pixels and maps of fused slabs in a temporary file, so that memory stays flat."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shapes: list[tuple[int, ...] | None] = []

    def __enter__(self) -> _SlabFile:
        """Open the file."""
        try:
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=self._folder)
        except OSError as error:
            raise self._failure(error) from error
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file, which removes it."""
        self._file.close()

    def add(self, composite: Composite) -> None:
        """Add a slab."""
        covered = composite.covered
        self._shapes.append(None if covered is None else covered.shape)
        planes = [composite.fused, composite.index_map, composite.doubt]
        if covered is not None:
            planes.append(np.packbits(covered))
        try:
            for plane in planes:
                np.save(self._file, plane, allow_pickle=False)
            self._file.flush()
        except OSError as error:
            raise self._failure(error) from error

    def read(self) -> Iterator[Prepared]:
        """Yield the slabs with their maps."""
        self._file.seek(0)
        for number, shape in enumerate(self._shapes):
            yield self._slab(number, shape)  # a local name would keep it in memory

    def _slab(self, number: int, shape: tuple[int, ...] | None) -> Prepared:
        """Read the next slab with its maps; ``shape`` is the shape of its coverage, if any."""
        fused, index_map, doubt = (self._next() for _ in range(3))
        covered = None
        if shape is not None:
            bits = np.unpackbits(self._next(), count=shape[0] * shape[1])
            covered = bits.view(np.bool_).reshape(shape)
        return Prepared(number, fused, covered, (index_map, doubt))

    def _next(self) -> Any:
        """Read the next array of the file."""
        return np.load(self._file, allow_pickle=False)

    def _failure(self, error: OSError) -> WriteError:
        """Return the error for a disk that fails."""
        return WriteError(
            f"{self._folder}: slabs cannot be kept here ({error.strerror or error}); make room or "
            "choose another folder"
        )
