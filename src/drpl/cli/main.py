"""The terminal: the commands of `drpl`, each in a file of its own."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from drpl.cli.about import doctor, models
from drpl.cli.align import align
from drpl.cli.batch import batch
from drpl.cli.bench import quality, report
from drpl.cli.demo import demo
from drpl.cli.evaluate import evaluate
from drpl.cli.fuse import fuse
from drpl.cli.serve import serve
from drpl.cli.terminal import console
from drpl.cli.train import export, synth, train
from drpl.errors import DrplError
from drpl.version import __version__

EXIT_CODES = (
    "Exit codes: 0 done; 1 unexpected failure; 2 wrong usage; 3 a file cannot be read; 4 the "
    "images do not make a stack; 5 alignment failed; 6 a model is unknown or damaged; 7 an "
    "optional library is missing; 8 a file cannot be written; 9 a wrong option; 10 some stacks of "
    "a batch failed; 11 images cannot be compared; 130 interrupted."
)
app = typer.Typer(
    help="One picture that is sharp everywhere, from several focused elsewhere.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
bench = typer.Typer(help="Score methods, and report.", no_args_is_help=True)


def main() -> None:
    """Run the terminal; errors become one line on stderr and a documented exit code."""
    try:
        app()
    except DrplError as error:
        sys.stderr.write(f"drpl: error: {error}\n")
        sys.exit(error.exit_code)


def _version(asked: bool) -> None:
    """Print the version and stop."""
    if asked:
        console.print(f"drpl {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """One picture that is sharp everywhere, from several focused elsewhere."""


for command in (fuse, align, batch):
    app.command(epilog=EXIT_CODES)(command)
for command in (doctor, demo, models, evaluate):
    app.command()(command)
for command in (quality, report):
    bench.command()(command)
app.add_typer(bench, name="bench")
for command in (synth, train, export, serve):
    app.command()(command)
