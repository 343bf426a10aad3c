"""The visible path: from source images to the fused one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from drpl.classical import baseline_options, find_baseline, fuse_classical
from drpl.clipped import clipped_ceilings
from drpl.consistency import AROUND, AROUND_IN_STACKS, ConsistentModel
from drpl.debug import DECISIONS, DecisionSheet
from drpl.decide import DecisionModel
from drpl.edits import Edits, check_edits, read_edits
from drpl.errors import ConfigError, WriteError
from drpl.fold import Composite, Folding, Observer
from drpl.maps import map_paths, write_maps
from drpl.memory import within_memory
from drpl.models import load_model
from drpl.plan import Plan
from drpl.prepare import Progress, look_at, prepared_frame, prepared_frames
from drpl.read import MAX_PIXELS
from drpl.report import as_json, build_report
from drpl.result import FusionResult, Slab
from drpl.retouch import retouch
from drpl.slabs import Slabs, fold_slabs
from drpl.sources import find_sources
from drpl.stack import (
    FusionOptions,
    PairDecision,
    Pixels,
    check_stack,
    full_scale,
    source_names,
)
from drpl.stacks import ArrayStack, FileStack, Stack
from drpl.steady import SteadyModel
from drpl.tiling import Window
from drpl.transforms import StackTransforms, read_transforms
from drpl.write import check_output, check_place, write_image, write_text


def fuse(
    sources: Sequence[Pixels],
    options: FusionOptions | None = None,
    *,
    model: DecisionModel | None = None,
    names: Sequence[str] | None = None,
) -> FusionResult:
    """Fuse images of one scene, each focused elsewhere, into one that is sharp everywhere.

    Parameters
    ----------
    sources : sequence of ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
        Two or more, alike in shape and dtype. Integer images span their dtype.
    options : FusionOptions, optional
    model : DecisionModel, optional
        A loaded model, to be used instead of loading ``options.model``.
    names : sequence of str, optional
        What error messages call the sources.

    Returns
    -------
    FusionResult
        The fused image has the dtype of the sources, and their shape unless it is cropped.

    Raises
    ------
    StackError
        If the sources are not a stack.
    AlignmentError
        If no frame fits the reference.
    ModelError
        If the model is unknown or damaged.

    Examples
    --------
    >>> import numpy as np, drpl
    >>> texture = np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    >>> result = drpl.fuse([texture, texture])
    >>> bool((result.fused == texture).all())
    True
    """
    names = names or source_names(len(sources))
    check_stack(sources, names)
    return fuse_stack(ArrayStack(sources, names), options or FusionOptions(), model=model)


def fuse_stack(
    stack: Stack,
    options: FusionOptions,
    *,
    model: DecisionModel | None = None,
    known: StackTransforms | None = None,
    slabs: Slabs | None = None,
    observe: Observer | None = None,
    edits: Edits | None = None,
    progress: Progress | None = None,
) -> FusionResult:
    """Fuse a stack whose frames are read one at a time; memory does not grow with their number.

    A baseline (`drpl.available_baselines`) reads them three times in all.

    Parameters
    ----------
    stack : Stack
    options : FusionOptions
    model : DecisionModel, optional
        A loaded model, to be used instead of loading ``options.model``.
    known : StackTransforms, optional
        Alignment and exposure to take instead of looking for them.
    slabs : Slabs, optional
        How to fuse runs of frames apart, and these with each other.
    observe : Observer, optional
        Shown each frame as it is merged.
    edits : Edits, optional
        Strokes to retouch the result by; pictures of slabs and the masks of a pair are left alone.
    progress : callable, optional
        Told how far the work is.

    Raises
    ------
    ReadError, StackError, AlignmentError, ModelError, WriteError
    ConfigError
        If ``max_memory`` is too little, a baseline is asked for what only a network does, or the
        edits are of another result.
    """
    clock = _Clock()
    count = len(stack.names)
    baseline = find_baseline(model, options)
    if baseline is not None:
        options = baseline_options(
            baseline, options, slabs=slabs is not None, observed=observe is not None
        )
    options = within_memory(options, stack.like, count, slabs=slabs is not None)
    plan = look_at(stack, options, known=known, progress=progress)
    window = plan.window(crop=options.crop)
    if edits is not None:
        check_edits(edits, plan.alignments, window)
    clock.lap("align")
    read = partial(prepared_frames, stack, plan, options, stage="fuse", progress=progress)
    made: tuple[Slab, ...] = ()
    if baseline is not None:
        composite, masks = fuse_classical(
            baseline,
            read,
            plan.used,
            count=count,
            like=stack.like,
            value_range=options.value_range,
        )
        clock.lap("fuse")
    else:
        folding = Folding(
            _loader(model, options, count),
            options,
            count,
            plan.scale,
            clock.lap,
            lends=stack.lends,
            observe=observe,
            ceilings=clipped_ceilings(
                plan.exposures, stack.like, full_scale(stack.like, options.value_range)
            ),
            preferred=plan.untouched,
        )
        runs = [plan.used] if slabs is None else _slab_runs(slabs, plan)
        frames = read(numbers=[number for run in runs for number in run])
        if slabs is None:
            composite, masks = folding.fold(frames, last=plan.used[-1])
        else:
            metadata = stack.metadata.get(plan.reference)
            composite, masks, made = fold_slabs(
                folding, frames, runs, slabs, window=window, metadata=metadata
            )
    result = _result(composite, masks, plan, window, clock.seconds, made)
    if edits is not None:
        del composite, masks  # its room is for the frames that are read once more
        _retouch(result, edits, stack, options, progress)
        clock.lap("retouch")
    return result


def _retouch(
    result: FusionResult,
    edits: Edits,
    stack: Stack,
    options: FusionOptions,
    progress: Progress | None,
) -> None:
    """Replay strokes on a result."""
    planes = (result.fused, result.index_map, result.confidence)
    read = partial(prepared_frame, stack, result.plan, options, window=result.window)
    white = full_scale(result.fused, options.value_range)
    retouch(*planes, edits, read, white=white, progress=progress)


def _slab_runs(slabs: Slabs, plan: Plan) -> list[list[int]]:
    """Frames of each slab, in the order of folding; the slabs are in the order given."""
    runs = slabs.runs([number for number in plan.sweep if number in plan.used])
    return runs if plan.sweep == plan.order else [run[::-1] for run in runs]


def _loader(
    model: DecisionModel | None, options: FusionOptions, count: int
) -> Callable[[], DecisionModel]:
    """What gives a model: the one at hand, else that of the options."""
    load = partial(load_model, options.model, threads=options.threads)

    def consistent() -> DecisionModel:
        near, afar = (load(), load()) if model is None else (model, model)
        around = AROUND if count == 2 else AROUND_IN_STACKS
        return ConsistentModel(SteadyModel(near, afar), around)

    return consistent


def _result(
    composite: Composite,
    masks: PairDecision,
    plan: Plan,
    window: Window,
    seconds: dict[str, float],
    slabs: tuple[Slab, ...],
) -> FusionResult:
    """The composite as a result, of which a window is kept."""
    planes = (composite.fused, composite.index_map, 255 - composite.doubt)
    fused, index_map, confidence = (np.ascontiguousarray(plane[window]) for plane in planes)
    of_pair = None
    if len(plan.alignments) == 2:
        of_pair = masks if plan.order == (0, 1) else PairDecision(masks.mask_b, masks.mask_a)
    return FusionResult(fused, index_map, confidence, of_pair, plan, window, seconds, slabs)


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
        Files, folders of them, or patterns; see `drpl.sources.find_sources`.
    output : str or Path
        The suffix decides the format; it must hold the sources' depth and transparency.
    options : FusionOptions, optional
    maps : str or Path, optional
        Folder, made if need be, for the maps that `drpl.maps.write_maps` writes.
    z_step : float, optional
        Micrometres between the focus of two frames, for a depth map.
    transforms : str or Path, optional
        File that `drpl.align_files` wrote, of this stack or another of the same movement (another
        channel, light or pass): taken instead of aligning.
    slab : int, optional
        Frames to fuse apart, each slab into a picture ``NAME_slab_01`` beside the output, before
        these are fused with each other.
    overlap : int
        Frames that a slab shares with the one before.
    debug : str or Path, optional
        Folder, made if need be, for `drpl.debug.DECISIONS`, which shows what was decided.
    edits : str or Path, optional
        Strokes to retouch the result by, as docs/edits.md describes; see `drpl.edits`.
    report : str or Path, optional
        JSON file for what `drpl.report.build_report` tells.
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
        See `drpl.report.build_report`; files are hashed only where it is written.

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


def make_folder(folder: Path) -> None:
    """Make a folder for results.

    Raises
    ------
    WriteError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{folder}: cannot be made a folder ({error.strerror})") from error


class _Clock:
    """Seconds between laps."""

    def __init__(self, seconds: dict[str, float] | None = None) -> None:
        self.seconds = {} if seconds is None else seconds
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Name the time since the last lap."""
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now
