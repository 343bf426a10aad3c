import subprocess
import sys

import pytest

import drpl
import typed_program
from drawing import striped_stack
from drpl.io.write import write_image


def test_import_loads_no_heavy_module():
    heavy = "numpy cv2 onnxruntime pyvips torch lightning typer rich"
    code = f"import sys, drpl; print([m for m in '{heavy}'.split() if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_fusing_does_not_load_training():
    code = (
        "import sys, numpy as np, drpl; a = np.zeros((8, 8), np.uint8); drpl.fuse([a, a]);"
        "print([m for m in ('torch', 'lightning') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", drpl.__all__)
def test_public_names_exist(name):
    assert getattr(drpl, name) is not None
    assert name in dir(drpl)


def test_nothing_else_is_public():
    code = "import drpl; print(sorted(n for n in dir(drpl) if not n.startswith('_')))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    public = sorted(name for name in drpl.__all__ if not name.startswith("_"))
    assert found.stdout.strip() == str(public)


def test_a_program_of_a_user_runs(tmp_path):
    frames, _, _ = striped_stack(3, 90, 120)
    (tmp_path / "shots").mkdir()
    for number, frame in enumerate(frames):
        write_image(tmp_path / "shots" / f"{number}.png", frame)
    assert typed_program.fuse_arrays(frames).fused.shape == frames[0].shape
    share = typed_program.fuse_folder(tmp_path / "shots", tmp_path / "out.png")
    assert 0.2 < share < 0.5
    assert 0 < typed_program.decide(frames[0], frames[1]) < 1
    assert {"drpl-fast", "gff", drpl.__version__} <= set(typed_program.methods())


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = drpl.nothing
