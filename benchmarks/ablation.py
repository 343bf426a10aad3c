"""What each part of the recipe brings: ``python -m benchmarks.ablation --photos DIR``.

Every variant is trained alike but for what its name says: same seed, same steps, same scenes. All
are scored on clean pairs rendered from photos that training keeps out. Runs of the full recipe that
differ in their seed tell how large a difference has to be to mean something.

A variant that is finished is not trained again; one that was stopped goes on from its checkpoint.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import torch
import typer

from drpl.bench.moved import table
from drpl.bench.provenance import provenance
from drpl.bench.rendered import bench_scenes
from drpl.bench.scenes import SEED, BenchScene, Bytes
from drpl.bench.scoring import Row, score
from drpl.bench.summary import Values, bootstrap, mean
from drpl.bench.tables import interval
from drpl.compose.blend import compose, compose_select
from drpl.core.masks import PairDecision
from drpl.core.options import COMPOSE_MODES
from drpl.errors import ConfigError
from drpl.io.write import make_folder, write_text
from drpl.train.config import TrainOptions, config_from_dict, read_config
from drpl.train.export import canvas_masks, count_macs
from drpl.train.module import CHECKPOINT, train
from drpl.train.networks import NETWORKS, DRPLFast
from drpl.train.paper import DRPL
from drpl.train.run import read_checkpoint

FULL = "full"
NO_FUSED_LOSSES = dict.fromkeys(
    ("gradient", "laplacian", "ssim", "fused_charbonnier", "fused_log_error"), 0.0
)
PAPER_LOSSES = NO_FUSED_LOSSES | {
    "mask_cross_entropy": 0.0,
    "coarse_cross_entropy": 0.0,
    "mask_l1": 0.8,
    "pair_complement": 0.0,
    "gradient": 0.1,
    "ssim": 0.1,
}
"""As the paper's released trainer adds them up: the pair complement is left out there."""
VARIANTS: dict[str, dict[str, Any]] = {
    FULL: {},
    "full, seed 1": {"seed": 1},
    "full, seed 2": {"seed": 2},
    "single input": {"network": "drpl-fast-single"},
    "no pair complement": {"losses": {"pair_complement": 0.0}},
    "pair complement 1": {"losses": {"pair_complement": 1.0}},
    "no gradient loss": {"losses": {"gradient": 0.0}},
    "no SSIM loss": {"losses": {"ssim": 0.0}},
    "SSIM loss 1": {"losses": {"ssim": 1.0}},
    "losses on masks only": {"losses": NO_FUSED_LOSSES},
    "target: depth": {"target": "mask"},
    "losses on masks only, target: depth": {"losses": NO_FUSED_LOSSES, "target": "mask"},
    "scenes: the paper's": {"scenes": {"recipe": "paper"}},
    "losses: the paper's": {"losses": PAPER_LOSSES},
    "losses, target and scenes: the paper's": {
        "losses": PAPER_LOSSES,
        "target": "mask",
        "mask_weighting": False,
        "scenes": {"recipe": "paper"},
    },
}
"""What each variant changes in the configuration of the full recipe, by its name."""
HARD = "hard"
MODES = (*COMPOSE_MODES, HARD)
SHOWN_MODE = "select"
"""Way to compose that variants are compared in: the default."""
COLUMNS = {"psnr": 2, "psnr_band": 2, "ssim": 4}
"""Decimals of the scores that are compared, by name."""
HEADS = ("PSNR", "difference", "in the band", "difference", "SSIM", "difference")


def variant_options(base: TrainOptions, changes: Mapping[str, Any]) -> TrainOptions:
    """The configuration of a variant.

    Parameters
    ----------
    base : TrainOptions
        Of the full recipe.
    changes : mapping
        Nested as in TOML; what it does not name stays.

    Raises
    ------
    ConfigError
        If a key is unknown or a value wrong.
    """
    table = base.to_dict()
    for name, value in changes.items():
        table[name] = table.get(name, {}) | value if isinstance(value, Mapping) else value
    return config_from_dict(table)


