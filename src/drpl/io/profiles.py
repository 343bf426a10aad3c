"""Colour profiles that differ between the frames of a stack."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from drpl.core.frames import Metadata

HEADER = 128
"""Bytes of a profile's header; it holds the date, which differs between equal profiles."""


def profile_notice(names: Sequence[str], metadata: Mapping[int, Metadata]) -> str:
    """Return a notice that names frames by their colour profile; empty if all have the same.

    ``metadata`` is that of the frames read, by number.
    """
    numbers: dict[bytes, list[int]] = {}
    words: dict[bytes, str] = {}
    for number in sorted(metadata):
        icc = metadata[number].icc or b""
        numbers.setdefault(icc[HEADER:], []).append(number)
        words.setdefault(icc[HEADER:], _described(icc))
    if len(numbers) < 2:
        return ""
    parts = [f"{words[key]} in {_listed(names, found)}" for key, found in numbers.items()]
    return (
        f"the frames have different colour profiles: {'; '.join(parts)}; their values are used as "
        "they are, and the result has the profile of the reference; convert the frames to one "
        "profile first"
    )


def _listed(names: Sequence[str], numbers: Sequence[int]) -> str:
    """Return the first frame by name, and the number of others."""
    others = f" and {len(numbers) - 1} more" if len(numbers) > 1 else ""
    return f"{names[numbers[0]]}{others}"


def _described(icc: bytes) -> str:
    """Return the name of a profile."""
    if not icc:
        return "none"
    from PIL import ImageCms  # most stacks do without

    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc))).strip()
    except (OSError, ImageCms.PyCMSError):
        return "an unknown one"
