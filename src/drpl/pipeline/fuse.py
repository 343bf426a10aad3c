"""Fusion of a stack: align, fuse, result."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Never

from drpl.align.prepare import RegisteredFrames, plan_alignment
from drpl.align.transforms import StackTransforms
from drpl.compose.method import Method
from drpl.core.arrays import as_frames, as_list, restored
from drpl.core.frames import check_names
from drpl.core.options import FusionOptions
from drpl.core.progress import Clock, Progress
from drpl.decide.networks import DecisionModel, check_model
from drpl.errors import ConfigError
from drpl.io.stacks import ArrayStack, Stack, stack_notices
from drpl.models.methods import find_method, network_method
from drpl.pipeline.memory import within_memory
from drpl.results.edits import Edits, check_edits
from drpl.results.result import FusionResult, as_result
from drpl.results.retouch import retouch_result

_TYPE = "drpl.FusionOptions"
_log = logging.getLogger(__name__)


def fuse(
    sources: Iterable[Any],
    options: FusionOptions | None = None,
    *,
    model: DecisionModel | None = None,
    names: Sequence[str] | None = None,
    **misplaced: Never,
) -> FusionResult:
    """Fuse images of one scene with different focus into an all-in-focus image.

    Parameters
    ----------
    sources : iterable of arrays, or an array
        Two or more frames (H, W) or (H, W, C), alike in shape and dtype, or an array (Z, Y, X) or
        (Z, Y, X, C) of them: of NumPy, or anything that `numpy.asarray` takes. They are read whole
        and never changed. uint8, uint16 and float32 are fused as they are; float64 and float16
        become float32; int16 is fused as uint16, and other integers as uint8 if all values fit,
        else as uint16. Values above 65535 or below 0 are refused in integers.
    options : FusionOptions, optional
        ``value_range`` is the value of white where it is not 1 (floats) or the dtype's largest.
    model : DecisionModel, optional
        Loaded network (`drpl.load_model`) that decides in place of ``options.method``.
    names : sequence of str, optional
        Names of the sources in error messages.

    Returns
    -------
    FusionResult
        The fused image has the dtype of the sources, float32 for all floats, and their shape unless
        it is cropped.

    Raises
    ------
    StackError
        If the sources are not a stack.
    AlignmentError
        If no frame fits the reference frame.
    ModelError
        If the method is unknown, its files are damaged, or ``model`` is not a loaded network.
    ConfigError
        If ``max_memory`` is too small, the method does not support an option, or ``options`` are
        not FusionOptions.

    Examples
    --------
    >>> import numpy as np, drpl
    >>> texture = np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    >>> result = drpl.fuse([texture, texture])
    >>> bool((result.fused == texture).all())
    True
    """
    options = _checked(options, misplaced)
    method = None if model is None else network_method(check_model(model))
    given = as_list(sources)
    frames, dtype = as_frames(given, check_names(names, len(given)))
    del given  # frees converted sources, such as those of a generator
    stack = ArrayStack(frames, check_names(names, len(frames)))
    result = fuse_stack(stack, options, method=method)
    return replace(result, fused=restored(result.fused, dtype))


def _checked(options: Any, misplaced: Mapping[str, Any]) -> FusionOptions:
    """Return options, or the default ones; refuse any that were passed in another way."""
    if misplaced:
        pairs = ", ".join(f"{name}={value!r:.40}" for name, value in misplaced.items())
        raise ConfigError(f"fuse does not take {pairs}; options go into {_TYPE}({pairs})")
    if options is None or isinstance(options, FusionOptions):
        return options or FusionOptions()
    if isinstance(options, Mapping):
        raise ConfigError(f"options are a mapping; expected {_TYPE}(**options)")
    example = f"method={options!r:.40}" if isinstance(options, str) else 'method="gff"'
    raise ConfigError(f"options are {options!r:.40}; expected {_TYPE}({example})")


def fuse_stack(
    stack: Stack,
    options: FusionOptions,
    *,
    method: Method | None = None,
    known: StackTransforms | None = None,
    edits: Edits | None = None,
    saved_as: str = "",
    progress: Progress | None = None,
) -> FusionResult:
    """Fuse a stack whose frames are read one at a time; memory does not grow with their number.

    ``method`` is used in place of ``options.method``, and ``known`` alignment and exposure instead
    of estimates. ``edits`` retouch the result, but neither pictures of slabs nor the masks of a
    pair. ``saved_as`` is the suffix of the file that the result goes to; ``max_memory`` counts its
    encoder.

    Raises ReadError, StackError, AlignmentError, ModelError or WriteError; ConfigError if
    ``max_memory`` is too small, the method does not support an option, or the edits belong to
    another result.
    """
    clock = Clock()
    method = method or find_method(options.method)
    options = within_memory(
        method,
        method.resolve(options),
        stack.like,
        len(stack.names),
        decoder_bytes=stack.decoder_bytes,
        saved_as=saved_as,
    )
    plan = plan_alignment(stack, options, known=known, progress=progress)
    for notice in stack_notices(stack, options.value_range):
        _log.warning("%s: %s", stack.names[0], notice)
    window = plan.window(crop=options.crop)
    if edits is not None:
        check_edits(edits, plan.alignments, window)
    clock.lap("align")
    frames = RegisteredFrames(stack, plan, options, clock, progress)
    composite = method.fuse(frames, plan, options)
    frames.restore(composite.fused)
    needs = method.needs(options, stack.like, len(stack.names))
    about = method.describe() | {"passes": needs.passes}
    result = as_result(composite, plan, window, about, clock.seconds)
    if edits is not None:
        del composite  # frees memory for the frames that are read again
        retouch_result(result, edits, frames)
        clock.lap("retouch")
    return result
