"""Export of trained networks: ONNX stages, safetensors and a model card."""

from __future__ import annotations

import csv
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from drpl.core.luma import Levels
from drpl.core.masks import PairDecision
from drpl.decide.networks import BORDER, CANVAS_MULTIPLE
from drpl.errors import ConfigError, ModelError, WriteError
from drpl.models.cards import CARD, ModelCard, load_model, read_card
from drpl.train.config import config_from_dict
from drpl.train.networks import NETWORKS, DRPLFast
from drpl.train.paper import DRPL
from drpl.train.recipe import read_recipe
from drpl.train.run import read_checkpoint
from drpl.train.stages import write_stages

TOLERANCE = 1e-4
"""Largest accepted difference between masks by ONNX and by PyTorch."""
ODD_SIZES = ((1, 1), (37, 53), (64, 64), (131, 257), (300, 211))
"""Heights and widths in pixels at which ONNX and PyTorch are compared."""
WEIGHTS = "weights.safetensors"
ATTRIBUTION = "attribution.csv"


def count_macs(network: nn.Module, size: int = 256) -> int:
    """Count the multiply-accumulates of the convolutions per pixel of a pair.

    The network takes two grey batches (B, 1, H, W); a pair of ``size`` by ``size`` pixels is
    counted.
    """
    source = torch.zeros(1, 1, size, size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(source, source)
    return round(int(counter.get_total_flops()) / 2 / size**2)


def largest_difference(folder: Path, network: DRPL | DRPLFast) -> float:
    """Return the largest absolute difference between masks of an exported model and of its network.

    Random pairs of `ODD_SIZES` are decided in tiles of 128 pixels, on the path that fuses pictures.
    The network is in evaluation mode, on the CPU.
    """
    model = load_model(str(folder), threads=1)
    rng = np.random.default_rng(0)
    largest = 0.0
    for height, width in ODD_SIZES:
        pair = rng.random((2, height, width, 3), dtype=np.float32)
        found = PairDecision(*np.empty((2, height, width), np.float32))
        model.decide(pair[0], pair[1], levels=Levels(), tile=128, masks=found)
        expected = canvas_masks(network, pair)
        for mask, truth in zip((found.mask_a, found.mask_b), expected, strict=True):
            largest = max(largest, float(np.abs(mask - truth).max()))
    return largest


def canvas_masks(
    network: DRPL | DRPLFast, pair: np.ndarray[Any, Any]
) -> list[np.ndarray[Any, Any]]:
    """Decide a pair by PyTorch; `DRPLFast` gets the mirrored canvas that a loaded one lays out.

    The network is in evaluation mode, on the CPU. A pair (2, H, W, 3) gives two masks (H, W), all
    float32 in [0, 1].
    """
    height, width = pair.shape[1:3]
    border = BORDER if isinstance(network, DRPLFast) else 0
    multiple = CANVAS_MULTIPLE if isinstance(network, DRPLFast) else 1
    padding = [(border, border + -(side + 2 * border) % multiple) for side in (height, width)]
    canvas = np.pad(pair, [(0, 0), *padding, (0, 0)], mode="symmetric")
    tensors = torch.from_numpy(canvas.transpose(0, 3, 1, 2))
    with torch.no_grad():
        masks = network(tensors[:1], tensors[1:])
    window = (slice(border, border + height), slice(border, border + width))
    return [mask[0, 0].numpy()[window] for mask in masks]


def export_model(
    checkpoints: Path | Sequence[Path], out: Path, *, recipe: Path, manifest: Path | None = None
) -> ModelCard:
    """Export the averaged weights of a training run, or their mean over several runs.

    Parameters
    ----------
    checkpoints : Path or sequence of Path
        Checkpoints of `drpl train`. Several must hold one network, each run started from the
        weights of another. The mean is often better than each run on the scenes where that run is
        weaker. The training section of the card describes the last one.
    out : Path
        Folder of the model. Its files are replaced only if the export succeeds.
    recipe : Path
        TOML file with title, licence and phases of training; see `drpl.train.recipe`.
    manifest : Path, optional
        ``manifest.csv`` of the photos. Sources and licences go into the card, a line per photo
        into ``attribution.csv``.

    Raises
    ------
    ModelError
        If a checkpoint cannot be read, the checkpoints hold several networks, or ONNX and PyTorch
        differ by more than `TOLERANCE`.
    ConfigError
        If the recipe is invalid or describes another network, or the manifest is invalid.
    WriteError
        If the folder cannot be written.

    References
    ----------
    Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves
    accuracy without increasing inference time", ICML 2022, arXiv:2203.05482.
    """
    paths = [checkpoints] if isinstance(checkpoints, Path) else list(checkpoints)
    states = [read_checkpoint(path) for path in paths]
    state, checkpoint = states[-1], paths[-1]
    options = config_from_dict(state["config"])
    network = NETWORKS[options.network]()
    network.load_state_dict(_mean_weights(paths, states))
    network.eval()
    described = read_recipe(recipe)
    if described.options.network != options.network:
        raise ConfigError(
            f"{recipe}: describes {described.options.network}; expected {options.network}, the "
            f"network of {checkpoint}"
        )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        save_file(
            {key: value.contiguous() for key, value in network.state_dict().items()},
            folder / WEIGHTS,
        )
        attribution = _write_attribution(folder, manifest) if manifest else ""
        card = ModelCard(
            id=options.network,
            colour=network.colour,
            stages=write_stages(folder, network),
            parameters=sum(p.numel() for p in network.parameters()),
            macs_per_pixel=count_macs(network),
            training={
                "config": state["config"],
                "steps": state["step"],
                "minutes": round(state["seconds"] / 60, 1),
            },
            attribution=attribution,
            **described.card_fields(),
        )
        (folder / CARD).write_text(json.dumps(asdict(card), indent=2) + "\n", encoding="utf-8")
        difference = largest_difference(folder, network)
        if not difference <= TOLERANCE:
            raise ModelError(
                f"{checkpoint}: masks by ONNX and by PyTorch differ by {difference:.2g}; expected "
                f"at most {TOLERANCE}; nothing was exported"
            )
        _install(folder, out)
    return read_card(out)


def _write_attribution(folder: Path, manifest: Path) -> str:
    """Write a line per photo under ``open/``; return a summary of sources and licences."""
    columns = ("source", "origin", "path", "licence")
    try:
        with manifest.open(newline="", encoding="utf-8") as stream:
            rows = [row for row in csv.DictReader(stream) if row["file"].startswith("open/")]
    except (OSError, KeyError) as error:
        raise ConfigError(f"{manifest}: is not a manifest of photos ({error})") from error
    with (folder / ATTRIBUTION).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows([row[column] for column in columns] for row in rows)
    counts = Counter((row["source"], row["origin"], row["licence"]) for row in rows)
    listed = "; ".join(
        f"{count} from {source} ({origin}): {licence}"
        for (source, origin, licence), count in sorted(counts.items())
    )
    return f"{len(rows)} photos, one by one in {ATTRIBUTION}: {listed}."


def _mean_weights(paths: Sequence[Path], states: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
    """Mean of the averaged weights of several checkpoints."""
    weights = [state["average"] for state in states]
    first = weights[0]
    for path, other in zip(paths, weights, strict=True):
        if {k: v.shape for k, v in other.items()} != {k: v.shape for k, v in first.items()}:
            raise ModelError(
                f"{path}: holds another network than {paths[0]}; expected checkpoints of one"
            )
    return {
        name: torch.stack([other[name].float() for other in weights]).mean(0).to(value.dtype)
        for name, value in first.items()
    }


def _install(folder: Path, out: Path) -> None:
    """Copy a finished model to its folder, the card last."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.iterdir(), key=lambda p: p.name == CARD):
            partial = out / f"{path.name}.partial"
            partial.write_bytes(path.read_bytes())
            partial.replace(out / path.name)
    except OSError as error:
        raise WriteError(f"{out}: cannot be written ({error.strerror})") from error
