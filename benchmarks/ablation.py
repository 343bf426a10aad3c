"""Ablation of the training recipe: ``python -m benchmarks.ablation --photos DIR``.

Every variant differs from the full recipe only as its name states: seed, steps and scenes are the
same. All are scored on clean pairs rendered from photos that training keeps out. Runs of the full
recipe with other seeds show which differences are significant.

A finished variant is not trained again; an interrupted one resumes from its checkpoint.
"""

from __future__ import annotations

import csv
import io
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

from benchmarks.docs import Docs, publish, write_sections
from drpl.bench.provenance import provenance
from drpl.bench.rendered import bench_scenes
from drpl.bench.scenes import BenchScene, Bytes
from drpl.bench.scoring import Row, score
from drpl.bench.settings import SEED
from drpl.bench.summary import Values, bootstrap, mean
from drpl.bench.tables import interval, markdown_table
from drpl.compose.blend import compose_pyramid
from drpl.compose.fold import NewFrame, merge_frame, start_composite
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

CONFIG = Path(__file__).with_name("ablation.toml")
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
"""Losses as summed by the paper's released trainer, which leaves out the pair complement."""
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
"""Changes of each variant to the configuration of the full recipe, by its name."""
HARD = "hard"
MODES = (*COMPOSE_MODES, HARD)
"""Compose modes; ``"hard"`` takes each pixel from one source image."""
SHOWN_MODE = "select"
"""Compose mode in which variants are compared: the default."""
COLUMNS = {"psnr": 2, "psnr_band": 2, "ssim": 4}
"""Decimals of the scores in tables, by name."""
HEADS = ("PSNR", "difference", "in the band", "difference", "SSIM", "difference")


def variant_options(base: TrainOptions, changes: Mapping[str, Any]) -> TrainOptions:
    """Change the configuration of the full recipe to a variant's.

    ``changes`` are nested as in TOML. Raise ConfigError if a key is unknown or a value is invalid.
    """
    table = base.to_dict()
    for name, value in changes.items():
        table[name] = table.get(name, {}) | value if isinstance(value, Mapping) else value
    return config_from_dict(table)


def folder_name(variant: str) -> str:
    """Convert the name of a variant to lower-case letters and digits, joined by dashes."""
    return re.sub(r"[^a-z0-9]+", "-", variant.lower()).strip("-")


def trained(photos: Path, options: TrainOptions, folder: Path, *, workers: int) -> dict[str, Any]:
    """Train a variant, or resume its run, and return its last checkpoint.

    Raise what `drpl.train.module.train` raises.
    """
    path = folder / CHECKPOINT
    train(photos, options, folder, resume=path.exists(), workers=workers)
    return read_checkpoint(path)


def averaged_network(state: Mapping[str, Any]) -> DRPL | DRPLFast:
    """Build the network of a checkpoint with its averaged weights, in evaluation mode."""
    network = NETWORKS[config_from_dict(state["config"]).network]()
    network.load_state_dict(state["average"])
    return network.eval()


def decide(network: DRPL | DRPLFast, frames: Sequence[Bytes]) -> PairDecision:
    """Decide a pair of 8-bit pictures (H, W, 3); return float32 masks."""
    mask_a, mask_b = canvas_masks(network, np.stack(frames).astype(np.float32) / np.float32(255))
    return PairDecision(mask_a, mask_b)


def composed(frames: Sequence[Bytes], masks: PairDecision, mode: str) -> Bytes:
    """Fuse a pair by its masks, in one of `MODES`."""
    source_a, source_b = frames
    if mode == "pyramid":
        return np.asarray(compose_pyramid(source_a, source_b, masks, white=255.0), np.uint8)
    composite = start_composite(source_a.copy(), 0, count=2)
    merge_frame(composite, NewFrame(source_b, source_b, 1), masks, mode="select", white=255.0)
    return np.asarray(composite.seen if mode == HARD else composite.fused, np.uint8)


def score_variant(name: str, network: DRPL | DRPLFast, scenes: Sequence[BenchScene]) -> list[Row]:
    """Score a variant on every scene, in every compose mode.

    ``apart`` is the mean of ``|M_A + M_B - 1|``, 0 for complementary masks.
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
    """Values of a score, one per scene, in order."""
    return np.array(
        [row[name] for row in rows if (row["variant"], row["compose"]) == (variant, mode)],
        np.float64,
    )


def compared(values: Values, reference: Values, decimals: int) -> list[str]:
    """Format a mean and its paired difference to the reference, with a 95 % interval.

    Scenes without the scored region are NaN in both and are left out.
    """
    differences = (values - reference)[:, None]
    middle, apart = mean(np.stack([values, differences[:, 0]], axis=1))
    shown = f"{middle:.{decimals}f}"
    if not np.nan_to_num(differences).any():
        return [shown, ""]
    low, high = (float(bound[0]) for bound in bootstrap(differences))
    return [shown, interval(apart, low, high, decimals, sign="+")]


def variants_table(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Format scores of all variants, with differences to the full recipe, as Markdown."""
    cells = [
        [name, *_differences(rows, (name, SHOWN_MODE)), f"{column(rows, name, 'apart').mean():.4f}"]
        for name in names
    ]
    return markdown_table(["variant", *HEADS, "masks apart"], cells)


