"""Monitoring of training: scores on held-out scenes, sample pictures, logs."""

from __future__ import annotations

import csv
import logging
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from drpl.scenes.rendering import Scenes
from drpl.train import losses
from drpl.train.networks import decision_map
from drpl.train.run import Run

log = logging.getLogger(__name__)


def psnr(fused: Tensor, truth: Tensor, where: Tensor | None = None) -> Tensor:
    """PSNR in dB, at most 100, of each picture (C, H, W) of a batch with values in [0, 1].

    ``where`` (B, H, W) selects the pixels to evaluate; all by default.
    """
    squared = (fused - truth).square().mean(dim=1)
    if where is None:
        mse = squared.mean(dim=(1, 2))
    else:
        mse = (squared * where).sum(dim=(1, 2)) / where.sum(dim=(1, 2)).clamp(min=1)
    return -10.0 * torch.log10(mse.clamp(min=1e-10))


@torch.no_grad()
def validate(network: nn.Module, batches: list[Scenes]) -> dict[str, float]:
    """Score a network: decide the observed pairs, fuse the clean ones, compare with the truth.

    The network is in evaluation mode. The scores are means over all scenes: ``psnr``,
    ``psnr_band``, ``psnr_outside`` and ``psnr_ceiling`` in dB, each clipped to 60 dB (the ceiling
    takes at each pixel the source image nearer to the truth), ``ssim``, and ``mask_error``, the
    weighted share of wrong decisions.
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


def write_samples(path: Path, network: nn.Module, scenes: Scenes) -> None:
    """Write a picture with a row per scene: sources, decision map, target, fused image, truth."""
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
    """Log of losses and scores, to ``log.csv``, TensorBoard events and the `logging` module."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "log.csv"
        self._events = SummaryWriter(str(folder))

    def losses(self, run: Run, values: dict[str, float]) -> None:
        """Record training losses."""
        self._record(run, {f"loss/{name}": value for name, value in values.items()})

    def scores(self, run: Run, scores: dict[str, float]) -> None:
        """Record validation scores and log them as a line."""
        self._record(run, {f"validation/{name}": value for name, value in scores.items()})
        text = "  ".join(f"{name} {value:.3f}" for name, value in scores.items())
        log.info("step %d, %.1f minutes: %s", run.step, run.seconds / 60, text)

    def _record(self, run: Run, values: dict[str, float]) -> None:
        """Append values at the step of a run to ``log.csv`` and TensorBoard."""
        fresh = not self._path.exists()
        with self._path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            if fresh:
                writer.writerow(("step", "minutes", "name", "value"))
            for name, value in values.items():
                writer.writerow((run.step, f"{run.seconds / 60:.2f}", name, f"{value:.6g}"))
                self._events.add_scalar(name, value, run.step)

    def close(self) -> None:
        """Flush and close the TensorBoard events."""
        self._events.close()
