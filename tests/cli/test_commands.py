"""Commands of the terminal, run in this process: output, files, errors and exit codes."""

import json
import subprocess
import sys
import threading

import numpy as np
import pytest

from drawing import draw_texture, half_sharp_pair
from drpl.cli import main as cli
from drpl.io.read import read_frame
from drpl.io.write import write_image
from drpl.metrics.reference import psnr


@pytest.fixture
def drpl(monkeypatch, capsys):
    """Run the terminal; return exit code, standard output and standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["drpl", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        captured = capsys.readouterr()
        return stopped.value.code or 0, captured.out, captured.err

    return run


@pytest.fixture
def files(tmp_path):
    """Folder with the sources ``a.png`` and ``b.png``, and the truth as an array."""
    folder = tmp_path / "shots"
    folder.mkdir()
    source_a, source_b, truth = half_sharp_pair(120, 170)
    write_image(folder / "a.png", source_a)
    write_image(folder / "b.png", source_b)
    return folder, truth


@pytest.mark.parametrize("command", ["fuse", "align"])
def test_the_heap_is_shared_before_any_thread_begins(drpl, files, monkeypatch, command):
    shared = []
    monkeypatch.setattr(
        f"drpl.cli.{command}.share_heap", lambda: shared.append(threading.active_count())
    )
    before = threading.active_count()
    assert drpl(command, files[0], "-o", files[0].parent / "out.tif", "--quiet")[0] == 0
    assert shared == [before]


def test_fuse_writes_picture_and_maps(drpl, files):
    folder, truth = files
    a, b, out = folder / "a.png", folder / "b.png", folder / "out.png"
    code, output, errors = drpl("fuse", a, b, "-o", out, "--maps", folder / "maps")
    assert (code, errors) == (0, "")
    assert "170x120" in output
    fused = read_frame(out).pixels
    assert psnr(fused, truth) > psnr(read_frame(a).pixels, truth) + 8
    names = {p.name for p in (folder / "maps").iterdir()}
    assert names == {"mask_a.png", "mask_b.png", "index_map.png", "confidence.png", "depth.png"}
    index_map = read_frame(folder / "maps" / "index_map.png").pixels
    assert set(np.unique(index_map)) <= {0, 1}
    assert (index_map[:, :60] == 1).mean() > 0.95


def test_fuse_writes_slabs_and_decisions(drpl, files):
    folder, _ = files
    write_image(folder / "c.png", read_frame(folder / "b.png").pixels)
    out, debug = folder.parent / "out.tif", folder.parent / "debug"
    code, output, _ = drpl("fuse", folder, "-o", out, "--slab", 2, "--overlap", 1, "--debug", debug)
    assert code == 0
    assert "2 slabs next to it" in output
    assert {p.name for p in folder.parent.glob("out_*")} == {"out_slab_01.tif", "out_slab_02.tif"}
    assert (debug / "decisions.png").exists()
    code, _, errors = drpl("fuse", folder, "-o", folder / "x.tif", "--slab", 2, "--overlap", 2)
    assert code == 9
    assert "overlap is 2; expected 0 to 1" in one_line(errors)


@pytest.mark.parametrize("mode", ["select", "pyramid"])
def test_fuse_keeps_16_bits_and_alpha(drpl, tmp_path, mode):
    source_a, source_b, _ = half_sharp_pair(90, 90)
    for name, source in (("a", source_a), ("b", source_b)):
        wide = np.dstack([source.astype(np.uint16) * 257, np.full((90, 90), 65535, np.uint16)])
        write_image(tmp_path / f"{name}.tif", wide)
    out = tmp_path / "out.tif"
    code, _, _ = drpl(
        "fuse", tmp_path / "a.tif", tmp_path / "b.tif", "-o", out, "--compose", mode, "-q"
    )
    assert code == 0
    fused = read_frame(out).pixels
    assert fused.dtype == np.uint16
    assert fused.shape == (90, 90, 4)
    assert (fused[..., 3] == 65535).all()


def one_line(errors):
    assert errors.startswith("drpl: error: ")
    assert errors.count("\n") == 1
    return errors


def bad_inputs(folder):
    """Return cases: arguments, exit code, and words of the message."""
    a, b, out = folder / "a.png", folder / "b.png", folder / "out.png"
    cut = folder / "cut.png"
    cut.write_bytes(a.read_bytes()[:-300])
    text = folder / "text.jpg"
    text.write_text("words", encoding="utf-8")
    write_image(folder / "small.png", draw_texture(40, 50))
    write_image(folder / "wide.png", draw_texture(120, 170).astype(np.uint16))
    write_image(folder / "there.png", draw_texture(9, 9))
    return [
        ([folder / "no.png", b, "-o", out], 3, "no.png: no such file"),
        ([a, text, "-o", out], 3, "text.jpg: is not an image"),
        ([a, cut, "-o", out], 3, "cut.png: is damaged or cut short"),
        ([a, folder / "small.png", "-o", out], 4, "differ in size: 170x120 and 50x40"),
        ([a, folder / "wide.png", "-o", out], 4, "differ in sample type"),
        ([a, "-o", out], 4, "found 1 source image; expected two"),
        ([a, b, folder / "small.png", "-o", out], 4, "differ in size: 170x120 and 50x40"),
        ([a, b, "-o", folder / "nowhere" / "out.png"], 8, "its folder does not exist"),
        ([a, b, "-o", a, "--overwrite"], 8, "is an input"),
        ([a, b, "-o", folder / "there.png"], 8, "exists already; give --overwrite"),
        ([a, b, "-o", folder / "out.xyz"], 8, "format '.xyz' is not written"),
        ([a, b, "-o", out, "--method", "nothing"], 6, "method 'nothing' is unknown"),
        ([a, b, "-o", out, "--tile", "100"], 9, "tile is 100; expected a multiple of 64"),
        ([a, b, "-o", out, "--threads", "-1"], 9, "threads is -1"),
        ([a, b, "-o", out, "--maps", a], 8, "its folder does not exist"),
    ]


@pytest.mark.parametrize("number", range(15))
def test_bad_input_gives_one_line_and_a_code_and_leaves_nothing_behind(drpl, files, number):
    folder, _ = files
    arguments, expected, words = bad_inputs(folder)[number]
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    code, output, errors = drpl("fuse", *arguments)
    assert words in one_line(errors)
    assert (code, output) == (expected, "")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_wrong_usage_exits_with_2(drpl, files):
    folder, _ = files
    for arguments in (["fuse", folder / "a.png"], ["fuse", "--nothing"], ["nothing"]):
        code, _, errors = drpl(*arguments)
        assert code == 2
        assert errors


def test_methods_version_and_help_are_printed(drpl):
    code, output, _ = drpl("methods")
    assert code == 0
    assert "drpl-fast" in output
    code, output, _ = drpl("--version")
    assert (code, output.split()[0]) == (0, "drpl")
    code, output, _ = drpl("--help")
    assert code == 0
    assert "130 interrupted" in " ".join(output.split())


def test_ctrl_c_exits_with_130_and_leaves_nothing_behind(drpl, files, monkeypatch):
    folder, _ = files

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("drpl.compose.fold.merge_frame", interrupt)
    before = sorted(p.name for p in folder.iterdir())
    code, _, _ = drpl("fuse", folder / "a.png", folder / "b.png", "-o", folder / "out.png")
    assert code == 130
    assert sorted(p.name for p in folder.iterdir()) == before


def test_training_without_its_extra_says_what_to_install(drpl, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "drpl.train.module", None)
    code, _, errors = drpl("train", "--photos", tmp_path, "--config", "x.toml", "-o", tmp_path)
    assert code == 7
    assert "pip install 'drpl[train]'" in one_line(errors)


def test_a_process_exits_with_the_code(files):
    folder, _ = files
    command = [sys.executable, "-m", "drpl", "fuse", str(folder / "a.png")]
    done = subprocess.run(
        [*command, "-o", str(folder / "x.png")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 4
    assert done.stderr.startswith("drpl: error: found 1 source image")


def test_evaluate_prints_every_metric(drpl, files):
    folder, truth = files
    a, b = folder / "a.png", folder / "b.png"
    write_image(folder / "truth.png", truth)
    same = ["evaluate", "--fused", folder / "truth.png", "--truth", folder / "truth.png"]
    code, output, errors = drpl(*same, a, b)
    assert (code, errors) == (0, "")
    words = " ".join(output.split())
    assert "psnr │ PSNR │ inf │ higher" in words
    assert "gmsd │ GMSD │ 0.0000 │ lower" in words
    assert "left out: psnr_band, psnr_outside (needs the focus-boundary band" in words
    code, output, _ = drpl(*same, a, b, "--json")
    found = json.loads(output)
    assert found["sources"] == [str(a), str(b)]
    assert found["metrics"]["psnr"]["value"] == "Infinity"
    assert found["metrics"]["ssim"]["value"] == 1
    assert 0 < found["metrics"]["q_abf"]["value"] < 1
    assert "at least 161 pixels" in found["left_out"]["ms_ssim"]
    assert json.loads(drpl("evaluate", a, b, *same[1:], "--json")[1]) == found


def test_evaluate_refuses_bad_input(drpl, files):
    folder, _ = files
    a, b = folder / "a.png", folder / "b.png"
    write_image(folder / "small.png", draw_texture(40, 50))
    for arguments, expected, words in (
        (["--fused", folder / "no.png", a, b], 3, "no.png: no such file"),
        (["--fused", folder / "small.png", a, b], 11, "a.png is (120, 170, 3) uint8"),
        (["--fused", a, "--truth", folder / "small.png"], 11, "small.png is (40, 50, 3) uint8"),
        (["--fused", a, a, a], 4, "is named twice"),
    ):
        code, output, errors = drpl("evaluate", *arguments)
        assert words in one_line(errors)
        assert (code, output) == (expected, "")


def test_bench_quality_writes_reports(drpl, files, tmp_path):
    folder, truth = files
    theirs, root = tmp_path / ".peers" / "theirs", folder.parent
    theirs.mkdir(parents=True)
    write_image(theirs / "shots.png", truth)
    given = ["bench", "quality", "--sources", root, "--peers", theirs.parent, "--no-classical"]
    given += ["-m", "drpl-fast", "--jobs", 1]
    out = tmp_path / ".out"
    code, output, errors = drpl(*given, "-o", out)
    assert (code, errors) == (0, "")
    assert "drpl-fast select: average rank" in output
    assert json.loads((out / "about.json").read_text(encoding="utf-8"))["command"].startswith(
        "drpl bench quality --sources"
    )
    (out / "report.html").unlink()
    code, output, _ = drpl("bench", "report", out)
    assert code == 0
    assert (out / "report.html").exists()
    code, _, errors = drpl(*given, "--compose", "pyramid", "-o", out)
    assert code == 9
    assert "was made with other settings" in one_line(errors)
    code, _, errors = drpl("bench", "quality", "-o", out)
    assert code == 9
    assert "give --photos, --drawn or --sources" in one_line(errors)


def test_bench_without_its_extra_says_what_to_install(drpl, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "drpl.bench.report", None)
    code, _, errors = drpl("bench", "report", tmp_path)
    assert code == 7
    assert "pip install 'drpl[bench]'" in one_line(errors)


def test_demo_fuses_better_than_its_sources(drpl, tmp_path):
    out = tmp_path / "demo"
    code, output, _ = drpl("demo", "-o", out)
    assert code == 0
    assert "fused" in output
    from drpl.files.demo import FILES

    assert {p.name for p in out.iterdir()} == set(FILES)
    truth = read_frame(out / "truth.png").pixels
    scores = {
        name: psnr(read_frame(out / f"{name}.png").pixels, truth)
        for name in ("source_a", "source_b", "fused")
    }
    assert scores["fused"] > max(scores["source_a"], scores["source_b"]) + 3
    code, _, errors = drpl("demo", "-o", out)
    assert code == 8
    assert "exists already" in one_line(errors)


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
@pytest.mark.parametrize(
    ("result", "flag"), [("depth.png", "--maps"), ("Decisions.png", "--debug"), ("a.json", "-o")]
)
def test_two_outputs_at_one_place_are_refused_before_work(drpl, files, result, flag, overwrite):
    folder = files[0]
    out = folder / "out"
    out.mkdir()
    if flag == "-o":  # a picture cannot be written where its report goes
        code, _, errors = drpl("fuse", folder, "-o", out / result, *overwrite)
    else:
        code, _, errors = drpl("fuse", folder, "-o", out / result, flag, out, *overwrite)
        assert "two outputs have this name" in one_line(errors)
    assert code == 8
    assert list(out.iterdir()) == []
