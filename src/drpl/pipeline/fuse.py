"""Fusion of a stack: align, fuse, result."""

from __future__ import annotations

from collections.abc import Sequence

from drpl.align.prepare import RegisteredFrames, plan_alignment
from drpl.align.transforms import StackTransforms
from drpl.compose.method import Method
from drpl.core.frames import Pixels, check_stack, source_names
from drpl.core.options import FusionOptions
from drpl.core.progress import Clock, Progress
from drpl.decide.networks import DecisionModel
from drpl.io.stacks import ArrayStack, Stack
from drpl.models.methods import find_method, network_method
from drpl.pipeline.memory import within_memory
from drpl.results.edits import Edits, check_edits
from drpl.results.result import FusionResult, as_result
from drpl.results.retouch import retouch_result


def fuse(
    sources: Sequence[Pixels],
    options: FusionOptions | None = None,
    *,
    model: DecisionModel | None = None,
    names: Sequence[str] | None = None,
) -> FusionResult:
    """Fuse images of one scene with different focus into an all-in-focus image.

    Parameters
    ----------
    sources : sequence of ndarray, shape (H, W) or (H, W, C), uint8, uint16 or float32
        Two or more, alike in shape and dtype. Integer images span their dtype.
    options : FusionOptions, optional
    model : DecisionModel, optional
        Loaded network (`drpl.load_model`) that decides in place of ``options.method``.
    names : sequence of str, optional
        Names of the sources in error messages.

    Returns
    -------
    FusionResult
        The fused image has the dtype of the sources, and their shape unless it is cropped.

    Raises
    ------
    StackError
        If the sources are not a stack.
    AlignmentError
        If no frame fits the reference frame.
    ModelError
        If the method is unknown or its files are damaged.
    ConfigError
        If ``max_memory`` is too small, or the method does not support an option.

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
    method = None if model is None else network_method(model)
    return fuse_stack(ArrayStack(sources, names), options or FusionOptions(), method=method)


def fuse_stack(
    stack: Stack,
    options: FusionOptions,
    *,
    method: Method | None = None,
    known: StackTransforms | None = None,
    edits: Edits | None = None,
    progress: Progress | None = None,
) -> FusionResult:
    """Fuse a stack whose frames are read one at a time; memory does not grow with their number.

    ``method`` is used in place of ``options.method``, and ``known`` alignment and exposure instead
    of estimates. ``edits`` retouch the result, but neither pictures of slabs nor the masks of a
    pair.

    Raises ReadError, StackError, AlignmentError, ModelError or WriteError; ConfigError if
    ``max_memory`` is too small, the method does not support an option, or the edits belong to
    another result.
    """
    clock = Clock()
    method = method or find_method(options.method)
    options = within_memory(method, method.resolve(options), stack.like, len(stack.names))
    plan = plan_alignment(stack, options, known=known, progress=progress)
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
