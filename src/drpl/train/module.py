"""Training, top to bottom: one loop over rendered batches, on any device that Fabric knows."""

from __future__ import annotations

import csv
import logging
import math
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import cv2
import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from drpl.errors import ConfigError, ModelError
from drpl.train import losses
from drpl.train.config import TrainOptions, config_from_dict
from drpl.train.data import (
    Drawn,
    Photo,
    SceneBatches,
    find_photos,
    load_masks,
    load_photos,
    split_photos,
)
from drpl.train.networks import NETWORKS, decision_map
from drpl.train.synthesis import Scenes

log = logging.getLogger(__name__)
CHECKPOINT = "last.ckpt"
VALIDATION_SEED = 77_000
VALIDATION_BATCH = 8


def training_loss(
    logits: tuple[Tensor, Tensor], scenes: Scenes, options: TrainOptions
) -> tuple[Tensor, dict[str, float]]:
    """Weighted sum of the losses of a pair, and each loss by name.

    Parameters
    ----------
    logits : pair of Tensor, each (B, 1, H, W)
        Of the masks of the observed pair.
    scenes : Scenes
        With two frames; images are fused from the clean ones.
    options : TrainOptions
    """
    logit_a, logit_b = (value.float() for value in logits)
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


def psnr(fused: Tensor, truth: Tensor, where: Tensor | None = None) -> Tensor:
    """PSNR in dB of each picture of a batch, over the pixels ``where`` (B, H, W) if given."""
    squared = (fused - truth).square().mean(dim=1)
    if where is None:
        mse = squared.mean(dim=(1, 2))
    else:
        mse = (squared * where).sum(dim=(1, 2)) / where.sum(dim=(1, 2)).clamp(min=1)
    return -10.0 * torch.log10(mse.clamp(min=1e-10))


@torch.no_grad()
def validate(network: nn.Module, batches: list[Scenes]) -> dict[str, float]:
    """Mean scores of fused clean pairs, decided from the observed ones.

    Returns
    -------
    dict
        ``psnr``, ``psnr_band``, ``psnr_outside``, ``psnr_ceiling`` (per pixel the source nearest
        to the truth) in dB, ``ssim``, ``mask_error`` (weighted share of wrong decisions).
    """
    rows: list[dict[str, Tensor]] = []
    for scenes in batches:
        mask_a, mask_b = network(scenes.observed[:, 0], scenes.observed[:, 1])
        decision = decision_map(mask_a.float(), mask_b.float())
        source_a, source_b = scenes.frames[:, 0], scenes.frames[:, 1]
        fused = losses.fuse(source_a, source_b, decision)
        target, weight = losses.nearer_source(source_a, source_b, scenes.truth)
        errors = [(s - scenes.truth).square().sum(1, keepdim=True) for s in (source_a, source_b)]
        ceiling = torch.where(errors[0] < errors[1], source_a, source_b)
        wrong = ((decision > 0.5) != (target > 0.5)) * weight
        rows.append(
            {
                "psnr": psnr(fused, scenes.truth),
                "psnr_band": psnr(fused, scenes.truth, scenes.band),
                "psnr_outside": psnr(fused, scenes.truth, ~scenes.band),
                "psnr_ceiling": psnr(ceiling, scenes.truth),
                "ssim": torch.stack(
                    [
                        1 - losses.ssim(fused[i : i + 1], scenes.truth[i : i + 1])
                        for i in range(len(fused))
                    ]
                ),
                "mask_error": wrong.sum((1, 2, 3)) / weight.sum((1, 2, 3)),
            }
        )
    return {
        name: float(torch.cat([row[name] for row in rows]).clamp(max=60).mean()) for name in rows[0]
    }


def learning_rate(options: TrainOptions, progress: float, step: int) -> float:
    """Learning rate at a share ``progress`` of the run: warm-up, then cosine or the paper's steps.

    The paper halves it every 30 epochs of 50.
    """
    if options.schedule == "step":
        return options.learning_rate * 0.5 ** math.floor(progress / 0.6)
    warm = min(1.0, (step + 1) / max(options.warmup, 1))
    return options.learning_rate * warm * (0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2)


