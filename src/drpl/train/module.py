"""Training loop over rendered batches, on any device that Lightning Fabric supports."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from drpl.errors import ConfigError, ModelError
from drpl.scenes.batches import Drawn, SceneBatches
from drpl.scenes.photos import Photo, find_photos, load_masks, load_photos, split_photos
from drpl.scenes.rendering import Scenes
from drpl.train import losses
from drpl.train.config import TrainOptions, config_from_dict
from drpl.train.exchange import Pair
from drpl.train.folds import fold_pairs
from drpl.train.monitor import TrainingLog, validate, write_samples
from drpl.train.networks import decision_map
from drpl.train.reuse import ReusedScenes
from drpl.train.run import Run, read_checkpoint, read_weights, start_from, start_run

log = logging.getLogger(__name__)
CHECKPOINT = "last.ckpt"
BEST = "best.ckpt"
VALIDATION_SEED = 77_000
VALIDATION_BATCH = 8


def training_loss(
    levels: tuple[Pair, ...], scenes: Scenes, options: TrainOptions
) -> tuple[Tensor, dict[str, float]]:
    """Sum the weighted losses of a pair; return the sum, and each loss without its factor by name.

    ``levels`` are the mask logits of the observed pair: at full resolution, each (B, 1, H, W), then
    at coarser levels if the network has any. Images are fused from the clean frames. Losses with a
    factor of 0 are left out.
    """
    logit_a, logit_b = (value.float() for value in levels[0])
    mask_a, mask_b = logit_a.sigmoid(), logit_b.sigmoid()
    source_a, source_b = scenes.frames[:, 0], scenes.frames[:, 1]
    fused = losses.fuse(source_a, source_b, decision_map(mask_a, mask_b))
    target, weight = losses.nearer_source(
        source_a, source_b, scenes.truth, window=options.target_window
    )
    if options.target == "mask":
        target = scenes.masks[:, 0]
    if not options.mask_weighting:
        weight = torch.ones_like(weight)
    truth = scenes.truth
    pairs = ((logit_a, mask_a, target), (logit_b, mask_b, 1.0 - target))
    terms: dict[str, Callable[[], Tensor]] = {
        "mask_cross_entropy": lambda: torch.stack(
            [losses.mask_cross_entropy(logit, goal, weight) for logit, _, goal in pairs]
        ).mean(),
        "coarse_cross_entropy": lambda: sum(
            (
                losses.coarse_cross_entropy(logit.float(), goal, weight)
                for level in levels[1:]
                for logit, goal in zip(level, (target, 1.0 - target), strict=True)
            ),
            logit_a.new_zeros(()),
        ),
        "mask_l1": lambda: torch.stack(
            [losses.mask_l1(mask, goal, weight) for _, mask, goal in pairs]
        ).mean(),
        "pair_complement": lambda: losses.pair_complement(mask_a, mask_b),
        "gradient": lambda: losses.gradient(fused, truth),
        "laplacian": lambda: losses.laplacian(fused, truth),
        "ssim": lambda: losses.ssim(fused, truth, stride=2),
        "fused_charbonnier": lambda: losses.fused_charbonnier(fused, truth),
        "fused_log_error": lambda: losses.fused_log_error(fused, source_a, source_b, truth),
    }
    total = logit_a.new_zeros(())
    values: dict[str, float] = {}
    for name, term in terms.items():
        factor = getattr(options.losses, name)
        if factor > 0:
            loss = term()
            values[name] = float(loss.detach())
            total = total + factor * loss
    return total, values


def learning_rate(options: TrainOptions, progress: float, step: int) -> float:
    """Compute the learning rate at a step, ``progress`` being the elapsed share of the run.

    The schedule ``"cosine"`` has a warm-up; ``"step"`` halves the rate after each 30/50 of the run,
    as in the paper.
    """
    if options.schedule == "step":
        return options.learning_rate * 0.5 ** math.floor(progress / 0.6)
    warm = min(1.0, (step + 1) / max(options.warmup, 1))
    return options.learning_rate * warm * (0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2)


def train(
    photos: Path,
    options: TrainOptions,
    out: Path,
    *,
    minutes: float | None = None,
    resume: bool = False,
    initial: Path | None = None,
    masks: Path | None = None,
    devices: int | str = "auto",
    accelerator: str = "auto",
    workers: int = 1,
) -> dict[str, float]:
    """Train a network on scenes rendered from photos; return the scores of the last validation.

    Parameters
    ----------
    photos, masks : Path
        Folder of all-in-focus photos, and of mask files to use as mattes besides the procedural
        ones.
    out : Path
        Folder for ``last.ckpt``, ``best.ckpt`` (by validation PSNR), ``log.csv``, TensorBoard
        events and sample pictures.
    minutes : float, optional
        Length of the run in minutes. The learning rate then follows the time instead of the steps.
    resume : bool
        True to continue from ``out/last.ckpt``. A finished run is left unchanged, without scores.
    initial : Path, optional
        Checkpoint whose averaged weights the run starts from, or ``weights.safetensors`` of a
        model.
    devices, accelerator : int or str
        Number and kind of devices; see `lightning.Fabric`.
    workers : int
        Processes that draw batches and, on a CPU, render them.

    Raises
    ------
    ConfigError
        If ``out`` holds a run and ``resume`` is False, that run has other options, or the photos
        cannot be split.
    ReadError
        If a folder holds no pictures or a picture cannot be decoded.
    ModelError
        If a checkpoint or initial weights cannot be read or do not fit, or the loss is not finite.
    """
    fabric = L.Fabric(accelerator=accelerator, devices=devices)
    fabric.launch()
    if fabric.device.type == "cpu":
        torch.set_num_threads(max(1, torch.get_num_threads() - workers))
    out.mkdir(parents=True, exist_ok=True)
    run = start_run(options, fabric)
    if resume:
        _resume(run, out / CHECKPOINT)
        if _progress(run, minutes) >= 1.0:
            log.info("%s: the run is finished, at step %d", out / CHECKPOINT, run.step)
            return {}
    elif (out / CHECKPOINT).exists():
        raise ConfigError(f"{out}: holds a run already; pass --resume or choose another folder")
    elif initial is not None:
        start_from(run, read_weights(initial))
    training, validation = split_photos(find_photos(photos), options.validation_share)
    fabric.print(f"{len(training)} photos to train on, {len(validation)} to validate on")
    silhouettes = load_masks(masks) if masks is not None else []
    batches = _batches(run, training, silhouettes, fabric, workers)
    held_out = _validation_scenes(options, validation, fabric.device)
    log_file = TrainingLog(out) if fabric.is_global_zero else None
    scores: dict[str, float] = {}
    began = time.perf_counter() - run.seconds
    try:
        for scenes in batches:
            values = training_step(run, scenes, fabric, minutes)
            run.seconds = time.perf_counter() - began
            finished = _progress(run, minutes) >= 1.0
            if run.step % 100 == 0 and log_file is not None:
                log_file.losses(run, values)
            if run.step % options.validate_every == 0 or finished:
                scores = _validate_and_save(run, held_out, out, log_file)
            if finished:
                break
    except KeyboardInterrupt:
        log.warning("interrupted at step %d; continue with --resume", run.step)
        if fabric.is_global_zero:
            run.save(out / CHECKPOINT)
        raise
    finally:
        if log_file is not None:
            log_file.close()
    return scores


def _resume(run: Run, checkpoint: Path) -> None:
    """Restore a run from its checkpoint, if the options are the same."""
    state = read_checkpoint(checkpoint)
    if config_from_dict(state["config"]) != run.options:
        raise ConfigError(
            f"{checkpoint}: was trained with another configuration; give that one, or another "
            "folder"
        )
    run.load(state)


def _validate_and_save(
    run: Run, held_out: list[Scenes], out: Path, log_file: TrainingLog | None
) -> dict[str, float]:
    """Score the averaged weights; where the log file is, write checkpoints and samples too."""
    scores = validate(run.average, held_out)
    if log_file is not None:
        log_file.scores(run, scores)
        write_samples(out / "samples.png", run.average, held_out[0])
        if scores["psnr"] > run.best:
            run.best = scores["psnr"]
            run.save(out / BEST)
        run.save(out / CHECKPOINT)
    return scores


def _progress(run: Run, minutes: float | None) -> float:
    """Elapsed share of the run, by time if ``minutes`` is given, else by steps."""
    if minutes is not None:
        return min(1.0, run.seconds / (60 * minutes))
    return min(1.0, run.step / run.options.steps)


def _batches(
    run: Run, paths: list[Path], silhouettes: list[Photo], fabric: L.Fabric, workers: int
) -> Iterator[Scenes]:
    """Training batches from the current step on; with several processes, the share of this one."""
    on_cpu = fabric.device.type == "cpu"
    rendered = SceneBatches(
        load_photos(paths),
        run.options.scenes,
        batch=run.options.batch,
        seed=run.options.seed,
        length=2**31,
        degradation=run.options.degradation,
        silhouettes=silhouettes,
        rendered=on_cpu,
    )
    uses = run.options.scene_uses if on_cpu else 1  # on a GPU, rendering costs little
    dataset = ReusedScenes(rendered, uses) if uses > 1 else rendered
    first = run.step * fabric.world_size + fabric.global_rank
    loader: DataLoader[Scenes | Drawn] = DataLoader(
        dataset,
        batch_size=None,
        sampler=range(first, 2**31, fabric.world_size),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
    )
    generator = torch.Generator(fabric.device).manual_seed(run.options.seed + first)
    for batch in loader:
        on_device = batch.render(fabric.device) if isinstance(batch, Drawn) else batch
        yield fold_pairs(on_device.to(fabric.device), generator)


def _validation_scenes(
    options: TrainOptions, paths: list[Path], device: torch.device
) -> list[Scenes]:
    """Fixed scenes rendered from the photos kept out of training."""
    dataset = SceneBatches(
        load_photos(paths),
        replace(options.scenes, frames=2, stack_share=0.0),
        batch=VALIDATION_BATCH,
        seed=VALIDATION_SEED,
        length=max(1, options.validation_scenes // VALIDATION_BATCH),
        degradation=options.degradation,
        rendered=False,
    )
    return [dataset.draw(index).render(device) for index in range(len(dataset))]


def training_step(
    run: Run, scenes: Scenes, fabric: L.Fabric, minutes: float | None
) -> dict[str, float]:
    """Take one step of optimisation on a batch of pairs; return the value of each loss by name.

    Raise ModelError if the loss is not finite.
    """
    options = run.options
    for group in run.optimiser.param_groups:
        group["lr"] = learning_rate(options, _progress(run, minutes), run.step)
    run.network.train()
    pair = (source.contiguous() for source in scenes.observed.unbind(dim=1))
    # autocast by hand: with Fabric's precision plugin the same step takes 1.6 times as long
    with torch.autocast(fabric.device.type, torch.bfloat16, options.precision == "bf16-mixed"):
        levels = run.network.levels(*pair)
    loss, values = training_loss(levels, scenes, options)
    if not math.isfinite(float(loss.detach())):
        raise ModelError(f"the loss is not finite at step {run.step}: {values}")
    run.optimiser.zero_grad()
    fabric.backward(loss)
    fabric.clip_gradients(run.network, run.optimiser, max_norm=options.clip)
    run.optimiser.step()
    run.update_average()
    run.step += 1
    return values
