"""`drpl bench quality`, from scenes to scores to reports."""

import csv
import io
import json
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from PIL import Image

from drawing import draw_photo, draw_texture, half_sharp_pair
from drpl.bench import (
    encoding,
    entries,
    moved,
    provenance,
    report,
    scenes,
    scoring,
    store,
    summary,
    tables,
)
from drpl.bench.quality import entry_names, scene_specs, score_quality
from drpl.bench.settings import QualitySettings
from drpl.classical.table import CLASSICAL_METHODS
from drpl.errors import ConfigError, ReadError, StackError
from drpl.io.write import write_image
from drpl.metrics.reference import psnr

SIZE = (168, 176)
NAMES = ("hill_01", "hill_02", "lake_1")


def write_jpeg(path, pixels, quality, subsampling=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=quality, subsampling=subsampling)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Three pairs of two data sets, with images of the first set by two peers."""
    root = tmp_path_factory.mktemp("real")
    for seed, name in enumerate(NAMES):
        source_a, source_b, truth = half_sharp_pair(*SIZE, seed)
        (root / "pairs" / name).mkdir(parents=True)
        (root / "truth").mkdir(exist_ok=True)
        write_image(root / "pairs" / name / "2.png", source_a)
        write_image(root / "pairs" / name / "10.png", source_b)
        write_image(root / "truth" / f"{name}.png", truth)
        if name.startswith("hill"):
            write_jpeg(root / "peers" / "coarse" / f"{name}.jpg", truth, 60)
            write_jpeg(root / "peers" / "fine" / f"{name}.jpg", source_a, 95, 0)
    return root


def settings(real, **changed):
    given = {
        "sources": str(real / "pairs"),
        "models": ("drpl-fast",),
        "classical": False,
        "fused": {name: str(real / "peers" / name) for name in ("coarse", "fine")},
    }
    return QualitySettings(**given | changed)


@pytest.fixture(scope="module")
def run(real, tmp_path_factory):
    """Complete run in one process."""
    folder = tmp_path_factory.mktemp("run") / "out"
    score_quality(settings(real), folder, jobs=1, command="drpl bench quality ...")
    return folder


def test_rows_name_scenes_sets_and_entries(real, run):
    rows = store.ScoreStore(run).rows()
    hills = [r["method"] for r in rows if r["scene"] == "hill_01"]
    assert hills == ["drpl-fast select", "coarse", "fine"]
    assert [r["method"] for r in rows if r["scene"] == "lake_1"] == ["drpl-fast select"]
    assert {r["set"] for r in rows} == {"hill", "lake"}
    first = rows[0]
    assert all(np.isfinite(first[name]) for name in scoring.PLAIN_METRICS)
    assert all(np.isnan(first[name]) for name in scoring.TRUTH_METRICS)
    spec = scene_specs(settings(real))[0]
    assert [path.name for path in spec.sources] == ["2.png", "10.png"]


@pytest.mark.parametrize("lost", [1, 700])
def test_a_killed_run_continues(real, run, tmp_path, monkeypatch, lost):
    whole = (run / "scores.csv").read_bytes()
    for name in ("scores.csv", "about.json"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    (tmp_path / "scores.csv").write_bytes(whole[:-lost])
    kept = {1: 2, 700: 1}[lost]
    loaded = []
    load = scenes.RealScene.load
    monkeypatch.setattr(
        scenes.RealScene, "load", lambda spec: loaded.append(spec.name) or load(spec)
    )
    score_quality(settings(real), tmp_path, jobs=1)
    assert (tmp_path / "scores.csv").read_bytes() == whole
    assert loaded == list(NAMES[kept:])


def test_scores_do_not_depend_on_jobs(real, run, tmp_path):
    score_quality(settings(real), tmp_path, jobs=2)
    assert (tmp_path / "scores.csv").read_bytes() == (run / "scores.csv").read_bytes()


def test_a_run_with_other_settings_is_refused(real, run, tmp_path):
    before = (run / "scores.csv").read_bytes()
    with pytest.raises(ConfigError, match=r"compose was \['select'\], now \['pyramid'\]"):
        score_quality(settings(real, compose=("pyramid",)), run)
    assert (run / "scores.csv").read_bytes() == before
    for name in ("scores.csv", "about.json"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    other = settings(real, fused={})
    score_quality(other, tmp_path, jobs=1, overwrite=True)
    rows = store.ScoreStore(tmp_path).rows()
    assert {row["method"] for row in rows} == {"drpl-fast select"}
    assert len(rows) == len(NAMES)


def test_changed_code_is_refused_another_commit_is_not(real, run, tmp_path, monkeypatch):
    for name in ("scores.csv", "about.json"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    monkeypatch.setattr(provenance, "_commit", lambda: "another")
    score_quality(settings(real), tmp_path, jobs=1)
    assert store.ScoreStore(tmp_path).about()["commit"] == "another"
    monkeypatch.setattr(provenance, "_code", lambda: "changed")
    with pytest.raises(ConfigError, match="now changed"):
        score_quality(settings(real), tmp_path, jobs=1)


def test_settings_are_checked(real):
    for changed, words in (
        ({"sources": ""}, "give --photos, --drawn or --sources"),
        ({"sources": "", "photos": "x"}, "give --sources"),
        ({"kinds": ("trios",)}, "kinds holds 'trios'"),
        ({"compose": ("paste",)}, "compose holds 'paste'"),
        ({"scenes": 0}, "scenes is 0; expected 1 or more"),
        ({"fused": {"dct": "x"}}, "'dct' is the name of another entry"),
    ):
        with pytest.raises(ConfigError, match=words):
            scene_specs(settings(real, **changed))


def test_the_default_model_comes_first(real):
    assert entry_names(settings(real, models=())) == ["drpl-fast select", "drpl select"]


def test_missing_and_misfitting_images_are_named(real, tmp_path):
    with pytest.raises(ReadError, match="is not a folder"):
        scene_specs(settings(real, fused={"gone": str(tmp_path / "gone")}))
    write_jpeg(tmp_path / "hill_01.jpg", half_sharp_pair(*SIZE)[2], 80)
    with pytest.raises(ReadError, match="has no image of hill_02"):
        scene_specs(settings(real, fused={"part": str(tmp_path)}))
    write_jpeg(tmp_path / "hill_02.jpg", half_sharp_pair(50, 60)[2], 80)
    small = settings(real, fused={"small": str(tmp_path)})
    with pytest.raises(StackError, match=r"hill_02.jpg: has shape \(50, 60, 3\)"):
        score_quality(small, tmp_path / "out", jobs=1)


def test_all_images_are_encoded_like_the_coarsest_peer(real, model):
    spec = scene_specs(settings(real))[0]
    coarse, fine = spec.peers["coarse"], spec.peers["fine"]
    wanted = encoding.coarsest([fine, coarse])
    assert wanted == encoding.read_encoding(coarse) != encoding.read_encoding(fine)
    assert str(wanted) == "JPEG, quality 60, 4:2:0"
    scene = spec.load()
    ours = entries.own_entries(["drpl-fast"], ["select"])
    found = scoring.fused_images(spec, scene, ours)
    plain = ours["drpl-fast select"](scene)
    written = encoding.encode(plain, wanted)
    with Image.open(io.BytesIO(written)) as image, Image.open(coarse) as theirs:
        assert image.quantization == theirs.quantization
        assert image.layer == theirs.layer
        assert np.array_equal(found["drpl-fast select"], np.asarray(image))
    assert not np.array_equal(found["drpl-fast select"], plain)
    assert np.array_equal(found["coarse"], scenes.read_bytes(coarse))
    again = encoding.recoded(scenes.read_bytes(fine), wanted)
    assert np.array_equal(found["fine"], again)
    assert encoding.read_encoding(spec.sources[0]) is None


def test_grey_files_are_encoded_grey(tmp_path):
    grey = half_sharp_pair(*SIZE)[2][..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.jpg", quality=50)
    wanted = encoding.read_encoding(tmp_path / "grey.jpg")
    assert str(wanted) == "JPEG, quality 50, grey"
    coded = encoding.recoded(grey, wanted)
    assert np.array_equal(coded, scenes.read_bytes(tmp_path / "grey.jpg"))


def test_scenes_with_truth_have_ceilings(real, tmp_path):
    chosen = settings(real, truth=str(real / "truth"), fused={}, classical=True)
    score_quality(chosen, tmp_path, jobs=1)
    by_set = summary.tabulate(store.ScoreStore(tmp_path).rows())
    assert [found.name for found in by_set] == ["hill", "lake"]
    hill = by_set[0]
    assert hill.entries == ["drpl-fast select", *CLASSICAL_METHODS]
    assert hill.references == list(entries.REFERENCES)
    assert hill.metrics == list(scoring.TRUTH_RANKED)
    names = [*hill.entries, *hill.references]
    means = dict(zip(names, summary.mean(hill.of("psnr")), strict=True))
    assert means[entries.CEILING] == max(means.values()) == scenes.CAP_DB
    assert not {row[0] for row in tables.rank_table(hill).rows} & set(entries.REFERENCES)
    shown = tables.mean_table(hill)
    assert shown.references == len(entries.REFERENCES)
    assert [row[0] for row in shown.rows[-shown.references :]] == list(entries.REFERENCES)


def test_moved_frames_are_registered_to_the_middle_one():
    frame = cv2.GaussianBlur(draw_texture(*SIZE), (0, 0), 2)
    frames, _ = moved.move_frames([frame] * 3, seed=0)
    scene = scenes.registered(scenes.BenchScene(frames))
    aligned = scene.frames
    stack, known = scene.original
    assert all(map(np.array_equal, stack.sources, frames))
    assert [entry.status for entry in known.alignments] == ["aligned", "reference", "aligned"]
    assert np.array_equal(aligned[1], frame)
    inner = scenes.BenchScene(aligned, inner=True).window
    assert inner == (slice(20, 148), slice(21, 155))
    for before, after in zip(frames[::2], aligned[::2], strict=True):
        assert psnr(before[inner], frame[inner]) < 30
        assert psnr(after[inner], frame[inner]) > 38


class Page(HTMLParser):
    """Addresses and scripts of a page; closing elements out of order fails."""

    EMPTY = frozenset(["meta", "img", "br", "hr", "path", "use", "rect"])

    def __init__(self, text):
        super().__init__()
        self.addresses, self.scripts, self.open = [], 0, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.scripts += tag == "script"
        self.addresses += [v for name, v in attributes if name in ("src", "href", "xlink:href")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.EMPTY:
            assert self.open.pop() == tag


def test_reports_are_self_contained(real, run, tmp_path):
    docs = tmp_path / "docs" / "benchmarks.md"
    docs.parent.mkdir()
    written = report.write_reports(run, docs=docs)
    assert [path.name for path in written] == ["report.html", "report.md", "benchmarks.md"]
    html = (run / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert page.open == []
    assert page.scripts == 0
    assert page.addresses
    assert all(address.startswith(("#", "data:image/png")) for address in page.addresses)
    assert not re.search(r"@import|url\((?!#)", html)
    # two sources, two fused images and their difference of each scene that peers fused
    assert html.count("data:image/png") == 5 * 2
    assert "Recoded alike before scoring: 2 scenes: JPEG, quality 60, 4:2:0." in html
    text = docs.read_text(encoding="utf-8")
    assert "    drpl bench quality ..." in text
    assert "data:" not in text
    for figure in re.findall(r"\]\((figures/[^)]*)\)", text):
        assert (docs.parent / figure).read_text(encoding="utf-8").startswith("<svg")
    ranks = re.search(r"\| coarse \| (\d+\.\d\d) \|", text)
    assert 1 <= float(ranks[1]) <= 3


def test_a_report_of_an_unfinished_run_says_so(run, tmp_path):
    (tmp_path / "about.json").write_bytes((run / "about.json").read_bytes())
    lines = (run / "scores.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    hills = [line for line in lines if not line.startswith("lake")]
    assert 1 < len(hills) < len(lines)
    for kept, unfinished in ((hills, True), (lines, False)):
        (tmp_path / "scores.csv").write_text("".join(kept), encoding="utf-8")
        report.write_reports(tmp_path)
        for name in ("report.md", "report.html"):
            text = (tmp_path / name).read_text(encoding="utf-8")
            assert ("unfinished: 2 of 3 scenes are scored" in text) is unfinished


def test_a_report_is_written_without_the_pictures(run, tmp_path):
    for name in ("scores.csv", "about.json"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    about = json.loads((tmp_path / "about.json").read_text(encoding="utf-8"))
    about["settings"]["sources"] = str(tmp_path / "gone")
    (tmp_path / "about.json").write_text(json.dumps(about), encoding="utf-8")
    report.write_reports(tmp_path)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Worst scenes are not shown" in html
    about["settings"]["mode"] = "soft"
    (tmp_path / "about.json").write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(ReadError, match="was made by another version of drpl"):
        report.write_reports(tmp_path)
    with pytest.raises(ReadError, match="expected a folder of `drpl bench quality`"):
        report.write_reports(tmp_path / "nothing")


def test_rendered_scenes_are_scored(photos, tmp_path):
    kinds = ("pairs", "moved")
    chosen = QualitySettings(
        photos=str(photos), kinds=kinds, scenes=1, size=128, models=("drpl-fast",), classical=False
    )
    score_quality(chosen, tmp_path, jobs=1)
    with (tmp_path / "scores.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["scene"] for row in rows} == {"pairs_000", "moved_000"}
    assert all(row["kind"] and row["psnr"] and not row["q_mi"] for row in rows)
    about = json.loads((tmp_path / "about.json").read_text(encoding="utf-8"))
    assert about["models"]["drpl-fast"]
    assert about["settings"]["seed"] == 20_000


def test_only_drawn_scenes_are_shown_in_documents(real, tmp_path):
    given = {"drawn": 2, "sources": str(real / "pairs"), "truth": str(real / "truth")}
    chosen = QualitySettings(**given, models=("drpl-fast",))
    score_quality(chosen, tmp_path, jobs=2)
    report.write_reports(tmp_path)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[drawn_00[01]: [^]]*\]\((figures/[^)]*\.png)\)", text)
    assert sorted(shown) == sorted(re.findall(r"figures/[^)]*\.png", text))
    assert len(shown) == 2
    crops = [np.array(Image.open(tmp_path / name)) for name in shown]
    # two sources, two results, the truth, two differences
    assert {crop.shape for crop in crops} == {(144, 7 * 148 - 4, 3)}
    rows = [row for row in store.ScoreStore(tmp_path).rows() if row["set"] == "drawn pairs"]
    scores = {(row["scene"], row["method"]): row["psnr"] for row in rows}
    for scene in ("drawn_000", "drawn_001"):
        best = max(scores[scene, baseline] for baseline in CLASSICAL_METHODS)
        assert scores[scene, "drpl-fast select"] > best
    assert len(set(scores.values())) == len(scores)


def test_grey_scenes_have_ceilings():
    truth = np.rint(draw_photo(64, 80) * 255).astype(np.uint8)
    frames = [truth, np.full_like(truth, 128)]
    found = entries.references(frames, truth)
    for name in (entries.CEILING, entries.SCALE_CEILING):
        assert np.array_equal(found[name], truth)
