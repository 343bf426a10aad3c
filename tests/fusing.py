"""Fusion of files with outputs as keywords."""

from pathlib import Path

from drpl.files.fuse import fuse_files
from drpl.files.outputs import Outputs, cut_slabs

FOLDERS = ("maps", "report", "sheet")


def fuse_to(
    paths, output, options=None, *, slab=None, overlap=0, transforms=None, edits=None, **about
):
    """Fuse files; ``about`` holds fields of `Outputs`, and perhaps ``progress``."""
    progress = about.pop("progress", None)
    placed = {
        name: Path(value) if name in FOLDERS and value is not None else value
        for name, value in about.items()
    }
    outputs = Outputs(Path(output), slabs=cut_slabs(slab, overlap), **placed)
    return fuse_files(
        paths, outputs, options, transforms=transforms, edits=edits, progress=progress
    )
