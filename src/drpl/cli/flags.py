"""Flags that commands share, and flags derived from the fields of a dataclass."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from drpl.core.options import PRESETS, FusionOptions, resolve_options

Command = Callable[..., None]
Sources = Annotated[
    list[Path],
    typer.Argument(
        help="Source images of one scene, each with a different focus: files, folders or patterns.",
        metavar="FRAME",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log the plan and each step.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
PANEL = "Fusion"
PRESET_HELP = "Options for one kind of work; explicit options override it."
CONFIG_HELP = "TOML file of options; overrides the preset, and explicit options override it."


def with_options(command: Command) -> Command:
    """Replace the parameter ``options`` of a command by one flag per fusion option.

    A flag that is not given leaves its option to ``--config``, ``--preset`` or the default.
    """
    presets: Any = Literal[tuple(PRESETS)]
    added = [
        _parameter("preset", Annotated[presets | None, typer.Option(help=PRESET_HELP)]),
        _parameter("config", Annotated[Path | None, typer.Option(help=CONFIG_HELP)]),
        *flags_of(FusionOptions, panel=PANEL),
    ]

    def resolve(given: dict[str, Any]) -> FusionOptions:
        preset, config = given.pop("preset"), given.pop("config")
        return resolve_options(given, preset=preset, config=config)

    return _replacing("options", added, resolve)(command)


def with_fields(
    kind: type, name: str, *, only: Sequence[str] = (), skip: Sequence[str] = ()
) -> Callable[[Command], Command]:
    """Replace the parameter ``name`` of a command by one flag per field of a dataclass.

    The command receives the dataclass as a `functools.partial` that holds the given values. The
    fields carry `drpl.core.options.described` metadata; ``only`` (all if empty) and ``skip`` select
    them.
    """
    added = flags_of(kind, only=only, skip=skip)

    def bind(given: Mapping[str, Any]) -> functools.partial[Any]:
        values = {key: value for key, value in given.items() if value is not None}
        return functools.partial(
            kind, **{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        )

    return _replacing(name, added, bind)


def _replacing(
    name: str, added: list[inspect.Parameter], build: Callable[[dict[str, Any]], object]
) -> Callable[[Command], Command]:
    """Return a decorator that replaces a parameter by others and builds its value from theirs."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def run(**arguments: Any) -> None:
            given = {parameter.name: arguments.pop(parameter.name) for parameter in added}
            command(**arguments, **{name: build(given)})

        hints = get_type_hints(command, include_extras=True)
        own = [
            parameter.replace(annotation=hints[parameter.name])
            for parameter in inspect.signature(command).parameters.values()
            if parameter.name != name
        ]
        run.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in (*own, *added)} | {"return": None}
        return run

    return decorate


def help_of(kind: type, name: str) -> str:
    """Return the help text of a field, for a flag that cannot be derived."""
    return str(next(entry for entry in fields(kind) if entry.name == name).metadata["help"])


def flags_of(
    kind: type, *, only: Sequence[str] = (), skip: Sequence[str] = (), panel: str | None = None
) -> list[inspect.Parameter]:
    """Derive a flag from each field of a dataclass; see `with_fields`."""
    hints = get_type_hints(kind)
    return [
        _flag(entry, hints[entry.name], panel)
        for entry in fields(kind)
        if entry.name not in skip and (not only or entry.name in only)
    ]


def _flag(entry: Field[Any], hint: Any, panel: str | None) -> inspect.Parameter:
    """Derive the flag of a field: name, help, choices and type."""
    words, choices, short = (entry.metadata[key] for key in ("help", "choices", "short"))
    default = None if entry.default is MISSING else entry.default
    if default not in (None, "", ()):
        words = f"{words} \\[default: {_shown(default)}]"
    long = f"--{entry.metadata['flag'] or entry.name.replace('_', '-')}"
    if hint is bool and not entry.metadata["flag"]:
        long = f"{long}/--no-{long.removeprefix('--')}"
    kind = next(part for part in (_parts(hint) or (hint,)) if part is not type(None))
    metavar = None
    if get_origin(hint) is tuple:  # Typer takes no list of literals; the dataclass checks them
        kind, metavar = list[str], "|".join(choices) or None
    elif choices and isinstance(choices[0], str):
        kind = Literal[tuple(choices)]
    option = typer.Option(
        long,
        *filter(None, [short]),
        help=words,
        metavar=metavar,
        rich_help_panel=panel,
        autocompletion=complete_method if entry.name in ("method", "models") else None,
    )
    return _parameter(entry.name, Annotated[kind | None, option])


def _parts(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union; an empty tuple for other types."""
    return () if get_origin(hint) in (tuple, Literal) else get_args(hint)


def _parameter(name: str, annotation: Any) -> inspect.Parameter:
    """Return a keyword parameter that is None if not given."""
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=None, annotation=annotation)


def complete_method(incomplete: str) -> list[str]:
    """Complete the ids of fusion methods; the shell itself completes folders."""
    from drpl.models.methods import available_methods

    return [name for name in available_methods() if name.startswith(incomplete)]


def _shown(value: object) -> str:
    """Return a default value as a user would type it."""
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
