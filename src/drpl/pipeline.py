"""The visible path from source images to the fused one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from drpl.decide import DecisionModel, luma_plane
from drpl.errors import WriteError
from drpl.fold import merge_frame, reduced, start_composite
from drpl.models import load_model
from drpl.read import read_frame
from drpl.stack import (
    FusionOptions,
    FusionResult,
    Metadata,
    PairDecision,
    Pixels,
    check_alike,
    check_count,
    check_frame,
    check_stack,
    full_scale,
    source_names,
)
from drpl.survey import SMALLEST, decision_scale, measure_detail
from drpl.write import check_output, write_image

INDEX_MAP, CONFIDENCE = "index_map.png", "confidence.png"
MASKS = ("mask_a.png", "mask_b.png")
Progress = Callable[[str, int, int], None]
"""Told the stage, how many frames it has done, and of how many."""


class Stack(Protocol):
    """Frames that are read one at a time, as often as needed."""

    @property
    def names(self) -> Sequence[str]:
        """What messages call the frames."""
        ...

    def read(self, number: int) -> Pixels:
        """Pixels of a frame."""
        ...


@dataclass(frozen=True)
class ArrayStack:
    """Frames in memory."""

    sources: Sequence[Pixels]
    names: Sequence[str]

    def read(self, number: int) -> Pixels:
        """See `Stack`; the first is copied, since it becomes the composite."""
        pixels = self.sources[number]
        return pixels.copy() if number == 0 else pixels


class FileStack:
    """Frames in files."""

    def __init__(self, paths: Sequence[str | Path]) -> None:
        check_count(len(paths))
        self.paths = [Path(path) for path in paths]
        self.names = [str(path) for path in paths]
        self.metadata: dict[int, Metadata] = {}
        self._like: tuple[str, Pixels] | None = None

    def read(self, number: int) -> Pixels:
        """See `Stack`; a frame that differs from the first that was read is refused."""
        frame = read_frame(self.paths[number])
        pixels = frame.pixels
        check_frame(pixels, frame.name)
        # a stand-in without memory
        self._like = self._like or (frame.name, np.broadcast_to(pixels.flat[0], pixels.shape))
        check_alike(self._like[1], pixels, (self._like[0], frame.name))
        self.metadata[number] = frame.metadata
        return pixels


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
        Two or more, registered, alike in shape and dtype. Integer images span their dtype.
    options : FusionOptions, optional
    model : DecisionModel, optional
        A loaded model, to be used instead of loading ``options.model``.
    names : sequence of str, optional
        What error messages call the sources.

    Returns
    -------
    FusionResult
        The fused image has the shape and dtype of the sources.

    Raises
    ------
    StackError
        If the sources are not a stack.
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
    ReadError, StackError, ModelError
    """
    count = len(stack.names)
    clock = _Clock()
    scale = options.scale or _decision_scale(stack, options)
    clock.lap("survey")
    model = model or load_model(options.model, threads=options.threads)
    clock.lap("load")
    frames = _ahead(stack, range(count))
    first = next(frames)
    clock.lap("read")
    white = full_scale(first, options.value_range)
    composite = start_composite(first, 0, count=count, scale=scale)
    masks = PairDecision(*(np.empty(composite.seen.shape[:2], np.float16) for _ in range(2)))
    mode = options.compose
    for number, frame in enumerate(frames, start=1):
        clock.lap("read")
        last = number == count - 1
        seen = reduced(frame, scale)
        model.decide(composite.seen, seen, white=white, tile=options.tile, masks=masks)
        if last:
            del model  # one that was loaded here gives its buffers back before the result is made
        clock.lap("decide")
        merge_frame(composite, frame, seen, number, masks, mode=mode, white=white, last=last)
        clock.lap("compose")
        if progress is not None:
            progress("fuse", number + 1, count)
    return FusionResult(
        composite.fused,
        composite.index_map,
        composite.confidence,
        masks if count == 2 else None,
        clock.seconds,
    )


def _decision_scale(stack: Stack, options: FusionOptions) -> int:
    """The coarsest scale at which no frame holds detail that decisions would miss."""
    details = []
    for pixels in _ahead(stack, range(len(stack.names))):
        height, width = pixels.shape[:2]
        if height * width < 4 * SMALLEST:
            return 1
        details.append(measure_detail(luma_plane(pixels, full_scale(pixels, options.value_range))))
    return decision_scale(details, height, width)


def _ahead(stack: Stack, numbers: Sequence[int]) -> Iterator[Pixels]:
    """Frames in turn; the next is read while the one before is worked on."""
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(stack.read, numbers[0])
        for number in numbers[1:]:
            pixels = following.result()
            following = reader.submit(stack.read, number)
            yield pixels
        yield following.result()


def fuse_files(
    paths: Sequence[str | Path],
    output: str | Path,
    options: FusionOptions | None = None,
    *,
    maps: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> FusionResult:
    """Read files, fuse them, write the result with the first one's profile and metadata.

    Parameters
    ----------
    paths : sequence of two or more paths
    output : str or Path
        The suffix decides the format; it must hold the sources' depth and transparency.
    options : FusionOptions, optional
    maps : str or Path, optional
        Folder, made if need be, for `INDEX_MAP` (frame numbers), `CONFIDENCE` and, of a pair, the
        network's `MASKS`.
    overwrite : bool
        Whether existing files may be replaced; an input never is.
    progress : callable, optional
        Told how far the work is.

    Returns
    -------
    FusionResult

    Raises
    ------
    ReadError, StackError, ModelError, WriteError
    """
    output = Path(output)
    stack = FileStack(paths)
    inputs = stack.paths
    check_output(output, inputs=inputs, overwrite=overwrite)
    names = (INDEX_MAP, CONFIDENCE, *(MASKS if len(inputs) == 2 else ()))
    map_files = [Path(maps) / name for name in names] if maps is not None else []
    for path in map_files if maps is not None and Path(maps).exists() else []:
        check_output(path, inputs=[*inputs, output], overwrite=overwrite)
    check_output(output, inputs=inputs, overwrite=overwrite, like=stack.read(0))
    result = fuse_stack(stack, options or FusionOptions(), progress=progress)
    clock = _Clock()
    if maps is not None:
        make_folder(Path(maps))
    write_image(
        output, result.fused, metadata=stack.metadata[0], inputs=inputs, overwrite=overwrite
    )
    _write_maps(map_files, result, inputs=[*inputs, output], overwrite=overwrite)
    clock.lap("write")
    result.seconds.update(clock.seconds)
    return result


def _write_maps(
    paths: Sequence[Path], result: FusionResult, *, inputs: Sequence[Path], overwrite: bool
) -> None:
    """Write index map, confidence map and, of a pair, masks."""
    pictures = [result.index_map, result.confidence]
    if result.masks is not None:
        masks = (result.masks.mask_a, result.masks.mask_b)
        pictures += [np.rint(mask.astype(np.float32) * 255).astype(np.uint8) for mask in masks]
    for path, picture in zip(paths, pictures, strict=False):
        write_image(path, picture, inputs=inputs, overwrite=overwrite)


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
