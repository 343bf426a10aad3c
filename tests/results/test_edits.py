"""Edit lists: files are read back unchanged, and invalid ones are refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drpl.errors import ConfigError
from drpl.results.edits import MOST_POINTS, Edits, Stroke, edits_as_json, parse_edits, read_edits


@given(
    st.lists(
        st.builds(
            Stroke,
            st.integers(0, 400),
            st.floats(1, 210),
            st.floats(0, 1),
            st.lists(
                st.tuples(st.floats(-210, 420), st.floats(-210, 420)), min_size=1, max_size=5
            ).map(tuple),
        ),
        max_size=4,
    )
)
def test_edits_survive_a_round_trip_through_json(strokes):
    edits = Edits((210, 150), tuple(strokes))
    assert parse_edits(edits_as_json(edits).encode()) == edits


def test_edits_are_read_from_a_file(tmp_path):
    edits = Edits((210, 150), (Stroke(0, 3, 0.5, ((1, 2),)),))
    (tmp_path / "edits.json").write_text(edits_as_json(edits), encoding="utf-8")
    assert read_edits(tmp_path / "edits.json") == edits


STROKE = {"frame": 1, "radius": 5, "softness": 0.5, "points": [[3, 4]]}
BAD_FILES = [
    ("{", "is not JSON"),
    (b"\xff\xfe\x00", "is not UTF-8 text"),
    ("[" * 100_000, "is nested more than 64 levels deep"),
    ([], "the file is not a JSON object"),
    ({"size": [9, 9], "strokes": []}, "the file has no field 'edits'"),
    ({"edits": 2, "size": [9, 9], "strokes": []}, "the edits have version 2; expected 1"),
    ({"edits": True, "size": [9, 9], "strokes": []}, "the edits have version True"),
    ({"edits": 1, "size": [9, 9], "strokes": [], "by": "me"}, "unknown field 'by'"),
    ({"edits": 1, "size": [9], "strokes": []}, "size is .9.; expected .width, height."),
    ({"edits": 1, "size": [9, 0], "strokes": []}, "size is .9, 0."),
    ({"edits": 1, "size": [9, 9.5], "strokes": []}, "size is .9, 9.5."),
    ({"edits": 1, "size": [9, 10**400], "strokes": [STROKE | {"radius": 10**399}]}, "401 digits"),
    ({"edits": 1, "size": [9, 9], "strokes": {}}, "strokes are not a list"),
    ({"edits": 1, "size": [9, 9], "strokes": [0] * 10_001}, "not a list of at most 10000"),
]
BAD_STROKES = [
    (7, "is not a JSON object"),
    (STROKE | {"colour": 1}, "unknown field 'colour'"),
    ({"frame": 1}, "has no field 'radius'"),
    (STROKE | {"frame": -1}, "frame is -1"),
    (STROKE | {"frame": 1.0}, "frame is 1.0; expected a whole number"),
    (STROKE | {"frame": True}, "frame is True"),
    (STROKE | {"radius": 0.5}, "radius is 0.5; expected 1 to 90 pixels"),
    (STROKE | {"radius": 91}, "radius is 91"),
    (STROKE | {"radius": float("nan")}, "holds nan in 'radius'"),
    (STROKE | {"radius": "5"}, "radius is '5'"),
    (STROKE | {"softness": 1.01}, "softness is 1.01; expected 0 to 1"),
    (STROKE | {"softness": None}, "softness is None"),
    (STROKE | {"points": []}, "has no points"),
    (STROKE | {"points": "1,2"}, "has no points"),
    (STROKE | {"points": [[1, 2, 3]]}, "a point is .1, 2, 3."),
    (STROKE | {"points": [[1, float("inf")]]}, "holds inf in"),
    (STROKE | {"points": [[1, 10**400]]}, "401 digits"),
    (STROKE | {"points": [[1, 181]]}, "in the picture or near it"),
    (STROKE | {"points": [[1, 2]] * (MOST_POINTS + 1)}, "expected at most 200000"),
]


@pytest.mark.parametrize(
    ("content", "words"),
    BAD_FILES
    + [
        ({"edits": 1, "size": [60, 90], "strokes": [STROKE, bad]}, words)
        for bad, words in BAD_STROKES
    ],
)
def test_an_invalid_edit_list_is_refused(tmp_path, content, words):
    path = tmp_path / "mine.json"
    if isinstance(content, (dict, list)):
        content = json.dumps(content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=rf"mine\.json: .*{words}") as caught:
        read_edits(path)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["absent.json", "", "no\0thing"])
def test_an_unreadable_file_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="the edits cannot be read"):
        read_edits(f"{tmp_path}/{name}")
