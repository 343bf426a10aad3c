"""EXIF of TIFF files.

Other formats hold EXIF in one block. TIFF spreads it over directories of the file, which libvips
neither reads nor writes.
"""

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
SOFTWARE, IPTC, MAKER_NOTE, WIDTH, HEIGHT = 305, 33723, 37500, 40962, 40963
DESCRIPTIVE = frozenset(
    # description, make, model; software, date, artist, host; ratings; copyright; Windows fields
    [270, 271, 272, SOFTWARE, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096)]
)
"""Tags of the first directory that describe the picture rather than how its pixels are stored."""
ASCII, LONG, UNDEFINED = 2, 4, 7
"""TIFF field types: text, unsigned 32-bit integers and bytes."""
TYPE_SIZES = {1: 1, ASCII: 1, 3: 2, LONG: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
"""Bytes per value by field type. Pointers and types that only BigTIFF has are not copied."""
MAX_BLOCK = 60_000
"""Longest EXIF block in bytes; a JPEG segment holds 65,533."""
MAX_TAGS = 1000
"""Most tags in a directory; a higher count means that the file has no directory there."""


class Entry(NamedTuple):
    """One tag of a directory.

    Attributes
    ----------
    kind : int
        TIFF field type.
    number : int
        Number of values.
    value : bytes
        Bytes of the values; in a directory read with ``raw_fields``, the value field itself, which
        may be an offset.
    """

    kind: int
    number: int
    value: bytes


Directory = dict[int, Entry]


@dataclass(frozen=True, slots=True)
class Layout:
    """Binary layout of a TIFF file.

    Attributes
    ----------
    order : "<" or ">"
        Byte order in the notation of `struct`.
    big : bool
        True for BigTIFF, whose offsets have 8 bytes instead of 4.
    """

    order: str
    big: bool

    @property
    def offset(self) -> str:
        """Format of an offset for `struct`."""
        return self.order + ("Q" if self.big else "I")

    @property
    def tag_count(self) -> str:
        """Format of the number of tags for `struct`."""
        return self.order + ("Q" if self.big else "H")

    @property
    def entry(self) -> str:
        """Format of an entry for `struct`: tag, field type, number of values and value field."""
        return self.order + ("HHQ8s" if self.big else "HHI4s")


def read_tiff_exif(path: Path) -> bytes | None:
    """Read the EXIF of a TIFF file, or of a RAW file based on TIFF, as one block.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bytes or None
        EXIF block as other formats hold it, without orientation and thumbnail; None if the file
        has no EXIF or it cannot be parsed. The maker note is left out if the block would exceed
        `MAX_BLOCK`.
    """
    try:
        with path.open("rb") as stream:
            layout, directories = _read_directories(stream)
    except (OSError, ValueError, OverflowError, struct.error):
        return None
    if not any(directories):
        return None
    block = _pack_block(layout.order, *directories)
    if len(block) > MAX_BLOCK:
        directories[1].pop(MAKER_NOTE, None)
        block = _pack_block(layout.order, *directories)
    return block if len(block) <= MAX_BLOCK else None


def read_tiff_iptc(path: Path) -> bytes | None:
    """Return the IPTC records of a TIFF file; None if it has none or cannot be parsed."""
    try:
        with path.open("rb") as stream:
            layout, start = _read_header(stream)
            found = _read_directory(stream, layout, start, only=frozenset([IPTC]))
    except (OSError, ValueError, OverflowError, struct.error):
        return None
    return found[IPTC].value if IPTC in found else None


def append_exif(
    path: Path,
    block: bytes | None,
    *,
    iptc: bytes | None = None,
    software: str,
    size: tuple[int, int],
) -> None:
    """Append EXIF directories to a finished TIFF file.

    A new first directory, with the old and the new tags, goes to the end of the file. Pixels keep
    their place.

    Parameters
    ----------
    path : Path
    block : bytes or None
        EXIF block as other formats hold it; a block that cannot be parsed is left out.
    iptc : bytes, optional
        IPTC records.
    software : str
        Value of the tag ``Software``, in ASCII.
    size : tuple of two ints
        Width and height of the picture in pixels.

    Raises
    ------
    OSError
        If the file cannot be read or written.
    """
    first, exif, gps = _read_block(block) if block else ({}, {}, {})
    with path.open("r+b") as stream:
        layout, start = _read_header(stream)
        source = _read_header(_open_block(block))[0] if first or exif or gps else layout
        first, exif, gps = (_reordered(d, source, layout) for d in (first, exif, gps))
        name = software.encode("ascii") + b"\0"
        first[SOFTWARE] = Entry(ASCII, len(name), name)
        for tag, side in zip((WIDTH, HEIGHT), size, strict=True):
            if exif:
                exif[tag] = Entry(LONG, 1, struct.pack(layout.order + "I", side))
        for pointer, directory in ((EXIF_POINTER, exif), (GPS_POINTER, gps)):
            if directory:
                first[pointer] = _pointer(layout, _append(stream, layout, directory))
        if iptc:
            first[IPTC] = Entry(UNDEFINED, len(iptc), iptc)
        kept = _read_directory(stream, layout, start, raw_fields=True)
        kept.pop(IPTC, None)  # libvips cuts it short
        offset = _append(stream, layout, {**first, **kept, SOFTWARE: first[SOFTWARE]})
        stream.seek(8 if layout.big else 4)
        stream.write(struct.pack(layout.offset, offset))


def capture_time(block: bytes | None) -> datetime | None:
    """Return the time when a picture was taken, by the camera's clock.

    Parameters
    ----------
    block : bytes or None
        EXIF block as formats other than TIFF hold it.

    Returns
    -------
    datetime or None
        Time without a time zone, with fractions of a second if the camera recorded them; None if
        the block has no valid time.
    """
    exif = _read_block(block)[1] if block else {}
    text, fraction = (_text(exif.get(tag)) for tag in (TAKEN, TAKEN_FRACTION))
    try:
        taken = datetime.strptime(text, "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    digits = fraction if fraction.isdecimal() else "0"
    return taken + timedelta(seconds=int(digits) / 10 ** len(digits))


def software(block: bytes | None) -> str:
    """Return the program named by an EXIF block, empty if there is none."""
    return _text(_read_block(block)[0].get(SOFTWARE)) if block else ""


def _text(entry: Entry | None) -> str:
    """Return the text of a tag, empty if the tag is missing."""
    return "" if entry is None else entry.value.split(b"\0")[0].decode("ascii", "replace").strip()


def _open_block(block: bytes | None) -> BinaryIO:
    """Open the small TIFF file inside an EXIF block."""
    return io.BytesIO((block or b"").removeprefix(b"Exif\0\0"))


def _read_block(block: bytes) -> list[Directory]:
    """Read the first, EXIF and GPS directories of a block, all empty if it cannot be parsed."""
    try:
        return _read_directories(_open_block(block))[1]
    except (ValueError, OverflowError, struct.error):
        return [{}, {}, {}]


def _read_directories(stream: BinaryIO) -> tuple[Layout, list[Directory]]:
    """Read the layout and the first (descriptive tags only), EXIF and GPS directories."""
    layout, start = _read_header(stream)
    directories = [_read_directory(stream, layout, start, only=DESCRIPTIVE)]
    pointers = _read_directory(stream, layout, start, raw_fields=True)
    for pointer in (EXIF_POINTER, GPS_POINTER):
        found: Directory = {}
        if pointer in pointers:
            # a 4-byte pointer occupies the first half of an 8-byte field
            field = pointers[pointer].value[: 8 if pointers[pointer].kind in (16, 18) else 4]
            (offset,) = struct.unpack(layout.order + ("Q" if len(field) == 8 else "I"), field)
            found = _read_directory(stream, layout, offset)
            found.pop(INTEROP_POINTER, None)
        directories.append(found)
    return layout, directories


def _read_header(stream: BinaryIO) -> tuple[Layout, int]:
    """Read the layout and the offset of the first directory."""
    head = stream.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None:
        raise ValueError("not a TIFF header")
    layout = Layout(order, struct.unpack(order + "H", head[2:4])[0] == 43)
    start = head[8:16] if layout.big else head[4:8]
    return layout, struct.unpack(layout.offset, start)[0]


def _read_directory(
    stream: BinaryIO,
    layout: Layout,
    offset: int,
    *,
    raw_fields: bool = False,
    only: frozenset[int] | None = None,
) -> Directory:
    """Read a directory with its values, or with the bare value fields."""
    stream.seek(offset)
    (tags,) = struct.unpack(layout.tag_count, stream.read(struct.calcsize(layout.tag_count)))
    if tags > MAX_TAGS:
        raise ValueError("not a directory")
    size = struct.calcsize(layout.entry)
    table = stream.read(tags * size)
    directory: Directory = {}
    for start in range(0, tags * size, size):
        tag, kind, count, field = struct.unpack_from(layout.entry, table, start)
        length = count * TYPE_SIZES.get(kind, 0)
        if raw_fields:
            directory[tag] = Entry(kind, count, field)
        elif kind in TYPE_SIZES and length <= MAX_BLOCK and (only is None or tag in only):
            directory[tag] = Entry(kind, count, _read_value(stream, layout, field, length))
    return directory


def _read_value(stream: BinaryIO, layout: Layout, field: bytes, length: int) -> bytes:
    """Read the bytes of a value, from its field or from the offset in the field."""
    if length <= len(field):
        return field[:length]
    stream.seek(struct.unpack(layout.offset, field)[0])
    value = stream.read(length)
    if len(value) < length:
        raise ValueError("cut short")
    return value


def _reordered(directory: Directory, source: Layout, target: Layout) -> Directory:
    """Return a directory in the byte order of the target."""
    if source.order == target.order:
        return dict(directory)
    return {tag: entry._replace(value=_swapped(entry)) for tag, entry in directory.items()}


def _swapped(entry: Entry) -> bytes:
    """Return the values with reversed bytes; a fraction is two numbers of 4 bytes."""
    step = 4 if entry.kind in (5, 10) else TYPE_SIZES[entry.kind]
    value = entry.value
    return b"".join(value[i : i + step][::-1] for i in range(0, len(value), step))


def _pointer(layout: Layout, offset: int) -> Entry:
    """Return an entry that points to a directory."""
    kind = 18 if layout.big else LONG
    return Entry(kind, 1, struct.pack(layout.offset, offset))


def _append(stream: BinaryIO, layout: Layout, directory: Directory) -> int:
    """Append a directory to a file and return its offset."""
    end = stream.seek(0, os.SEEK_END)
    start = end + end % 2
    stream.write(b"\0" * (end % 2) + _pack_directory(layout, directory, start))
    return start


def _pack_directory(layout: Layout, directory: Directory, start: int) -> bytes:
    """Pack a directory that begins at an offset, followed by its values."""
    width = struct.calcsize(layout.offset)
    values_start = start + struct.calcsize(layout.tag_count) + width
    values_start += len(directory) * struct.calcsize(layout.entry)
    table, values = struct.pack(layout.tag_count, len(directory)), b""
    for tag, entry in sorted(directory.items()):
        field = entry.value
        if len(field) > width:
            field = struct.pack(layout.offset, values_start + len(values))
            values += entry.value + b"\0" * (len(entry.value) % 2)
        table += struct.pack(layout.entry, tag, entry.kind, entry.number, field)
    return table + struct.pack(layout.offset, 0) + values


def _pack_block(order: str, first: Directory, exif: Directory, gps: Directory) -> bytes:
    """Pack three directories into an EXIF block."""
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
