"""Fusion of files: read, fuse, write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drpl.align.transforms import read_transforms
from drpl.core.options import FusionOptions
from drpl.core.progress import Progress
from drpl.files.outputs import Inputs, Outputs
from drpl.io.sources import find_sources
from drpl.io.stacks import FileStack
from drpl.models.methods import find_method
from drpl.pipeline.fuse import fuse_stack
from drpl.results.edits import read_edits
from drpl.results.result import FusionResult


def fuse_files(
    paths: Sequence[str | Path],
    outputs: Outputs | str | Path,
    options: FusionOptions | None = None,
    *,
    transforms: str | Path | None = None,
    edits: str | Path | None = None,
    progress: Progress | None = None,
) -> tuple[FusionResult, dict[str, Any]]:
    """Read files, fuse them, and write the result with the reference frame's metadata.

    Parameters
    ----------
    paths : sequence of paths
        Files, folders of them, or patterns; see `drpl.io.sources.find_sources`.
    outputs : Outputs, str or Path
        Files to write; a path is the picture alone.
    options : FusionOptions, optional
    transforms : str or Path, optional
        File written by `drpl align` for this stack or for another channel, light or pass of it;
        replaces alignment.
    edits : str or Path, optional
        Edit list to retouch the result with; the format is in docs/edits.md.
    progress : callable, optional

    Returns
    -------
    result : FusionResult
    report : dict
        See `drpl.results.report.build_report`.

    Raises
    ------
    ReadError, StackError, AlignmentError, ModelError, WriteError
    ConfigError
        If ``max_memory`` is too small, the method does not support an option or an output, or the
        edits are invalid or belong to another result.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import drpl
    >>> from drpl.files.demo import run_demo
    >>> with TemporaryDirectory() as name:
    ...     folder = Path(name)
    ...     _ = run_demo(folder, drpl.FusionOptions(align=False))  # draws two source images
    ...     frames = [folder / "source_a.png", folder / "source_b.png"]
    ...     result, report = drpl.fuse_files(frames, drpl.Outputs(folder / "sharp.tif"))
    >>> len(report["frames"])
    2
    """
    outputs = outputs if isinstance(outputs, Outputs) else Outputs(Path(outputs))
    inputs = read_inputs(paths, options or FusionOptions(), transforms=transforms, edits=edits)
    outputs.check(inputs)
    method, sheet = outputs.extend(find_method(inputs.options.method), inputs)
    result = fuse_stack(
        inputs.stack,
        inputs.options,
        method=method,
        known=inputs.known,
        edits=inputs.edits,
        saved_as=outputs.result.suffix,
        progress=progress,
    )
    if progress is not None:
        progress("write", 0, 1)
    report = outputs.write(result, inputs, sheet)
    if progress is not None:
        progress("write", 1, 1)
    return result, report


def read_inputs(
    paths: Sequence[str | Path],
    options: FusionOptions,
    *,
    transforms: str | Path | None = None,
    edits: str | Path | None = None,
) -> Inputs:
    """Read headers, transforms and edits; see `fuse_files` for parameters and errors."""
    strokes = None if edits is None else read_edits(edits)
    stack = FileStack(find_sources(paths), max_pixels=options.max_pixels)
    known = None
    if transforms is not None:
        size = stack.like.shape[:2]
        known = read_transforms(transforms, count=len(stack.names), shape=size)
    return Inputs(stack, options, known, strokes)
