"""The commands of the terminal that train: they need the extra ``train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from drpl.cli.flags import Overwrite
from drpl.cli.terminal import console, load_extra, log_to_terminal, say

Photos = Annotated[Path, typer.Option(help="Folder of photos that are sharp everywhere.")]


def synth(
    photos: Photos,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for scenes.")],
    config: Annotated[
        Path | None, typer.Option(help="Training configuration (TOML) to take scenes from.")
    ] = None,
    scenes: Annotated[int, typer.Option(min=1, help="How many scenes.")] = 16,
    size: Annotated[int, typer.Option(min=64, help="Side of a scene in pixels.")] = 384,
    frames: Annotated[int, typer.Option(min=2, help="Frames of a stack.")] = 2,
    masks: Annotated[
        Path | None, typer.Option(help="Folder of mask files to use as silhouettes.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same scenes.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Render training scenes for people to look at, with a contact sheet."""
    write_scenes = _training("drpl.train.gallery").write_scenes
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
    say(f"{scenes} scenes; look at {sheet}")


def train(
    photos: Photos,
    config: Annotated[Path, typer.Option(help="Configuration (TOML).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run.")],
    minutes: Annotated[
        float | None, typer.Option(help="Length in minutes instead of the configured steps.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in the folder.")
    ] = False,
    initial: Annotated[
        Path | None,
        typer.Option(help="Checkpoint or weights.safetensors that the run starts from."),
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Folder of mask files to use as silhouettes.")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that render scenes.")] = 1,
    devices: Annotated[str, typer.Option(help="Number of devices, or auto.")] = "auto",
) -> None:
    """Train a network on scenes rendered from photos; Ctrl-C leaves a checkpoint to resume."""
    module, settings = _training("drpl.train.module"), _training("drpl.train.config")
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
            help="Checkpoint of `drpl train`; several are averaged.", metavar="CHECKPOINT..."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the model.")],
    about: Annotated[Path, typer.Option(help="What the model card says (TOML).")],
    manifest: Annotated[
        Path | None, typer.Option(help="manifest.csv of the photos, for their attribution.")
    ] = None,
) -> None:
    """Export a checkpoint as ONNX, safetensors and model card, if ONNX agrees with PyTorch."""
    log_to_terminal()
    export_model = _training("drpl.train.export").export_model
    card = export_model(checkpoints, output, about=about, manifest=manifest)
    say(f"{output}: {card.id}, {card.parameters:,} parameters")


def _training(name: str) -> Any:
    """A module of the extra ``train``."""
    return load_extra(name, "train")