def folder_name(variant: str) -> str:
    """A variant's name in small letters and digits, joined by dashes."""
    return re.sub(r"[^a-z0-9]+", "-", variant.lower()).strip("-")


def trained(photos: Path, options: TrainOptions, folder: Path, *, workers: int) -> dict[str, Any]:
    """The last checkpoint of a variant, trained as far as it was not.

    Raises
    ------
    ConfigError, ReadError, ModelError
        As of `drpl.train.module.train`.
    """
    path = folder / CHECKPOINT
    train(photos, options, folder, resume=path.exists(), workers=workers)
    return read_checkpoint(path)


def averaged_network(state: Mapping[str, Any]) -> DRPL | DRPLFast:
    """The network of a checkpoint with its averaged weights, to be evaluated on the CPU."""
    network = NETWORKS[config_from_dict(state["config"]).network]()
    network.load_state_dict(state["average"])
    return network.eval()


def decide(network: DRPL | DRPLFast, frames: Sequence[Bytes]) -> PairDecision:
    """Masks of a pair of 8-bit pictures (H, W, 3), at full precision."""
    mask_a, mask_b = canvas_masks(network, np.stack(frames).astype(np.float32) / np.float32(255))
    return PairDecision(mask_a, mask_b)


def composed(frames: Sequence[Bytes], masks: PairDecision, mode: str) -> Bytes:
    """A pair fused by its masks; ``"hard"`` takes each pixel from one source, without a blend."""
    if mode == HARD:
        fused = compose_select(frames[0], frames[1], masks, band=0)
    else:
        fused = compose(frames[0], frames[1], masks, mode=mode, white=255.0)
    return fused.astype(np.uint8)


def score_variant(name: str, network: DRPL | DRPLFast, scenes: Sequence[BenchScene]) -> list[Row]:
    """Scores of a variant on every scene, in every way to compose.

    ``apart`` is the mean of ``|M_A + M_B - 1|``: how far the masks are from being complements.
    """
    rows: list[Row] = []
    for number, scene in enumerate(scenes):
        masks = decide(network, scene.frames)
        apart = float(np.abs(masks.mask_a + masks.mask_b - 1).mean())
        for mode in MODES:
            scores = score(composed(scene.frames, masks, mode), scene)
            named: Row = {"scene": number, "kind": scene.kind, "variant": name, "compose": mode}
            rows.append(named | {key: scores[key] for key in COLUMNS} | {"apart": apart})
    return rows


def column(rows: Sequence[Row], variant: str, name: str, mode: str = SHOWN_MODE) -> Values:
    """A score of every scene, in order."""
    return np.array(
        [row[name] for row in rows if (row["variant"], row["compose"]) == (variant, mode)],
        np.float64,
    )


def compared(values: Values, reference: Values, decimals: int) -> list[str]:
    """Cells: a mean, and its paired difference to the reference with a 95 % interval.

    Scenes that lack a region are NaN in both and count in neither.
    """
    differences = (values - reference)[:, None]
    middle, apart = mean(np.stack([values, differences[:, 0]], axis=1))
    shown = f"{middle:.{decimals}f}"
    if not np.nan_to_num(differences).any():
        return [shown, ""]
    low, high = (float(bound[0]) for bound in bootstrap(differences))
    return [shown, interval(apart, low, high, decimals, sign="+")]


