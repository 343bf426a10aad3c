"""EXIF of TIFF files, where it is no block but directories of the file; libvips leaves them out."""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, NamedTuple

EXIF_POINTER, GPS_POINTER, INTEROP_POINTER = 34665, 34853, 40965
TAKEN, TAKEN_FRACTION = 36867, 37521
SOFTWARE, MAKER_NOTE, WIDTH, HEIGHT = 305, 37500, 40962, 40963
DESCRIPTIVE = frozenset(
    # description, make, model; software, date, artist, host; ratings; copyright; Windows's own
    [270, 271, 272, SOFTWARE, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096)]
)
"""Tags of a file's first directory that describe the picture and not how its pixels are stored."""
ASCII, LONG = 2, 4
KINDS = {1: 1, ASCII: 1, 3: 2, LONG: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
"""Bytes of a value by its kind; pointers and BigTIFF's own kinds are not carried."""
LONGEST = 60_000
"""Bytes that a block may have: JPEG holds 65,533 in a segment."""
MOST = 1000
"""Tags that a directory may have; with more, it is none."""


class Entry(NamedTuple):
    """One tag of a directory: its kind, the number of values, and their bytes.

    Or, in a directory that stays in its file, the value field as it stands, maybe an offset.
    """

    kind: int
    number: int
    value: bytes


Directory = dict[int, Entry]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a TIFF file counts: byte order, and 4 bytes an offset or (BigTIFF) 8."""

    order: str
    big: bool

    @property
    def offset(self) -> str:
        """`struct` format of an offset."""
        return self.order + ("Q" if self.big else "I")

    @property
    def tags(self) -> str:
        """`struct` format of the number of tags."""
        return self.order + ("Q" if self.big else "H")

    @property
    def entry(self) -> str:
        """`struct` format of tag, kind, count and value field."""
        return self.order + ("HHQ8s" if self.big else "HHI4s")


def read_tiff_exif(path: Path) -> bytes | None:
    """Read the EXIF of a TIFF file, or of a RAW file built like one, as a block.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bytes or None
        A block as other formats hold it, without orientation and thumbnail; None where there is
        nothing or it cannot be understood.
    """
    try:
        with path.open("rb") as stream:
            layout, directories = _read_directories(stream)
    except (OSError, ValueError, OverflowError, struct.error):
        return None
    if not any(directories):
        return None
    block = _pack_block(layout.order, *directories)
    if len(block) > LONGEST:
        directories[1].pop(MAKER_NOTE, None)
        block = _pack_block(layout.order, *directories)
    return block if len(block) <= LONGEST else None


def append_exif(path: Path, block: bytes | None, *, software: str, size: tuple[int, int]) -> None:
    """Append EXIF directories to a finished TIFF file.

    The first directory is written anew at the end, with the tags it has and the new ones; pixels
    stay where they are.

    Parameters
    ----------
    path : Path
    block : bytes or None
        EXIF as other formats hold it; one that cannot be understood is left out.
    software : str
        Name for the tag Software, in ASCII.
    size : tuple of two ints
        Width and height of the picture.

    Raises
    ------
    OSError
    """
    first, exif, gps = _read_block(block) if block else ({}, {}, {})
    with path.open("r+b") as stream:
        layout, start = _read_header(stream)
        source = _read_header(_open_block(block))[0] if first or exif or gps else layout
        first, exif, gps = (_turned(d, source, layout) for d in (first, exif, gps))
        name = software.encode("ascii") + b"\0"
        first[SOFTWARE] = Entry(ASCII, len(name), name)
        for tag, side in zip((WIDTH, HEIGHT), size, strict=True):
            if exif:
                exif[tag] = Entry(LONG, 1, struct.pack(layout.order + "I", side))
        for pointer, directory in ((EXIF_POINTER, exif), (GPS_POINTER, gps)):
            if directory:
                first[pointer] = _pointer(layout, _append(stream, layout, directory))
        kept = _read_directory(stream, layout, start, stored=True)
        offset = _append(stream, layout, {**first, **kept, SOFTWARE: first[SOFTWARE]})
        stream.seek(8 if layout.big else 4)
        stream.write(struct.pack(layout.offset, offset))


def capture_time(block: bytes | None) -> datetime | None:
    """When a picture was taken, by its camera's clock.

    Parameters
    ----------
    block : bytes or None
        EXIF as formats other than TIFF hold it.

    Returns
    -------
    datetime or None
        To the fraction of a second where the camera tells it; without a time zone.
    """
    exif = _read_block(block)[1] if block else {}
    text, fraction = (_text(exif.get(tag)) for tag in (TAKEN, TAKEN_FRACTION))
    try:
        taken = datetime.strptime(text, "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    digits = fraction if fraction.isdecimal() else "0"
    return taken + timedelta(seconds=int(digits) / 10 ** len(digits))


def _text(entry: Entry | None) -> str:
    """The text of a tag, empty where it is not there."""
    return "" if entry is None else entry.value.split(b"\0")[0].decode("ascii", "replace").strip()


def _open_block(block: bytes | None) -> BinaryIO:
    """An EXIF block as a stream; inside it is a small TIFF file."""
    return io.BytesIO((block or b"").removeprefix(b"Exif\0\0"))


def _read_block(block: bytes) -> list[Directory]:
    """First, EXIF and GPS directory of a block, empty where it cannot be understood."""
    try:
        return _read_directories(_open_block(block))[1]
    except (ValueError, OverflowError, struct.error):
        return [{}, {}, {}]


def _read_directories(stream: BinaryIO) -> tuple[Layout, list[Directory]]:
    """First (descriptive tags only), EXIF and GPS directory."""
    layout, start = _read_header(stream)
    directories = [_read_directory(stream, layout, start, only=DESCRIPTIVE)]
    pointers = _read_directory(stream, layout, start, stored=True)
    for pointer in (EXIF_POINTER, GPS_POINTER):
        found: Directory = {}
        if pointer in pointers:
            # a 4-byte pointer in an 8-byte field stands at its beginning
            field = pointers[pointer].value[: 8 if pointers[pointer].kind in (16, 18) else 4]
            (offset,) = struct.unpack(layout.order + ("Q" if len(field) == 8 else "I"), field)
            found = _read_directory(stream, layout, offset)
            found.pop(INTEROP_POINTER, None)
        directories.append(found)
    return layout, directories


def _read_header(stream: BinaryIO) -> tuple[Layout, int]:
    """Layout and offset of the first directory."""
    head = stream.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None:
        raise ValueError("not built like TIFF")
    layout = Layout(order, struct.unpack(order + "H", head[2:4])[0] == 43)
    where = head[8:16] if layout.big else head[4:8]
    return layout, struct.unpack(layout.offset, where)[0]


def _read_directory(
    stream: BinaryIO,
    layout: Layout,
    offset: int,
    *,
    stored: bool = False,
    only: frozenset[int] | None = None,
) -> Directory:
    """A directory with its values, or with the value fields as they are stored."""
    stream.seek(offset)
    (count,) = struct.unpack(layout.tags, stream.read(struct.calcsize(layout.tags)))
    if count > MOST:
        raise ValueError("not a directory")
    length = struct.calcsize(layout.entry)
    table = stream.read(count * length)
    directory: Directory = {}
    for start in range(0, count * length, length):
        tag, kind, number, field = struct.unpack_from(layout.entry, table, start)
        if stored:
            directory[tag] = Entry(kind, number, field)
        elif kind in KINDS and number * KINDS[kind] <= LONGEST and (only is None or tag in only):
            value = _read_value(stream, layout, field, number * KINDS[kind])
            directory[tag] = Entry(kind, number, value)
    return directory


def _read_value(stream: BinaryIO, layout: Layout, field: bytes, length: int) -> bytes:
    """The bytes of a value, from its field or from where the field points."""
    if length <= len(field):
        return field[:length]
    stream.seek(struct.unpack(layout.offset, field)[0])
    value = stream.read(length)
    if len(value) < length:
        raise ValueError("cut short")
    return value


def _turned(directory: Directory, source: Layout, target: Layout) -> Directory:
    """A directory in another byte order."""
    if source.order == target.order:
        return dict(directory)
    return {tag: entry._replace(value=_swapped(entry)) for tag, entry in directory.items()}


def _swapped(entry: Entry) -> bytes:
    """Values with their bytes in reverse; a fraction is two numbers of 4 bytes."""
    step = 4 if entry.kind in (5, 10) else KINDS[entry.kind]
    value = entry.value
    return b"".join(value[i : i + step][::-1] for i in range(0, len(value), step))


def _pointer(layout: Layout, offset: int) -> Entry:
    """An entry that points to a directory."""
    kind = 18 if layout.big else LONG
    return Entry(kind, 1, struct.pack(layout.offset, offset))


def _append(stream: BinaryIO, layout: Layout, directory: Directory) -> int:
    """Append a directory at the end of a file and say where it begins."""
    end = stream.seek(0, os.SEEK_END)
    start = end + end % 2
    stream.write(b"\0" * (end % 2) + _pack_directory(layout, directory, start))
    return start


def _pack_directory(layout: Layout, directory: Directory, start: int) -> bytes:
    """A directory that begins at an offset, with its values behind it."""
    width = struct.calcsize(layout.offset)
    behind = start + struct.calcsize(layout.tags) + width
    behind += len(directory) * struct.calcsize(layout.entry)
    table, values = struct.pack(layout.tags, len(directory)), b""
    for tag, entry in sorted(directory.items()):
        field = entry.value
        if len(field) > width:
            field = struct.pack(layout.offset, behind + len(values))
            values += entry.value + b"\0" * (len(entry.value) % 2)
        table += struct.pack(layout.entry, tag, entry.kind, entry.number, field)
    return table + struct.pack(layout.offset, 0) + values


def _pack_block(order: str, first: Directory, exif: Directory, gps: Directory) -> bytes:
    """An EXIF block of three directories."""
    layout = Layout(order, big=False)
    mark = b"II" if order == "<" else b"MM"
    stream = io.BytesIO(b"Exif\0\0")
    body = io.BytesIO(mark + struct.pack(order + "HI", 42, 0))
    first = dict(first)
    for pointer, directory in ((EXIF_POINTER, exif), (GPS_POINTER, gps)):
        if directory:
            first[pointer] = _pointer(layout, _append(body, layout, directory))
    offset = _append(body, layout, first)
    body.seek(4)
    body.write(struct.pack(layout.offset, offset))
    return stream.getvalue() + body.getvalue()
