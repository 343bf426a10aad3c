"""`drpl fuse`: files in, fused files out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drpl.align.transforms import read_transforms
from drpl.compose.slabs import Slabs
from drpl.core.options import FusionOptions
from drpl.core.progress import Progress, _Clock
from drpl.errors import ConfigError
from drpl.io.read import MAX_PIXELS
from drpl.io.sources import find_sources
from drpl.io.stacks import FileStack
from drpl.io.write import check_output, check_place, make_folder, write_image, write_text
from drpl.pipeline.fuse import fuse_stack
from drpl.results.edits import read_edits
from drpl.results.maps import map_paths, write_maps
from drpl.results.report import as_json, build_report
from drpl.results.result import FusionResult
from drpl.results.sheet import DECISIONS, DecisionSheet


def fuse_files(
    paths: Sequence[str | Path],
    output: str | Path,
    options: FusionOptions | None = None,
    *,
    maps: str | Path | None = None,
    z_step: float | None = None,
    transforms: str | Path | None = None,
    slab: int | None = None,
    overlap: int = 0,
    debug: str | Path | None = None,
    edits: str | Path | None = None,
    report: str | Path | None = None,
    overwrite: bool = False,
    max_pixels: int = MAX_PIXELS,
    progress: Progress | None = None,
) -> tuple[FusionResult, dict[str, Any]]:
    """Read files, fuse them, write the result with the reference's profile and metadata.

    Parameters
    ----------
    paths : sequence of paths
        Files, folders of them, or patterns; see `drpl.io.sources.find_sources`.
    output : str or Path
        The suffix decides the format; it must hold the sources' depth and transparency.
    options : FusionOptions, optional
    maps : str or Path, optional
        Folder, made if need be, for the maps that `drpl.results.maps.write_maps` writes.
    z_step : float, optional
        Micrometres between the focus of two frames, for a depth map.
    transforms : str or Path, optional
        File that `drpl.files.align` wrote, of this stack or another of the same movement (another
        channel, light or pass): taken instead of aligning.
    slab : int, optional
        Frames to fuse apart, each slab into a picture ``NAME_slab_01`` beside the output, before
        these are fused with each other.
    overlap : int
        Frames that a slab shares with the one before.
    debug : str or Path, optional
        Folder, made if need be, for `drpl.results.sheet.DECISIONS`, which shows what was decided.
    edits : str or Path, optional
        Strokes to retouch the result by, as docs/edits.md describes; see `drpl.results.edits`.
    report : str or Path, optional
        JSON file for what `drpl.results.report.build_report` tells.
    overwrite : bool
        Whether existing files may be replaced; an input never is.
    max_pixels : int
        Files with more are refused before they are decoded.
    progress : callable, optional
        Told how far the work is.

    Returns
    -------
    result : FusionResult
    report : dict
        See `drpl.results.report.build_report`; files are hashed only where it is written.

    Raises
    ------
    ReadError, StackError, AlignmentError, ModelError, WriteError
    ConfigError
        If slabs are impossible, ``max_memory`` is too little, or the edits are damaged or of
        another result.
    """
    output = Path(output)
    options = options or FusionOptions()
    if slab is None and overlap:
        raise ConfigError(f"overlap is {overlap}, but of no slabs; give --slab too")
    strokes = None if edits is None else read_edits(edits)
    stack = FileStack(find_sources(paths), max_pixels=max_pixels)
    inputs = [*stack.paths, *([] if edits is None else [Path(edits)])]
    slabs = None
    if slab is not None:
        slabs = Slabs(slab, overlap, output, (*inputs,), overwrite)
    check_output(output, inputs=inputs, overwrite=overwrite, like=stack.like)
    if slabs is not None:
        slabs.check(count=len(stack.paths), like=stack.like)
    map_files = map_paths(maps, count=len(stack.paths), z_step=z_step)
    report_files = [Path(report)] if report is not None else []
    sheet_files = [Path(debug) / DECISIONS] if debug is not None else []
    for path in (*map_files.values(), *report_files, *sheet_files):
        check_place(path, inputs=[*inputs, output], overwrite=overwrite, folder_too=True)
    known = None
    if transforms is not None:
        size = stack.like.shape[:2]
        known = read_transforms(transforms, count=len(stack.paths), shape=size)
    sheet = DecisionSheet(stack.names, value_range=options.value_range) if sheet_files else None
    result = fuse_stack(
        stack,
        options,
        known=known,
        slabs=slabs,
        observe=sheet,
        edits=strokes,
        progress=progress,
    )
    clock = _Clock(result.seconds)
    if progress is not None:
        progress("write", 0, 1)
    metadata = stack.metadata[result.plan.reference]
    write_image(output, result.fused, metadata=metadata, inputs=inputs, overwrite=overwrite)
    if maps is not None:
        make_folder(Path(maps))
        write_maps(map_files, result, inputs=[*inputs, output], overwrite=overwrite, z_step=z_step)
    if sheet is not None:
        make_folder(sheet_files[0].parent)
        picture = sheet.picture()
        write_image(sheet_files[0], picture, inputs=[*inputs, output], overwrite=overwrite)
    clock.lap("write")
    about = build_report(
        result,
        options,
        stack.names,
        inputs=stack.paths if report_files else (),
        output=output,
        notes=stack.notes,
        edits=strokes,
    )
    for path in report_files:
        write_text(path, as_json(about), inputs=[*inputs, output], overwrite=overwrite)
    if progress is not None:
        progress("write", 1, 1)
    return result, about
