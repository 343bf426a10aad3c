"""The visible path from source images to the fused one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from drpl.align import apply_exposure, common_area, valid_area, warp
from drpl.decide import DecisionModel
from drpl.errors import WriteError
from drpl.fold import Composite, Coverage, Newcomer, merge_frame, reduced, start_composite
from drpl.maps import map_paths, write_maps
from drpl.models import load_model
from drpl.plan import Plan, plan_stack
from drpl.read import MAX_PIXELS
from drpl.report import as_json, build_report
from drpl.result import FusionResult
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
from drpl.write import check_output, check_place, write_image, write_text

Item = TypeVar("Item")
Mask = NDArray[np.floating[Any]]
Progress = Callable[[str, int, int], None]
"""Told the stage, how many frames it has done, and of how many."""
Prepared = tuple[int, Pixels, Coverage | None]
"""Number of a frame, its pixels as the reference would have them, and where it shows the scene."""


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
    progress: Progress | None = None,
) -> FusionResult:
    """Fuse a stack whose frames are read one at a time; memory does not grow with their number.

    Parameters
    ----------
    stack : Stack
    options : FusionOptions
    model : DecisionModel, optional
        A loaded model, to be used instead of loading ``options.model``.
    progress : callable, optional
        Told how far the work is.

    Raises
    ------
    ReadError, StackError, AlignmentError, ModelError
    """
    clock = _Clock()
    count = len(stack.names)
    looks = _ahead([partial(stack.read, number) for number in range(count)])
    plan = plan_stack(_told(looks, "align", count, progress), options, stack.names)
    clock.lap("align")
    model = model or load_model(options.model, threads=options.threads)
    clock.lap("load")
    prepare = [partial(_prepare, stack, plan, options, number) for number in plan.used]
    frames = _told(_ahead(prepare), "fuse", len(prepare), progress)
    number, frame, covered = next(frames)
    clock.lap("read")
    white = full_scale(frame, options.value_range)
    own = frame.copy() if stack.lends else frame
    composite = start_composite(own, number, count=count, scale=plan.scale, covered=covered)
    masks = PairDecision(*(np.empty(composite.seen.shape[:2], np.float16) for _ in range(2)))
    mode, tile = options.compose, options.tile
    for number, frame, covered in frames:
        clock.lap("read")
        last = number == plan.used[-1]
        seen = reduced(frame, plan.scale)
        model.decide(composite.seen, seen, white=white, tile=tile, masks=masks)
        if last:
            del model  # one that was loaded here gives its buffers back before the result is made
        clock.lap("decide")
        new = Newcomer(frame, seen, number, covered)
        merge_frame(composite, new, masks, mode=mode, white=white, last=last)
        clock.lap("compose")
    return _result(composite, masks, plan, options, clock.seconds)


def _prepare(stack: Stack, plan: Plan, options: FusionOptions, number: int) -> Prepared:
    """Read a frame, match its exposure, warp it."""
    pixels = stack.read(number)
    white = full_scale(pixels, options.value_range)
    pixels = apply_exposure(pixels, plan.exposures[number], white=white)
    transform = plan.alignments[number].transform
    warped = warp(pixels, transform, plan.shape)
    return number, warped, None if warped is pixels else valid_area(transform, plan.shape)


def _ahead(works: Sequence[Callable[[], Item]]) -> Iterator[Item]:
    """What pieces of work give, in turn; the next is done while the one before is used."""
    with ThreadPoolExecutor(1) as worker:
        following = worker.submit(works[0])
        for work in works[1:]:
            ready = following.result()
            following = worker.submit(work)
            yield ready
        yield following.result()


def _told(
    items: Iterable[Item], stage: str, count: int, progress: Progress | None
) -> Iterator[Item]:
    """The same items; how many are done is told."""
    for done, item in enumerate(items):
        if progress is not None:
            progress(stage, done, count)
        yield item
    if progress is not None:
        progress(stage, count, count)


def _result(
    composite: Composite,
    masks: PairDecision,
    plan: Plan,
    options: FusionOptions,
    seconds: dict[str, float],
) -> FusionResult:
    """The composite as a result, cropped if that is asked for."""
    height, width = plan.shape
    window = slice(0, height), slice(0, width)
    if options.crop:
        window = common_area([plan.alignments[n].transform for n in plan.used], plan.shape)
    planes = (composite.fused, composite.index_map, composite.confidence)
    fused, index_map, confidence = (np.ascontiguousarray(plane[window]) for plane in planes)
    of_pair = None
    if len(plan.alignments) == 2:
        full = (_enlarged(mask, plan)[window] for mask in (masks.mask_a, masks.mask_b))
        of_pair = PairDecision(*full)
    return FusionResult(fused, index_map, confidence, of_pair, plan, window, seconds)


def _enlarged(mask: Mask, plan: Plan) -> Mask:
    """A mask at full resolution."""
    if plan.scale == 1:
        return mask
    size = (mask.shape[1] * plan.scale, mask.shape[0] * plan.scale)
    large = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    return large[: plan.shape[0], : plan.shape[1]].astype(mask.dtype)


def fuse_files(
    paths: Sequence[str | Path],
    output: str | Path,
    options: FusionOptions | None = None,
    *,
    maps: str | Path | None = None,
    z_step: float | None = None,
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
    """
    output = Path(output)
    options = options or FusionOptions()
    stack = FileStack(find_sources(paths), max_pixels=max_pixels)
    inputs = stack.paths
    check_output(output, inputs=inputs, overwrite=overwrite, like=stack.like)
    map_files = map_paths(maps, count=len(inputs), z_step=z_step)
    report_files = [Path(report)] if report is not None else []
    for path in (*map_files.values(), *report_files):
        if path.parent.exists():
            check_place(path, inputs=[*inputs, output], overwrite=overwrite)
    result = fuse_stack(stack, options, progress=progress)
    clock = _Clock()
    metadata = stack.metadata[result.plan.reference]
    write_image(output, result.fused, metadata=metadata, inputs=inputs, overwrite=overwrite)
    if maps is not None:
        make_folder(Path(maps))
        write_maps(map_files, result, inputs=[*inputs, output], overwrite=overwrite, z_step=z_step)
    clock.lap("write")
    result.seconds.update(clock.seconds)
    hashed = inputs if report_files else ()
    about = build_report(
        result, options, stack.names, inputs=hashed, output=output, notes=stack.notes
    )
    for path in report_files:
        write_text(path, as_json(about), inputs=[*inputs, output], overwrite=overwrite)
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

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Name the time since the last lap."""
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now
