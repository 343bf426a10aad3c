import subprocess
import sys

import pytest

import drpl


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


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = drpl.nothing
