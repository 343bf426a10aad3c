"""Terminal commands for training: ``synth``, ``train``, ``export``. Need the extra ``train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drpl.cli.flags import Overwrite
from drpl.cli.terminal import console, load_extra, log_to_terminal, say

Photos = Annotated[Path, typer.Option(help="Folder of all-in-focus photos.")]
Masks = Annotated[
    Path | None, typer.Option(help="Folder of mask files, used as shapes of foreground objects.")
]


def synth(
    photos: Photos,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the scenes.")],
    config: Annotated[
        Path | None, typer.Option(help="Training configuration or recipe (TOML) of the scenes.")
    ] = None,
    scenes: Annotated[int, typer.Option(min=1, help="Number of scenes.")] = 16,
    size: Annotated[int, typer.Option(min=64, help="Side of a scene in pixels.")] = 384,
    frames: Annotated[int, typer.Option(min=2, help="Frames per scene.")] = 2,
    masks: Masks = None,
    seed: Annotated[int, typer.Option(help="Seed of the scenes.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Render training scenes to image files, with a contact sheet."""
    write_scenes = load_extra("drpl.train.gallery", "train").write_scenes
    sheet = write_scenes(
        photos,
        output,
        config=config,
        scenes=scenes,
        size=size,
        frames=frames,
        masks=masks,
        seed=seed,
        overwrite=overwrite,
    )
    say(f"{scenes} scenes; contact sheet: {sheet}")


def train(
    photos: Photos,
    config: Annotated[Path, typer.Option(help="Configuration or recipe of a model (TOML).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run.")],
    minutes: Annotated[
        float | None, typer.Option(help="Length in minutes, instead of the configured steps.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in the folder.")
    ] = False,
    initial: Annotated[
        Path | None,
        typer.Option(help="Checkpoint or weights.safetensors that the run starts from."),
    ] = None,
    masks: Masks = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that render scenes.")] = 1,
    devices: Annotated[str, typer.Option(help="Number of devices, or auto.")] = "auto",
) -> None:
    """Train a network on scenes rendered from photos; after Ctrl-C, --resume continues."""
    module = load_extra("drpl.train.module", "train")
    settings = load_extra("drpl.train.config", "train")
    log_to_terminal()
    scores = module.train(
        photos,
        settings.read_config(config),
        output,
        minutes=minutes,
        resume=resume,
        initial=initial,
        masks=masks,
        workers=workers,
        devices=int(devices) if devices.isdigit() else devices,
    )
    console.print({name: round(value, 3) for name, value in scores.items()})


def export(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(
            help="Checkpoints of `drpl train`; several are averaged.", metavar="CHECKPOINT"
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the model.")],
    recipe: Annotated[
        Path, typer.Option(help="Recipe of the model (TOML): title, licence, phases of training.")
    ],
    manifest: Annotated[
        Path | None, typer.Option(help="manifest.csv of the photos, for their attribution.")
    ] = None,
) -> None:
    """Export a checkpoint as ONNX, safetensors and model card, if ONNX agrees with PyTorch."""
    log_to_terminal()
    export_model = load_extra("drpl.train.export", "train").export_model
    card = export_model(checkpoints, output, recipe=recipe, manifest=manifest)
    say(f"{output}: {card.id}, {card.parameters:,} parameters")