def variants_table(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Markdown: scores of every variant, and its differences to the full recipe."""
    cells = [
        [name, *_differences(rows, (name, SHOWN_MODE)), f"{column(rows, name, 'apart').mean():.4f}"]
        for name in names
    ]
    return table(["variant", *HEADS, "masks apart"], cells)


def blending_table(rows: Sequence[Row]) -> str:
    """Markdown: the full recipe's decisions composed in every way."""
    cells = [[mode, *_differences(rows, (FULL, mode))] for mode in MODES]
    return table(["composed", *HEADS], cells)


def _differences(rows: Sequence[Row], which: tuple[str, str]) -> list[str]:
    """Cells: scores of a variant and way to compose, each beside its difference."""
    cells = []
    for name, decimals in COLUMNS.items():
        cells += compared(
            column(rows, which[0], name, which[1]), column(rows, FULL, name), decimals
        )
    return cells


def described(state: Mapping[str, Any], network: DRPL | DRPLFast) -> dict[str, Any]:
    """What a trained variant is and took."""
    return {
        "config": state["config"],
        "steps": state["step"],
        "minutes": round(state["seconds"] / 60, 1),
        "parameters": sum(p.numel() for p in network.parameters()),
        "macs_per_pixel": count_macs(network),
    }


def sizes(about: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown: size and cost of every network that was trained."""
    networks = {variant["config"]["network"]: variant for variant in about.values()}
    return "\n".join(
        f"- {name}: {variant['parameters']:,} parameters, "
        f"{variant['macs_per_pixel']:,} multiply-accumulates per pixel of a pair"
        for name, variant in networks.items()
    )


def as_csv(rows: Sequence[Row]) -> str:
    """Rows as CSV, with their names."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def main(
    photos: Annotated[Path, typer.Option(help="Folder of all-in-focus photos.")],
    config: Annotated[Path, typer.Option(help="Configuration of the full recipe (TOML).")] = Path(
        "configs/ablation.toml"
    ),
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for runs and results.")
    ] = Path("bench-results/ablation"),
    variants: Annotated[
        list[str] | None, typer.Option(help="Variants besides the full recipe; all by default.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Of training, instead of the configured ones.")
    ] = None,
    scenes: Annotated[int, typer.Option(min=1, help="How many pairs are scored.")] = 60,
    size: Annotated[int, typer.Option(min=64, help="Side of a scored pair in pixels.")] = 256,
    workers: Annotated[int, typer.Option(min=0, help="Processes that render scenes.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of training.")] = 1,
) -> None:
    """Train every variant alike, and score them on rendered pairs with known truth."""
    unknown = sorted(set(variants or ()) - set(VARIANTS))
    if unknown:
        raise typer.BadParameter(f"unknown: {', '.join(unknown)}; known: {', '.join(VARIANTS)}")
    names = [name for name in VARIANTS if variants is None or name in (FULL, *variants)]
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    base = read_config(config)
    base = base if steps is None else replace(base, steps=steps)
    kept_out = TrainOptions().validation_share
    if base.validation_share < kept_out:
        raise ConfigError(
            f"{config}: validation_share is {base.validation_share}; expected at least {kept_out}, "
            "the share of photos that scored pairs are rendered from"
        )
    make_folder(output)
    pairs = list(bench_scenes(photos, scenes, size=size, degradation=None))
    rows: list[Row] = []
    of_variants: dict[str, dict[str, Any]] = {}
    for name in names:
        options = variant_options(base, VARIANTS[name])
        typer.echo(f"{name}: {options.steps} steps")
        state = trained(photos, options, output / "runs" / folder_name(name), workers=workers)
        network = averaged_network(state)
        rows += score_variant(name, network, pairs)
        of_variants[name] = described(state, network)
    heads = ["Differences to the full recipe, with 95 % intervals (paired bootstrap over scenes)."]
    heads += [variants_table(rows, names), sizes(of_variants)]
    heads += ["The full recipe's decisions, composed in every way:", blending_table(rows)]
    text = "\n\n".join(heads) + "\n"
    about = provenance([]) | {"scenes": scenes, "size": size, "seed": SEED, "variants": of_variants}
    about |= {"cores": os.cpu_count(), "load": os.getloadavg()}
    write_text(output / "scores.csv", as_csv(rows), overwrite=True)
    write_text(output / "table.md", text, overwrite=True)
    write_text(output / "about.json", json.dumps(about, indent=2) + "\n", overwrite=True)
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
