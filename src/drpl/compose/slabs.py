"""Slabs: runs of frames that are fused apart, and their pictures with each other."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from drpl.align.plan import Plan
from drpl.compose.fold import Folding
from drpl.core.frames import Composite, Metadata, Pixels, Prepared
from drpl.core.masks import PairDecision
from drpl.core.tiling import Window
from drpl.errors import ConfigError, WriteError
from drpl.io.write import check_output, write_image


@dataclass(frozen=True)
class Slabs:
    """How a stack is cut into slabs, and where their pictures go.

    Attributes
    ----------
    size : int
        Frames of a slab, 2 or more; the last may have fewer.
    overlap : int
        Frames that a slab shares with the one before, fewer than it has.
    output : Path
        Picture of the whole stack, beside which those of slabs are written.
    inputs : tuple of Path
        Files that must not be touched.
    overwrite : bool
        Whether existing files may be replaced.

    Raises
    ------
    ConfigError
        If a slab would have too few frames, or none of its own.

    Examples
    --------
    >>> Slabs(4, 1, Path("out.tif")).runs(range(9))
    [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8]]
    """

    size: int
    overlap: int
    output: Path
    inputs: tuple[Path, ...] = ()
    overwrite: bool = False

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
        """Numbers of the frames of each slab; each has a frame that none before it has."""
        starts = range(0, max(1, len(numbers) - self.overlap), self.size - self.overlap)
        return [list(numbers[start : start + self.size]) for start in starts]

    def path(self, number: int) -> Path:
        """Where the picture of a slab goes, counted from 0."""
        return self.output.with_name(
            f"{self.output.stem}_slab_{number + 1:02d}{self.output.suffix}"
        )

    def check(self, *, count: int, like: Pixels) -> None:
        """Check before any work that the pictures can be written.

        Parameters
        ----------
        count : int
            Frames of the stack; where some are rejected, there are fewer slabs.
        like : ndarray
            Pixels that the format must be able to hold.

        Raises
        ------
        WriteError
        """
        for number in range(len(self.runs(range(count)))):
            path = self.path(number)
            check_output(path, inputs=self.inputs, overwrite=self.overwrite, like=like)

    def write(self, number: int, pixels: Pixels, metadata: Metadata | None) -> Path:
        """Write the picture of a slab."""
        path = self.path(number)
        inputs, overwrite = self.inputs, self.overwrite
        write_image(path, pixels, metadata=metadata, inputs=inputs, overwrite=overwrite)
        return path


def fold_slabs(
    folding: Folding,
    frames: Iterator[Prepared],
    runs: Sequence[Sequence[int]],
    slabs: Slabs,
    *,
    window: Window,
    metadata: Metadata | None = None,
) -> tuple[Composite, PairDecision, tuple[Slab, ...]]:
    """Fuse slabs apart, write their pictures, and fuse these with each other.

    Parameters
    ----------
    folding : Folding
    frames : iterator of Prepared
        Those of all runs, one run after the other.
    runs : sequence of sequences of int
        Numbers of the frames of each slab.
    slabs : Slabs
    window : tuple of two slices
        Rows and columns that are written.
    metadata : Metadata, optional
        Of the pictures.

    Returns
    -------
    composite : Composite
        Its index map numbers frames.
    masks : PairDecision
        Of the last decision.
    made : tuple of Slab

    Raises
    ------
    WriteError
    """
    model = folding.load()
    folding = replace(folding, load=lambda: model)
    made: list[Slab] = []

    def fuse(number: int) -> tuple[Composite, PairDecision]:
        run = runs[number]
        # the last run exhausts the frames, which ends their reading
        own = islice(frames, len(run)) if number + 1 < len(runs) else frames
        composite, masks = folding.fold(own, last=run[-1])
        pixels = np.ascontiguousarray(composite.fused[window])
        made.append(Slab(slabs.write(number, pixels, metadata), tuple(sorted(run))))
        folding.lap("write")
        return composite, masks

    if len(runs) == 1:
        return *fuse(0), tuple(made)
    with _Shelf(slabs.output.parent) as shelf:
        for number in range(len(runs)):
            shelf.put(fuse(number)[0])
            folding.lap("write")
        composite, masks = folding.fold(shelf.pictures(), last=len(runs) - 1)
    return composite, masks, tuple(made)


class _Shelf:
    """Fused slabs, exact, in a nameless file: memory does not grow with their number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shapes: list[tuple[int, ...] | None] = []

    def __enter__(self) -> _Shelf:
        """Open the file."""
        try:
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=self._folder)
        except OSError as error:
            raise self._trouble(error) from error
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file, which removes it."""
        self._file.close()

    def put(self, composite: Composite) -> None:
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
            raise self._trouble(error) from error

    def pictures(self) -> Iterator[Prepared]:
        """The slabs in turn, with their maps."""
        self._file.seek(0)
        for number, shape in enumerate(self._shapes):
            yield self._picture(number, shape)  # no name here keeps it

    def _picture(self, number: int, shape: tuple[int, ...] | None) -> Prepared:
        """The next slab, with its maps; ``shape`` is that of its coverage."""
        fused, index_map, doubt = (self._next() for _ in range(3))
        covered = None
        if shape is not None:
            bits = np.unpackbits(self._next(), count=shape[0] * shape[1])
            covered = bits.view(np.bool_).reshape(shape)
        return Prepared(number, fused, covered, (index_map, doubt))

    def _next(self) -> Any:
        """The next array of the file."""
        return np.load(self._file, allow_pickle=False)

    def _trouble(self, error: OSError) -> WriteError:
        """What to say where the disk fails."""
        return WriteError(
            f"{self._folder}: slabs cannot be kept here ({error.strerror or error}); make room or "
            "choose another folder"
        )


def _slab_runs(slabs: Slabs, plan: Plan) -> list[list[int]]:
    """Frames of each slab, in the order of folding; the slabs are in the order given."""
    runs = slabs.runs([number for number in plan.focus_order if number in plan.used])
    return runs if plan.focus_order == plan.order else [run[::-1] for run in runs]


@dataclass(frozen=True, slots=True)
class Slab:
    """A part of a stack that was fused apart.

    Attributes
    ----------
    file : Path
        Where its picture is.
    frames : tuple of int
        Numbers of its frames.
    """

    file: Path
    frames: tuple[int, ...]
