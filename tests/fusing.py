"""Fusion of files with the outputs as keyword arguments."""

from pathlib import Path

from drpl.files.fuse import fuse_files
from drpl.files.outputs import Outputs, cut_slabs


def fuse_to(
    paths,
    output,
    options=None,
    *,
    slab=None,
    overlap=0,
    transforms=None,
    edits=None,
    progress=None,
    **fields,
):
    """Fuse files; ``fields`` are those of `Outputs`, where paths may be strings."""
    for name in ("maps", "report", "sheet"):
        if fields.get(name) is not None:
            fields[name] = Path(fields[name])
    outputs = Outputs(Path(output), slabs=cut_slabs(slab, overlap), **fields)
    return fuse_files(
        paths, outputs, options, transforms=transforms, edits=edits, progress=progress
    )
