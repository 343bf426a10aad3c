"""Files of results, and marked sections of documents, which benchmarks replace by them.

A section stands between the lines ``<!-- begin NAME -->`` and ``<!-- end NAME -->``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from drpl.io.write import make_folder, write_text

Docs = Annotated[
    Path | None,
    typer.Option(help="Markdown document whose marked section is replaced by the result."),
]
"""Option of every benchmark whose result stands in the documentation."""


def publish(text: str, output: Path, about: Mapping[str, object]) -> None:
    """Print tables, and write them and their circumstances into a folder, created if missing."""
    make_folder(output)
    write_text(output / "table.md", text, overwrite=True)
    write_text(output / "about.json", json.dumps(about, indent=2) + "\n", overwrite=True)
    typer.echo(text)


def write_sections(document: Path | None, sections: Mapping[str, str]) -> None:
    """Replace those sections of a document, if one is given, that it has markers for.

    ``sections`` are Markdown by name; raise BadParameter if the document has markers for none.
    """
    if document is None:
        return
    text = document.read_text(encoding="utf-8")
    found = False
    for name, section in sections.items():
        head, begin, rest = text.partition(f"<!-- begin {name} -->\n")
        _, end, tail = rest.partition(f"<!-- end {name} -->\n")
        if end:
            text, found = f"{head}{begin}\n{section.strip()}\n\n{end}{tail}", True
    if not found:
        raise typer.BadParameter(
            f"{document}: has no section for {', '.join(sections)}; mark one by the lines "
            f"'<!-- begin {next(iter(sections))} -->' and '<!-- end {next(iter(sections))} -->'"
        )
    write_text(document, text, overwrite=True)
