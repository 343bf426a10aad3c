"""Flags that commands share, and flags derived from `FusionOptions`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import typer

from drpl.core.options import PRESETS, ComposeMode, FusionOptions, resolve_options


def complete_model(incomplete: str) -> list[str]:
    """Ids of models, for the shell; it adds folders itself where none fits."""
    from drpl.classical.table import available_baselines
    from drpl.models.cards import available_models

    names = (*available_models(), *available_baselines())
    return [name for name in names if name.startswith(incomplete)]


Sources = Annotated[
    list[Path],
    typer.Argument(
        help="Pictures of one scene, each focused elsewhere: files, folders or patterns.",
        metavar="FRAME",
    ),
]
MaxPixels = Annotated[
    int, typer.Option(help="Refuse files with more pixels, before they are decoded.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say what is planned and done.")]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="Id of a model (see `drpl models`) or its folder.",
        autocompletion=complete_model,
    ),
]
Compose = Annotated[
    ComposeMode,
    typer.Option(
        help="How the pictures are joined: select takes pixels and blends along seams only; "
        "pyramid blends scale by scale."
    ),
]
Threads = Annotated[int, typer.Option(help="Threads of the network; 0 takes all cores.")]
PANEL = "How to fuse"
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
PRESET_HELP = "Options for a kind of work; what is given besides it counts more."
CONFIG_HELP = "TOML file with options; counts more than a preset, less than what is given here."


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, in place of its parameter ``options``, one flag for each fusion option.

    A flag that is not given leaves its option to ``--config``, ``--preset`` or the default.
    """

    @functools.wraps(command)
    def run(**arguments: Any) -> None:
        given = {entry.name: arguments.pop(entry.name) for entry in fields(FusionOptions)}
        preset, config = arguments.pop("preset"), arguments.pop("config")
        command(**arguments, options=resolve_options(given, preset=preset, config=config))

    hints = get_type_hints(command, include_extras=True)
    own = [
        parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(command).parameters.items()
        if name != "options"
    ]
    added = [
        _parameter("preset", Annotated[_one_of(tuple(PRESETS)), typer.Option(help=PRESET_HELP)]),
        _parameter("config", Annotated[Path | None, typer.Option(help=CONFIG_HELP)]),
        *(_flag(entry) for entry in fields(FusionOptions)),
    ]
    run.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in (*own, *added)} | {"return": None}
    return run


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    """A keyword parameter that defaults to None: not given."""
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=None, annotation=annotation)


def _one_of(choices: tuple[str, ...]) -> Any:
    """The type of a word from a list, or None."""
    return Literal[choices] | None


def _flag(entry: Field[Any]) -> inspect.Parameter:
    """The flag of a field of `FusionOptions`."""
    choices, words = entry.metadata["choices"], entry.metadata["help"]
    if entry.default is not None:
        words = f"{words} \\[default: {_shown(entry.default)}]"
    if choices and isinstance(choices[0], str):
        option = typer.Option(help=words, rich_help_panel=PANEL)
        return _parameter(entry.name, Annotated[_one_of(choices), option])
    hint = get_type_hints(FusionOptions)[entry.name]
    kind = next(part for part in (get_args(hint) or (hint,)) if part is not type(None))
    flag = (f"--{_dashed(entry.name)}/--no-{_dashed(entry.name)}",) if kind is bool else ()
    known = complete_model if entry.name == "model" else None
    option = typer.Option(*flag, help=words, rich_help_panel=PANEL, autocompletion=known)
    return _parameter(entry.name, Annotated[kind | None, option])


def _dashed(name: str) -> str:
    """A field's name as a flag's."""
    return name.replace("_", "-")


def _shown(value: object) -> str:
    """A default as it would be given."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
