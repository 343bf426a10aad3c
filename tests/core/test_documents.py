"""JSON and TOML files of ours: whatever they hold, one error names the file."""

import json
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drpl.align.transforms import read_transforms
from drpl.core.documents import parse_json
from drpl.core.options import resolve_options
from drpl.errors import ConfigError, DrplError
from drpl.files.journal import Journal
from drpl.models.cards import load_model
from drpl.results.edits import read_edits
from drpl.results.stored import read_report

FRAME = {
    "name": "a.tif",
    "transform": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "model": "affine",
    "residual": 0.2,
    "score": None,
    "status": "reference",
    "note": "",
    "exposure": {"gain": [1.0], "offset": [0.0], "highlights": []},
}
TREES = {
    "transforms.json": {
        "version": 1,
        "size": [20, 10],
        "reference": 0,
        "frames": [FRAME, FRAME | {"status": "aligned"}],
    },
    "edits.json": {
        "edits": 1,
        "size": [9, 9],
        "strokes": [{"frame": 1, "radius": 5, "softness": 0.5, "points": [[3, 4]]}],
    },
    "report.json": {
        "report": 2,
        "size": [9, 9],
        "source_size": [9, 9],
        "window": {"left": 0, "top": 0},
        "rejected": [],
        "focus_order": [0, 1],
        "decision_scale": 1,
        "frames": [{}, {}],
        "options": {"value_range": None},
        "method": {},
        "seconds": {"align": 1},
    },
    "card.json": {
        "id": "mine",
        "title": "t",
        "architecture": "a",
        "colour": "luma",
        "stages": [{"name": "masks", "file": "masks.onnx", "sha256": "0", "context": 3}],
        "parameters": 1,
        "macs_per_pixel": 1,
        "licence": "l",
        "training_data": "d",
        "training_command": "c",
        "training_commit": "c",
    },
}
READERS = {
    "transforms.json": read_transforms,
    "edits.json": read_edits,
    "report.json": lambda path: read_report(path.parent),
    "card.json": lambda path: load_model(str(path.parent)),
}
ODD_BYTES = {
    "empty": b"",
    "spaces": b"  \n",
    "not UTF-8": b'{"version": "\xff"}',
    "UTF-16": '{"version": 1}'.encode("utf-16"),
    "null": b"null",
    "list": b"[1]",
    "number": b"3",
    "deep": b"[" * 100_000,
    "deep objects": b'{"version":' * 100_000,
    "Infinity": b'{"version": 1, "size": [Infinity, 2]}',
    "1e400": b'{"version": 1e400}',
    "digits": b'{"version": 1' + b"0" * 5000 + b"}",
    "twice": b'{"version": 1, "version": 1}',
    "cut": b'{"version": 1, "si',
    "half a character": b'{"version": "\\ud800"}',
}


@pytest.mark.parametrize("content", ODD_BYTES.values(), ids=ODD_BYTES)
@pytest.mark.parametrize("name", TREES)
def test_odd_files_are_refused_by_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DrplError) as caught:
        READERS[name](tmp_path / name)
    assert name in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_byte_order_mark_is_allowed(tmp_path):
    path = tmp_path / "transforms.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(TREES[path.name]).encode())
    assert len(read_transforms(path).names) == 2
    config = tmp_path / "my.toml"
    config.write_bytes(b"\xef\xbb\xbfcrop = true\n")
    assert resolve_options({}, config=config).crop


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"value_range = inf", "holds inf in 'value_range'"),
        (b"value_range = nan", "holds nan in 'value_range'"),
        (b"value_range = 1e400", "holds inf"),
        (b"threads = 1" + b"0" * 400, "too large"),
        (b"threads = 1" + b"0" * 5000, "is not TOML"),
        (b"threads = 0x" + b"f" * 9000, "too large"),
        (b"crop = true\ncrop = true", "is not TOML"),
        (b"method = '\xff'", "is not UTF-8"),
        (b"tile = " + b"[" * 20_000, "is nested more than"),
        (b"tile = []", "tile is"),
    ],
)
def test_odd_options_are_refused_by_name(tmp_path, content, words):
    path = tmp_path / "my.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"my\.toml: .*{words}"):
        resolve_options({}, config=path)


@pytest.mark.parametrize("line", ["null", "[]", '{"step": NaN}', "[" * 9999, '{"output": ["a"]}'])
def test_odd_lines_of_a_journal_are_ignored(tmp_path, line):
    path = tmp_path / "journal"
    entry = dict.fromkeys(("step", "sources", "options", "own", "result"))
    path.write_text(line + "\n" + json.dumps(entry | {"output": ["list"]}) + "\n")
    Journal(path, {})


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(2**63), float("inf"), 1e308, -1, 0, "\ud800", "\0", ""])
    | st.floats()
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


def places(tree, path=()):
    """Paths of all values within a tree."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in pairs:
        yield (*path, key)
        if isinstance(value, (dict, list)):
            yield from places(value, (*path, key))


@pytest.mark.parametrize("name", TREES)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(choice=st.data())
def test_changed_values_raise_nothing_but_our_errors(tmp_path, name, choice):
    tree = json.loads(json.dumps(TREES[name]))
    *way, last = choice.draw(st.sampled_from(list(places(tree))))
    inner = tree
    for key in way:
        inner = inner[key]
    inner[last] = choice.draw(VALUES)
    (tmp_path / name).write_text(json.dumps(tree))
    with suppress(DrplError):
        READERS[name](tmp_path / name)


@given(st.binary(max_size=60))
def test_any_bytes_are_parsed_or_refused(content):
    with suppress(ValueError):
        parse_json(content)