def blending_table(rows: Sequence[Row]) -> str:
    """Format scores of the full recipe in all compose modes as Markdown."""
    cells = [[mode, *_differences(rows, (FULL, mode))] for mode in MODES]
    return markdown_table(["composed", *HEADS], cells)


def _differences(rows: Sequence[Row], which: tuple[str, str]) -> list[str]:
    """Cells of a variant and compose mode: each score, beside its difference."""
    cells = []
    for name, decimals in COLUMNS.items():
        cells += compared(
            column(rows, which[0], name, which[1]), column(rows, FULL, name), decimals
        )
    return cells


def described(state: Mapping[str, Any], network: DRPL | DRPLFast) -> dict[str, Any]:
    """Describe a trained variant: configuration, steps, minutes, size and cost."""
    return {
        "config": state["config"],
        "steps": state["step"],
        "minutes": round(state["seconds"] / 60, 1),
        "parameters": sum(p.numel() for p in network.parameters()),
        "macs_per_pixel": count_macs(network),
    }


def sizes(about: Mapping[str, Mapping[str, Any]]) -> str:
    """Format size and cost of all trained networks as Markdown."""
    networks = {variant["config"]["network"]: variant for variant in about.values()}
    return "\n".join(
        f"- {name}: {variant['parameters']:,} parameters, "
        f"{variant['macs_per_pixel']:,} multiply-accumulates per pixel of a pair"
        for name, variant in networks.items()
    )


def as_csv(rows: Sequence[Row]) -> str:
    """Format rows as CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def main(
    photos: Annotated[Path, typer.Option(help="Folder of all-in-focus photos.")],
    config: Annotated[Path, typer.Option(help="Configuration of the full recipe (TOML).")] = CONFIG,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for runs and results.")
    ] = Path("bench-results/ablation"),
    variants: Annotated[
        list[str] | None, typer.Option(help="Variants besides the full recipe; all by default.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps, instead of the configured ones.")
    ] = None,
    scenes: Annotated[int, typer.Option(min=1, help="Number of pairs that are scored.")] = 60,
    size: Annotated[int, typer.Option(min=64, help="Side of a scored pair in pixels.")] = 256,
    workers: Annotated[int, typer.Option(min=0, help="Processes that render scenes.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of training.")] = 1,
    docs: Docs = None,
) -> None:
    """Train all variants and score them on rendered pairs with known truth."""
    unknown = sorted(set(variants or ()) - set(VARIANTS))
    if unknown:
        raise typer.BadParameter(f"unknown: {', '.join(unknown)}; known: {', '.join(VARIANTS)}")
    names = [name for name in VARIANTS if variants is None or name in (FULL, *variants)]
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    base = read_config(config)
    base = base if steps is None else replace(base, steps=steps)
    scored_share = TrainOptions().validation_share
    if base.validation_share < scored_share:
        raise ConfigError(
            f"{config}: validation_share is {base.validation_share}; expected at least "
            f"{scored_share}, the share of photos that scored pairs are rendered from"
        )
    make_folder(output)
    pairs = list(bench_scenes(photos, scenes, size=size, degradation=None))
    rows: list[Row] = []
    descriptions: dict[str, dict[str, Any]] = {}
    for name in names:
        options = variant_options(base, VARIANTS[name])
        typer.echo(f"{name}: {options.steps} steps")
        state = trained(photos, options, output / "runs" / folder_name(name), workers=workers)
        network = averaged_network(state)
        rows += score_variant(name, network, pairs)
        descriptions[name] = described(state, network)
    sections = {
        "variants": variants_table(rows, names),
        "sizes": sizes(descriptions),
        "blending": blending_table(rows),
    }
    text = "\n\n".join(sections.values()) + "\n"
    about = provenance([]) | {"scenes": scenes, "size": size, "seed": SEED}
    about |= {"variants": descriptions}
    about |= {"cores": os.cpu_count(), "load": os.getloadavg()}
    write_text(output / "scores.csv", as_csv(rows), overwrite=True)
    publish(text, output, about)
    write_sections(docs, sections)


if __name__ == "__main__":
    typer.run(main)
