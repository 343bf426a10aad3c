"""Entry point of the terminal: the commands of `drpl` and its exit codes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from drpl.cli.about import doctor, methods
from drpl.cli.align import align
from drpl.cli.batch import batch
from drpl.cli.bench import quality, report
from drpl.cli.demo import demo
from drpl.cli.evaluate import evaluate
from drpl.cli.fuse import fuse
from drpl.cli.interrupts import Interrupts
from drpl.cli.serve import serve
from drpl.cli.terminal import console
from drpl.cli.train import export, synth, train
from drpl.errors import DrplError
from drpl.version import __version__

EXIT_CODES = (
    "Exit codes: 0 success; 1 unexpected failure; 2 wrong usage; 3 a file cannot be read; 4 the "
    "images do not form a stack; 5 alignment failed; 6 a method is unknown or a model damaged; 7 "
    "an optional library is missing; 8 a file cannot be written; 9 an option has a wrong value; "
    "10 some stacks of a batch failed; 11 the images cannot be compared; 130 interrupted."
)
SUMMARY = "Fuse photos with different focus into one that is sharp everywhere."
app = typer.Typer(
    help=SUMMARY,
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
bench = typer.Typer(help="Score methods and write reports.", no_args_is_help=True)


def main(interrupts: Interrupts | None = None) -> None:
    """Run a command; turn an error into one line on stderr and a documented exit code."""
    try:
        app()
    except DrplError as error:
        if interrupts is not None and interrupts.happened:  # an import may turn Ctrl-C into this
            raise
        sys.stderr.write(f"drpl: error: {error}\n")
        sys.exit(error.exit_code)


def _print_version(wanted: bool) -> None:
    """Print the version and exit if it is wanted."""
    if wanted:
        console.print(f"drpl {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Accept the options that come before a command."""


for command in (fuse, align, batch):
    app.command(epilog=EXIT_CODES)(command)
for command in (doctor, demo, methods, evaluate):
    app.command()(command)
for command in (quality, report):
    bench.command()(command)
app.add_typer(bench, name="bench")
for command in (synth, train, export, serve):
    app.command()(command)
