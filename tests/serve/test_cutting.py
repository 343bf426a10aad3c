"""Renewed tiles of a part of a picture."""

import shutil

import cv2
import numpy as np
import pytest
import pyvips

from drpl.serve.work.cutting import cut_tiles, index_pixels
from drpl.serve.work.layers import open_index, plain, read_info, write_layer


class TestCutting:
    """Renewed tiles equal those of the whole picture."""

    @pytest.fixture
    def index(self):
        random = np.random.default_rng(0)
        return np.kron(random.integers(0, 700, (40, 57)), np.ones((19, 21))).astype(np.uint16)

    def tiles_of(self, folder):
        found = {}
        for path in (folder / "tiles_files").rglob("*_*.*"):
            found[path.relative_to(folder)] = pyvips.Image.new_from_file(str(path)).numpy()
        return found

    def test_index_maps_are_equal(self, tmp_path, index):
        cv2.imwrite(str(tmp_path / "index.png"), index)
        write_layer(open_index(tmp_path / "index.png"), tmp_path / "a", exact=True, nearest=True)
        assert read_info(tmp_path / "a")["levels"] == 4
        shutil.copytree(tmp_path / "a", tmp_path / "b")
        for path in (tmp_path / "b").rglob("*.png"):
            plain(np.zeros((9, 9, 3), np.uint8)).pngsave(str(path))
        whole = (slice(0, index.shape[0]), slice(0, index.shape[1]))
        cut_tiles(
            lambda part: index[part],
            tmp_path / "b",
            whole,
            lambda small: plain(index_pixels(small)),
            nearest=True,
        )
        renewed, whole = self.tiles_of(tmp_path / "b"), self.tiles_of(tmp_path / "a")
        assert renewed.keys() == whole.keys()
        assert all((renewed[name] == whole[name]).all() for name in whole)

    def test_means_are_close_and_other_tiles_untouched(self, tmp_path, monkeypatch, index):
        monkeypatch.setattr("drpl.serve.work.cutting.STRIP", 50_000)
        picture = cv2.GaussianBlur(index.astype(np.float32), (0, 0), 9).astype(np.uint8)
        write_layer(plain(picture), tmp_path / "a", exact=True)
        before = self.tiles_of(tmp_path / "a")
        changed = (slice(300, 310), slice(520, 540))
        for path in (tmp_path / "a" / "tiles_files" / "3").iterdir():
            path.unlink()
        cut_tiles(lambda part: picture[part], tmp_path / "a", changed, plain)
        after = self.tiles_of(tmp_path / "a")
        deepest = {name.name for name in after if name.parts[1] == "3"}
        assert deepest == {"2_1.png"}
        for name, pixels in after.items():
            assert np.abs(pixels.astype(int) - before[name]).max() <= 2