@dataclass
class Run:
    """State of a training run; all of it goes into a checkpoint."""

    options: TrainOptions
    network: Any
    average: nn.Module
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    best: float = -math.inf

    def save(self, path: Path) -> None:
        """Write a checkpoint atomically."""
        state = {
            "config": self.options.to_dict(),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without executing anything in it.

    Raises
    ------
    ModelError
        If the file is missing or not a checkpoint of ours.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{path}: cannot be read as a checkpoint ({reason})") from error
    if not isinstance(state, dict) or not {"config", "network", "average"} <= set(state):
        raise ModelError(f"{path}: is not a checkpoint of `drpl train`")
    return state


def start_run(options: TrainOptions, fabric: L.Fabric) -> Run:
    """Network, its moving average and optimiser, seeded."""
    torch.manual_seed(options.seed)
    network = NETWORKS[options.network]()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = deepcopy(network).eval().requires_grad_(False).to(fabric.device)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    wrapped, optimiser = fabric.setup(network, optimiser)
    wrapped.mark_forward_method("logits")
    return Run(options, wrapped, average, optimiser)


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
    """Train a network on scenes rendered from photos.

    Parameters
    ----------
    photos : Path
        Folder of all-in-focus photos.
    options : TrainOptions
    out : Path
        Folder for ``last.ckpt``, ``best.ckpt`` (by validation PSNR), ``log.csv``, TensorBoard
        events and sample pictures.
    minutes : float, optional
        Length of the run in time; the learning rate then falls with time instead of steps.
    resume : bool
        Continue from ``out/last.ckpt``.
    initial : Path, optional
        Checkpoint whose averaged weights the run starts from.
    masks : Path, optional
        Folder of mask files to use as mattes besides the procedural ones.
    devices, accelerator
        As of Lightning Fabric.
    workers : int
        Processes that draw (and, without a GPU, render) batches.

    Returns
    -------
    dict
        The last validation's scores.

    Raises
    ------
    ConfigError, ReadError, ModelError
    """
    fabric = L.Fabric(accelerator=accelerator, devices=devices)
    fabric.launch()
    if fabric.device.type == "cpu":
        torch.set_num_threads(max(1, torch.get_num_threads() - workers))
    out.mkdir(parents=True, exist_ok=True)
    run = start_run(options, fabric)
    if resume:
        state = read_checkpoint(out / CHECKPOINT)
        if config_from_dict(state["config"]) != options:
            raise ConfigError(f"{out / CHECKPOINT}: was trained with another configuration")
        run.load(state)
    elif (out / CHECKPOINT).exists():
        raise ConfigError(f"{out}: holds a run already; give --resume or another folder")
    elif initial is not None:
        weights = read_checkpoint(initial)["average"]
        run.network.load_state_dict(weights)
        run.average.load_state_dict(weights)
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
            values = _step(run, scenes, fabric, minutes)
            run.seconds = time.perf_counter() - began
            done = _progress(run, minutes) >= 1.0
            if run.step % 100 == 0 and log_file is not None:
                log_file.losses(run, values)
            if run.step % options.validate_every == 0 or done:
                scores = validate(run.average, held_out)
                if log_file is not None:
                    log_file.scores(run, scores)
                    write_samples(out / "samples.png", run.average, held_out[0])
                    if scores["psnr"] > run.best:
                        run.best = scores["psnr"]
                        run.save(out / "best.ckpt")
                    run.save(out / CHECKPOINT)
            if done:
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


def _progress(run: Run, minutes: float | None) -> float:
    """Share of the run that is over."""
    if minutes is not None:
        return min(1.0, run.seconds / (60 * minutes))
    return min(1.0, run.step / run.options.steps)


def _batches(
    run: Run, paths: list[Path], silhouettes: list[Photo], fabric: L.Fabric, workers: int
) -> Iterator[Scenes]:
    """The sequence of training batches from the run's step on; each process gets its share."""
    on_cpu = fabric.device.type == "cpu"
    dataset = SceneBatches(
        load_photos(paths),
        run.options.scenes,
        batch=run.options.batch,
        seed=run.options.seed,
        length=2**31,
        degradation=run.options.degradation,
        silhouettes=silhouettes,
        rendered=on_cpu,
    )
    first = run.step * fabric.world_size + fabric.global_rank
    loader: DataLoader[Scenes | Drawn] = DataLoader(
        dataset,
        batch_size=None,
        sampler=range(first, 2**31, fabric.world_size),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
    )
    for batch in loader:
        yield batch.render(fabric.device) if isinstance(batch, Drawn) else batch.to(fabric.device)


def _validation_scenes(
    options: TrainOptions, paths: list[Path], device: torch.device
) -> list[Scenes]:
    """Fixed scenes from the photos kept out of training."""
    dataset = SceneBatches(
        load_photos(paths),
        options.scenes,
        batch=VALIDATION_BATCH,
        seed=VALIDATION_SEED,
        length=max(1, options.validation_scenes // VALIDATION_BATCH),
        degradation=options.degradation,
        rendered=False,
    )
    return [dataset.draw(index).render(device) for index in range(len(dataset))]


def _step(run: Run, scenes: Scenes, fabric: L.Fabric, minutes: float | None) -> dict[str, float]:
    """One step of optimisation."""
    options = run.options
    for group in run.optimiser.param_groups:
        group["lr"] = learning_rate(options, _progress(run, minutes), run.step)
    run.network.train()
    pair = (source.contiguous() for source in scenes.observed.unbind(dim=1))
    # our own autocast: through Fabric's precision plugin the same step takes 1.6 times as long
    with torch.autocast(fabric.device.type, torch.bfloat16, options.precision == "bf16-mixed"):
        logits = run.network.logits(*pair)
    loss, values = training_loss(logits, scenes, options)
    if not math.isfinite(float(loss.detach())):
        raise ModelError(f"the loss is not finite at step {run.step}: {values}")
    run.optimiser.zero_grad()
    fabric.backward(loss)
    fabric.clip_gradients(run.network, run.optimiser, max_norm=options.clip)
    run.optimiser.step()
    _update_average(run)
    run.step += 1
    return values


@torch.no_grad()
def _update_average(run: Run) -> None:
    """Move the averaged weights towards the current ones, faster at the start."""
    decay = min(run.options.ema, (1 + run.step) / (10 + run.step))
    current = run.network.state_dict()
    for name, value in run.average.state_dict().items():
        if value.dtype.is_floating_point:
            value.lerp_(current[name], 1 - decay)
        else:
            value.copy_(current[name])


def write_samples(path: Path, network: nn.Module, scenes: Scenes) -> None:
    """Write a picture: a row for each scene, sources, decision map, target, fused image, truth."""
    with torch.no_grad():
        mask_a, mask_b = network(scenes.observed[:, 0], scenes.observed[:, 1])
    decision = decision_map(mask_a.float(), mask_b.float())
    source_a, source_b = scenes.frames[:, 0], scenes.frames[:, 1]
    target, weight = losses.nearer_source(source_a, source_b, scenes.truth)
    shown = 0.5 + (target - 0.5) * weight
    fused = losses.fuse(source_a, source_b, decision)
    columns = [
        scenes.observed[:, 0], scenes.observed[:, 1], decision, shown, fused, scenes.truth,
    ]  # fmt: skip
    channels = source_a.shape[1]
    rows = torch.cat([column.expand(-1, channels, -1, -1) for column in columns], dim=3)
    sheet = torch.cat(list(rows), dim=1).permute(1, 2, 0).cpu().numpy()
    cv2.imwrite(str(path), (sheet[..., ::-1] * 255).round().astype(np.uint8))


class TrainingLog:
    """Losses and scores, to ``log.csv``, TensorBoard and the log."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "log.csv"
        self._events = SummaryWriter(str(folder))

    def losses(self, run: Run, values: dict[str, float]) -> None:
        """Record training losses."""
        self._record(run, {f"loss/{name}": value for name, value in values.items()})

    def scores(self, run: Run, scores: dict[str, float]) -> None:
        """Record validation scores."""
        self._record(run, {f"validation/{name}": value for name, value in scores.items()})
        text = "  ".join(f"{name} {value:.3f}" for name, value in scores.items())
        log.info("step %d, %.1f minutes: %s", run.step, run.seconds / 60, text)

    def _record(self, run: Run, values: dict[str, float]) -> None:
        fresh = not self._path.exists()
        with self._path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            if fresh:
                writer.writerow(("step", "minutes", "name", "value"))
            for name, value in values.items():
                writer.writerow((run.step, f"{run.seconds / 60:.2f}", name, f"{value:.6g}"))
                self._events.add_scalar(name, value, run.step)

    def close(self) -> None:
        """Flush and close."""
        self._events.close()
