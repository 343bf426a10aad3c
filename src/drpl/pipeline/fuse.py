"""The visible path: from source images to the fused one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from drpl.align.prepare import plan_alignment, prepared_frames
from drpl.align.transforms import StackTransforms
from drpl.classical.run import fuse_classical
from drpl.compose.fold import Folding, Observer
from drpl.compose.slabs import Slab, Slabs, _slab_runs, fold_slabs
from drpl.core.frames import Pixels, check_stack, full_scale, source_names
from drpl.core.options import FusionOptions
from drpl.core.progress import Progress, _Clock
from drpl.decide.clipped import clipped_ceilings
from drpl.decide.networks import DecisionModel
from drpl.io.stacks import ArrayStack, Stack
from drpl.models.methods import _loader, baseline_options, find_baseline
from drpl.pipeline.memory import within_memory
from drpl.results.edits import Edits, check_edits
from drpl.results.result import FusionResult, _result
from drpl.results.retouch import _retouch


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
    plan = plan_alignment(stack, options, known=known, progress=progress)
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
            borrowed=stack.borrowed,
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
