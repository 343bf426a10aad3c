"""Inputs and outputs of a fusion: files to read, files to write."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from drpl.align.transforms import StackTransforms
from drpl.compose.method import Method
from drpl.compose.slabs import SlabOutput, Slabs
from drpl.core.frames import Metadata, Pixels
from drpl.core.options import FusionOptions
from drpl.core.progress import Clock
from drpl.errors import ConfigError, WriteError
from drpl.io.provenance import FUSED_BY
from drpl.io.saving import Saving, white_of
from drpl.io.stacks import FileStack
from drpl.io.write import check_output, check_place, make_folder, write_image, write_text
from drpl.results.edits import Edits
from drpl.results.maps import draw_map, map_names
from drpl.results.report import as_json, build_report
from drpl.results.result import FusionResult
from drpl.results.sheet import DECISIONS, DecisionSheet

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inputs:
    """Contents of the files that a fusion reads; the frames are still to be read.

    ``known`` replaces the estimates of alignment and exposure; ``edits`` retouch the result.
    """

    stack: FileStack
    options: FusionOptions
    known: StackTransforms | None = None
    edits: Edits | None = None

    @property
    def paths(self) -> list[Path]:
        """Files that no output may replace."""
        return [*self.stack.paths, *([] if self.edits is None else [Path(self.edits.name)])]


@dataclass(frozen=True)
class Outputs:
    """Files that a fusion writes.

    Attributes
    ----------
    result : Path or str
        Picture; the suffix selects the format, which must hold the transparency of the sources.
    maps : Path or None
        Folder, created if missing, for the maps that `drpl.results.maps.draw_map` draws.
    z_step : float or None
        Distance between the focus of two frames in micrometres; adds a height map to ``maps``.
    report : Path or None
        JSON file for the report; see `drpl.results.report.build_report`.
    sheet : Path or None
        Folder, created if missing, for the decision sheet `drpl.results.sheet.DECISIONS`.
    slabs : Slabs or None
        Slabs to fuse apart, each into a picture beside ``result``: ``NAME_slab_01``, ...
    saving : Saving
        Bit depth and quality of ``result`` and slabs.
    overwrite : bool
        True if existing files may be replaced; an input never is.

    Examples
    --------
    >>> Outputs(Path("sharp.tif"), maps=Path("maps")).overwrite
    False
    """

    result: Path
    maps: Path | None = None
    z_step: float | None = None
    report: Path | None = None
    sheet: Path | None = None
    slabs: Slabs | None = None
    saving: Saving = field(default_factory=Saving)
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Accept strings as paths."""
        for name in ("result", "maps", "report", "sheet"):
            if isinstance(getattr(self, name), str):
                object.__setattr__(self, name, Path(getattr(self, name)))

    def check(self, inputs: Inputs) -> None:
        """Check that every file can be written, before any work is done.

        Raise WriteError if a file is an input, exists and may not be replaced, is named twice, or
        cannot be written.
        """
        count, like = len(inputs.stack.names), inputs.stack.like
        pictures = [self.result]
        if self.slabs is not None:
            most = len(self.slabs.runs(range(count)))  # fewer are written if frames are rejected
            pictures += [self._slab(number) for number in range(most)]
        saved = np.broadcast_to(
            np.zeros((), self.saving.dtype(self.result, like.dtype)), like.shape
        )
        for path in pictures:
            check_output(
                path,
                inputs=inputs.paths,
                overwrite=self.overwrite,
                like=saved,
                quality=self.saving.quality,
            )
        beside = [file for file in (*self._maps(count).values(), self.report, self._sheet) if file]
        guarded = [*inputs.paths, self.result]
        for file in beside:
            check_place(file, inputs=guarded, overwrite=self.overwrite, folder_too=True)
        _check_distinct([*pictures, *beside])

    def extend(self, method: Method, inputs: Inputs) -> tuple[Method, DecisionSheet | None]:
        """Extend a method by the slabs and the sheet to write; return both, the sheet for `write`.

        Raise ConfigError if the method does not decide pairs, which slabs and sheet depend on.
        """
        sheet = slabs = None
        if self.sheet is not None:
            stack = inputs.stack
            sheet = DecisionSheet(stack.names, value_range=inputs.options.value_range)
        if self.slabs is not None:
            write = partial(self._write_slab, inputs)
            slabs = SlabOutput(self.slabs, self.result.parent, write)
        return method.extended(observe=sheet, slabs=slabs), sheet

    def write(
        self, result: FusionResult, inputs: Inputs, sheet: DecisionSheet | None = None
    ) -> dict[str, Any]:
        """Write a result and return its report; ``result.seconds`` gain the step ``write``.

        ``sheet`` is that of `extend`. The report is without hashes of the source files unless it is
        written to a file. Raise WriteError if a file cannot be written.
        """
        clock = Clock(result.seconds)
        stack = inputs.stack
        metadata = stack.metadata[result.plan.reference]
        note = self._save(inputs, self.result, result.fused, metadata)
        if note:
            _log.warning("%s: %s", self.result, note)
        for path, picture in self._pictures_beside(result, sheet):
            make_folder(path.parent)
            self._write_image([*inputs.paths, self.result], path, picture)
        clock.lap("write")
        report = build_report(
            result,
            stack,
            inputs.options,
            self.result,
            edits=inputs.edits,
            notes=[note] if note else [],
            hashed=self.report is not None,
        )
        if self.report is not None:
            guarded = [*inputs.paths, self.result]
            write_text(self.report, as_json(report), inputs=guarded, overwrite=self.overwrite)
        return report

    def _pictures_beside(
        self, result: FusionResult, sheet: DecisionSheet | None
    ) -> Iterator[tuple[Path, Pixels]]:
        """Draw maps and sheet one by one, each with its file."""
        for name, path in self._maps(len(result.plan.alignments)).items():
            yield path, draw_map(name, result, self.z_step)
        if sheet is not None and self._sheet is not None:
            yield self._sheet, sheet.picture()

    def _maps(self, count: int) -> dict[str, Path]:
        """Return the files of the maps by name, for ``count`` frames."""
        if self.maps is None:
            return {}
        names = map_names(count, heights=self.z_step is not None)
        return {name: self.maps / name for name in names}

    @property
    def _sheet(self) -> Path | None:
        """File of the decision sheet."""
        return None if self.sheet is None else self.sheet / DECISIONS

    def _slab(self, number: int) -> Path:
        """Return the file of a slab; ``number`` counts from 0."""
        return self.result.with_name(
            f"{self.result.stem}_slab_{number + 1:02d}{self.result.suffix}"
        )

    def _write_slab(
        self, inputs: Inputs, number: int, pixels: Pixels, metadata: Metadata | None
    ) -> Path:
        """Write the picture of a slab and return its file."""
        self._save(inputs, self._slab(number), pixels, metadata)
        return self._slab(number)

    def _save(self, inputs: Inputs, path: Path, pixels: Pixels, metadata: Metadata | None) -> str:
        """Write a fused picture as `saving` says; return a note if its samples were converted."""
        given = inputs.options.value_range
        profiled = metadata is not None and metadata.icc is not None
        highest = max(high for _, high in inputs.stack.ranges.values())
        white = given or white_of(highest, pixels.dtype, profiled=profiled)
        saved = self.saving.convert(path, pixels, white)
        guarded = inputs.paths if path == self.result else [*inputs.paths, self.result]
        self._write_image(guarded, path, saved, metadata, quality=self.saving.quality)
        if saved.dtype == pixels.dtype:
            return ""
        return f"samples were converted from {pixels.dtype} to {saved.dtype}; white is {white:g}"

    def _write_image(
        self,
        guarded: Sequence[Path],
        path: Path,
        pixels: Pixels,
        metadata: Metadata | None = None,
        quality: int | None = None,
    ) -> None:
        """Write a picture, never over a guarded file."""
        write_image(
            path,
            pixels,
            metadata=metadata,
            software=FUSED_BY,
            quality=quality,
            inputs=guarded,
            overwrite=self.overwrite,
        )


def _check_distinct(files: Sequence[Path]) -> None:
    """Refuse two outputs at one place, on disks that ignore case too."""
    places = Counter(str(file.resolve()).casefold() for file in files)
    for file in files:
        if places[str(file.resolve()).casefold()] > 1:
            raise WriteError(
                f"{file}: two outputs have this name; choose another name or folder for one"
            )


def cut_slabs(size: int | None, overlap: int = 0) -> Slabs | None:
    """Return the slabs of ``size`` frames that share ``overlap``; None without a size.

    Raise ConfigError if `drpl.compose.slabs.Slabs` refuses the numbers, or an overlap has no size.
    """
    if size is not None:
        return Slabs(size, overlap)
    if overlap:
        raise ConfigError(f"overlap is {overlap}, but no slab size is given; give --slab too")
    return None
