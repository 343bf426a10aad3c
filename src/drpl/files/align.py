"""Alignment of files without fusing: aligned frames and their transforms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from drpl.align.plan import Plan
from drpl.align.prepare import RegisteredFrames, plan_alignment
from drpl.align.transforms import TRANSFORMS, write_transforms
from drpl.core.options import FusionOptions
from drpl.core.progress import Progress
from drpl.io.sources import find_sources
from drpl.io.stacks import FileStack
from drpl.io.write import check_output, check_place, make_folder, write_image
from drpl.pipeline.memory import check_memory_to_align


def align_files(
    paths: Sequence[str | Path],
    output: str | Path,
    options: FusionOptions | None = None,
    *,
    suffix: str = ".tif",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Plan:
    """Align source files to the reference frame; write aligned frames and transforms.

    The folder ``output``, created if missing, receives `TRANSFORMS` and a picture of each frame
    that is not rejected, named after its source, in the format of ``suffix``. With ``overwrite``,
    existing files may be replaced, but never an input. ``paths`` are files, folders or patterns;
    see `drpl.io.sources.find_sources`.

    Raises
    ------
    ReadError, StackError, AlignmentError, WriteError
    ConfigError
        If ``max_memory`` is too small.
    """
    output, options = Path(output), options or FusionOptions()
    stack = FileStack(find_sources(paths), max_pixels=options.max_pixels)
    targets = [output / f"{source.stem}{suffix}" for source in stack.sources]
    check_memory_to_align(options, stack.like, decoder_bytes=stack.decoder_bytes, saved_as=suffix)
    make_folder(output)
    for target in targets:
        check_output(target, inputs=stack.paths, overwrite=overwrite, like=stack.like)
    check_place(output / TRANSFORMS, inputs=stack.paths, overwrite=overwrite)
    plan = plan_alignment(stack, options, progress=progress)
    frames = RegisteredFrames(stack, plan, options, progress=progress)
    window = plan.window(crop=options.crop)
    for number, frame, *_ in frames.read(plan.used, stage="write"):
        frames.restore(frame)
        write_image(
            targets[number],
            np.ascontiguousarray(frame[window]),
            metadata=stack.metadata[number],
            inputs=stack.paths,
            overwrite=overwrite,
        )
    transforms = plan.transforms([source.name for source in stack.sources])
    write_transforms(output / TRANSFORMS, transforms, overwrite=overwrite)
    return plan
