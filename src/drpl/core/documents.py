"""JSON and TOML files of ours, read strictly: what later code could not bear is named here."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from drpl.errors import DrplError

DEEPEST = 64
"""Most objects and lists within each other."""
LARGEST = 2**63
"""Whole numbers stay below it; times of files, in nanoseconds, are the largest in use."""


def read_json(path: Path, error: type[DrplError], *, wanted: str) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raise ``error``, which names the file and what is ``wanted``, if it cannot be read, holds
    anything but an object, or is refused by `parse_json`.
    """
    return _read(path, parse_json, error, wanted)


def read_toml(path: Path, error: type[DrplError], *, wanted: str) -> dict[str, Any]:
    """Read a TOML file; see `read_json` for errors."""
    return _read(path, _parse_toml, error, wanted)


def parse_json(content: bytes | str) -> Any:
    """Parse JSON; raise ValueError that says where and why it cannot be used.

    Refused are text that is not UTF-8 (a byte order mark is allowed), keys that come twice, numbers
    that are not finite or too large, text that no file name or file could hold, and more than
    `DEEPEST` levels.
    """
    try:
        tree = json.loads(_text(content), object_pairs_hook=_object, parse_int=_whole)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"is not JSON: {error.msg} at {place}") from error
    _check(tree)
    return tree


_TOO_DEEP = f"is nested more than {DEEPEST} levels deep"


def _read(
    path: Path, parse: Callable[[bytes], Any], error: type[DrplError], wanted: str
) -> dict[str, Any]:
    """Read a file and parse it to an object."""
    try:
        tree = parse(path.read_bytes())
        if not isinstance(tree, dict):
            raise ValueError(f"holds {kind_of(tree)}")
        return tree
    except OSError as reason:
        raise error(f"{path}: cannot be read ({reason.strerror}); expected {wanted}") from reason
    except ValueError as reason:
        raise error(f"{path}: {reason}; expected {wanted}") from reason


def _parse_toml(content: bytes) -> Any:
    """Parse TOML; see `parse_json`."""
    try:
        tree = tomllib.loads(_text(content))
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    except ValueError as error:  # of the syntax, or of a number with thousands of digits
        raise ValueError(f"is not TOML: {error}") from error
    _check(tree)
    return tree


def _text(content: bytes | str) -> str:
    """Decode UTF-8, with or without a byte order mark."""
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 text (byte {error.start})") from error
    if not text.strip():
        raise ValueError("is empty")
    return text


def _whole(digits: str) -> int:
    """Return a whole number; Python refuses thousands of digits in words of its own."""
    if len(digits) > 20:
        raise ValueError(f"holds a number of {len(digits)} digits; it is too large")
    return int(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object whose keys come once."""
    table = dict(pairs)
    if len(table) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"has the key {twice!r:.40} twice")
    return table


def _check(tree: Any) -> None:
    """Check the depth, numbers and text of a tree."""
    level: list[tuple[Any, Any]] = [("", tree)]
    for _ in range(DEEPEST + 1):
        level = [child for key, value in level for child in _children(key, value)]
        if not level:
            return
    raise ValueError(_TOO_DEEP)


def _children(key: Any, value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the keys and values within a value; check a number or text."""
    if isinstance(value, dict):
        yield from value.items()
        yield from (("a key", name) for name in value)
    elif isinstance(value, list):
        yield from ((key, item) for item in value)
    elif isinstance(value, str):
        try:
            value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise ValueError(f"holds half a character: {value!a:.40}") from error
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"holds {value} in {key!r:.40}; only finite numbers do")
    elif isinstance(value, int) and abs(value) >= LARGEST:
        raise ValueError(f"holds a number in {key!r:.40} that is too large")


def kind_of(value: Any) -> str:
    """Return what a parsed value is, for messages."""
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return "null" if value is None else kinds.get(type(value), "a number")


def is_number(value: Any, low: float = -math.inf, high: float = math.inf) -> bool:
    """Return True for an int or float in [low, high]; False for a bool or NaN."""
    return type(value) in (int, float) and low <= value <= high


def is_integer(value: Any, low: float = -math.inf, high: float = math.inf) -> bool:
    """Return True for an int in [low, high]; False for a bool."""
    return type(value) is int and low <= value <= high
