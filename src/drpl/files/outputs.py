"""Outputs: what a fusion writes, and where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from drpl.align.transforms import StackTransforms
from drpl.compose.method import Method
from drpl.compose.slabs import SlabOutput, Slabs
from drpl.core.frames import Metadata, Pixels
from drpl.core.options import FusionOptions
from drpl.core.progress import Clock
from drpl.errors import ConfigError
from drpl.io.stacks import FileStack
from drpl.io.write import check_output, check_place, make_folder, write_image, write_text
from drpl.results.edits import Edits
from drpl.results.maps import draw_map, map_names
from drpl.results.report import as_json, build_report
from drpl.results.result import FusionResult
from drpl.results.sheet import DECISIONS, DecisionSheet


@dataclass(frozen=True)
class Inputs:
    """Files of a fusion, read or checked.

    Attributes
    ----------
    stack : FileStack
    options : FusionOptions
    known : StackTransforms or None
        Alignment and exposure to use instead of estimating them.
    edits : Edits or None
        Strokes to retouch the result with.
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
    result : Path
        Picture; the suffix decides the format, which must hold the sources' depth and transparency.
    maps : Path or None
        Folder, made if need be, for the maps that `drpl.results.maps.draw_map` draws.
    z_step : float or None
        Micrometres between the focus of two frames; adds a height map to ``maps``.
    report : Path or None
        JSON file for the report; see `drpl.results.report.build_report`.
    sheet : Path or None
        Folder, made if need be, for `drpl.results.sheet.DECISIONS`, which shows every decision.
    slabs : Slabs or None
        Slabs to fuse apart, each into a picture ``NAME_slab_01`` beside ``result``.
    overwrite : bool
        True if existing files may be replaced; an input never is.
    """

    result: Path
    maps: Path | None = None
    z_step: float | None = None
    report: Path | None = None
    sheet: Path | None = None
    slabs: Slabs | None = None
    overwrite: bool = False

    def check(self, inputs: Inputs) -> None:
        """Check before any work that every file can be written.

        Raises
        ------
        WriteError
        """
        count, like = len(inputs.stack.paths), inputs.stack.like
        pictures = [self.result]
        if self.slabs is not None:  # fewer if frames are rejected
            runs = self.slabs.runs(range(count))
            pictures += [self._slab(number) for number in range(len(runs))]
        for path in pictures:
            check_output(path, inputs=inputs.paths, overwrite=self.overwrite, like=like)
        beside = [*self._maps(count).values(), *filter(None, (self.report, self._sheet))]
        for path in beside:
            guarded = [*inputs.paths, self.result]
            check_place(path, inputs=guarded, overwrite=self.overwrite, folder_too=True)

    def extend(self, method: Method, inputs: Inputs) -> tuple[Method, DecisionSheet | None]:
        """Extend a method by the slabs and the sheet that are to be written.

        Raises
        ------
        ConfigError
            If the method has neither slabs nor decisions of pairs.
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
        """Write a result and return its report; source files are hashed only if it is written.

        Raises
        ------
        WriteError
        """
        clock = Clock(result.seconds)
        stack = inputs.stack
        metadata = stack.metadata[result.plan.reference]
        self._write_image(inputs, self.result, result.fused, metadata)
        for path, picture in self._pictures_beside(result, sheet):
            make_folder(path.parent)
            self._write_image(inputs, path, picture)
        clock.lap("write")
        about = build_report(
            result,
            inputs.options,
            stack.names,
            inputs=stack.paths if self.report is not None else (),
            output=self.result,
            notes=stack.notes,
            edits=inputs.edits,
        )
        if self.report is not None:
            guarded = [*inputs.paths, self.result]
            write_text(self.report, as_json(about), inputs=guarded, overwrite=self.overwrite)
        return about

    def _pictures_beside(
        self, result: FusionResult, sheet: DecisionSheet | None
    ) -> Iterator[tuple[Path, Pixels]]:
        """Draw maps and sheet one by one."""
        for name, path in self._maps(len(result.plan.alignments)).items():
            yield path, draw_map(name, result, self.z_step)
        if sheet is not None and self._sheet is not None:
            yield self._sheet, sheet.picture()

    def _maps(self, count: int) -> dict[str, Path]:
        """Return the files of maps by name."""
        if self.maps is None:
            return {}
        names = map_names(count, heights=self.z_step is not None)
        return {name: self.maps / name for name in names}

    @property
    def _sheet(self) -> Path | None:
        """File of the decision sheet."""
        return None if self.sheet is None else self.sheet / DECISIONS

    def _slab(self, number: int) -> Path:
        """Return the file of a slab, counted from 0."""
        return self.result.with_name(
            f"{self.result.stem}_slab_{number + 1:02d}{self.result.suffix}"
        )

    def _write_slab(
        self, inputs: Inputs, number: int, pixels: Pixels, metadata: Metadata | None
    ) -> Path:
        """Write the picture of a slab."""
        self._write_image(inputs, self._slab(number), pixels, metadata)
        return self._slab(number)

    def _write_image(
        self, inputs: Inputs, path: Path, pixels: Pixels, metadata: Metadata | None = None
    ) -> None:
        """Write a picture that replaces neither an input nor, beside it, the result."""
        guarded = inputs.paths if path == self.result else [*inputs.paths, self.result]
        write_image(path, pixels, metadata=metadata, inputs=guarded, overwrite=self.overwrite)


def cut_slabs(size: int | None, overlap: int = 0) -> Slabs | None:
    """Return the slabs of a size; None without one.

    Raises
    ------
    ConfigError
        If slabs are impossible, or ``overlap`` is given without a size.
    """
    if size is not None:
        return Slabs(size, overlap)
    if overlap:
        raise ConfigError(f"overlap is {overlap}, but of no slabs; give --slab too")
    return None
