"""Marked sections of documents, which benchmarks replace by their results.

A section stands between the lines ``<!-- begin NAME -->`` and ``<!-- end NAME -->``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from drpl.io.write import write_text

Docs = Annotated[
    Path | None,
    typer.Option(help="Markdown document whose marked section is replaced by the result."),
]
"""Option of every benchmark whose result stands in the documentation."""


def write_sections(document: Path, sections: Mapping[str, str]) -> None:
    """Replace those sections of a document that it has markers for.

    Parameters
    ----------
    document : Path
        Markdown file.
    sections : mapping
        New Markdown text of each section, by name.

    Raises
    ------
    typer.BadParameter
        If the document has markers for none of the sections.
    """
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
