"""Screenshots of the page of `drpl serve`: ``python -m docs.tools.page -o docs/images``.

Draws a stack, starts the service, and walks through the page in the system's Chromium.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import pyvips
import typer
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.serve import start
from drpl.io.write import make_folder, write_image
from drpl.scenes.drawn import draw_pair

COUNT = 8
"""Frames of the drawn stack."""
WIDE, NARROW = {"width": 1060, "height": 660}, {"width": 360, "height": 720}
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
TILES = 900
"""Milliseconds to wait for tiles and transitions."""


def draw_stack(count: int = COUNT) -> list[NDArray[np.uint8]]:
    """Draw the scene of `drpl demo` on hilly ground, as a focal stack from near to far.

    Frames have shape (640, 960, 3).
    """
    sharp = draw_pair()[2].astype(np.float32)
    height, width = sharp.shape[:2]
    rows, cols = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    hills = np.exp(-((cols - 0.3) ** 2 + (rows - 0.35) ** 2) / 0.05)
    hills += 0.8 * np.exp(-((cols - 0.75) ** 2 + (rows - 0.7) ** 2) / 0.06)
    ground = 0.55 * hills + 0.45 * rows
    depth = (ground - ground.min()) / np.ptp(ground) * (count - 1)
    blurs = np.arange(0, 7, 1.5)
    blurred = [cv2.GaussianBlur(sharp, (0, 0), blur) if blur else sharp for blur in blurs]
    frames = []
    for focus in range(count):
        level = np.interp(np.abs(depth - focus) * 1.4, blurs, np.arange(len(blurs)))[..., None]
        parts = [np.clip(1 - np.abs(level - n), 0, 1) * one for n, one in enumerate(blurred)]
        frames.append(np.rint(np.sum(parts, axis=0)).astype(np.uint8))
    return frames


def browser_path() -> str:
    """Return the path of the system's Chromium; raise RuntimeError if none is installed."""
    for name in CHROMIUM:
        if found := shutil.which(name):
            return found
    raise RuntimeError(f"no browser found; install one of {', '.join(CHROMIUM)}")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Run the service with an empty store, and yield its address."""
    with (folder / "serve.log").open("w") as log:
        process, port = start(folder / "store", 0, 0, log)
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait()


class Camera:
    """Takes screenshots of pages in a browser, and writes them into a folder."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser, self._folder = browser, folder

    def open(self, address: str, scheme: Any, viewport: Any = WIDE) -> Page:
        """Open an address in a light or dark window."""
        page = self._browser.new_page(
            viewport=viewport, color_scheme=scheme, reduced_motion="reduce"
        )
        page.goto(address)
        return page

    def take(self, page: Page, name: str) -> None:
        """Take a screenshot in 256 colours, to keep the file small."""
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(TILES)
        picture = pyvips.Image.new_from_buffer(page.screenshot(), "")
        picture.pngsave(
            str(self._folder / f"page-{name}.png"), palette=True, dither=0, Q=70, compression=9
        )


def take_run(camera: Camera, address: str, shots: list[Path]) -> str:
    """Take the page from the start to the result, in light colours; return the result's address."""
    page = camera.open(address, "light")
    page.locator(".drop").wait_for()
    camera.take(page, "start")
    page.locator("input[type=file]").first.set_input_files(shots)
    page.locator(".frame.ready").nth(len(shots) - 1).wait_for()
    page.get_by_role("button", name=f"Reference: {shots[2].name}").click()
    page.get_by_role("checkbox", name=f"Use {shots[-1].name}").uncheck()
    camera.take(page, "frames")
    page.get_by_role("checkbox", name=f"Use {shots[-1].name}").check()
    page.get_by_role("button", name=f"Reference: {shots[2].name}").click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("heading", name="Fusing the frames").wait_for()
    camera.take(page, "running")
    page.locator(".result").wait_for()
    done = page.url
    page.get_by_label("Compare with").select_option("frame-0")
    page.get_by_role("slider", name="Divider").wait_for()
    camera.take(page, "compare")
    page.get_by_label("Compare with").select_option("")
    page.get_by_text("Confidence", exact=True).click()
    camera.take(page, "confidence")
    page.get_by_role("tab", name="3D").click()
    page.locator(".relief[data-ready]").wait_for()
    camera.take(page, "relief")
    page.get_by_role("tab", name="View").click()
    page.get_by_text("None", exact=True).click()
    page.get_by_role("tab", name="Report").click()
    camera.take(page, "report")
    page.close()
    return done


def take_result(camera: Camera, done: str) -> None:
    """Take the result in dark colours, and retouched."""
    page = camera.open(done, "dark")
    page.locator(".result").wait_for()
    page.get_by_text("Frames", exact=True).click()
    page.mouse.move(430, 330)
    camera.take(page, "map")
    page.get_by_text("None", exact=True).click()
    page.get_by_role("tab", name="Retouch").click()
    page.locator("#panel-retouch .legend-row").nth(1).click()
    page.wait_for_timeout(TILES)
    page.mouse.move(300, 300)
    page.mouse.down()
    page.mouse.move(420, 340, steps=8)
    page.mouse.up()
    page.get_by_text("1 stroke, kept with the job.").wait_for()
    page.mouse.move(520, 400)
    camera.take(page, "retouch")
    page.get_by_role("tab", name="Save").click()
    camera.take(page, "save")
    page.close()


def take_narrow(camera: Camera, address: str, done: str) -> None:
    """Take start, frames and result on a narrow screen."""
    page = camera.open(address, "light", NARROW)
    page.locator(".job").wait_for()
    camera.take(page, "narrow-start")
    page.close()
    page = camera.open(done, "dark", NARROW)
    page.get_by_text("Frames", exact=True).last.click()
    camera.take(page, "narrow-result")
    page.get_by_role("button", name="Frames").click()
    page.locator(".frame").first.wait_for()
    camera.take(page, "narrow-frames")
    page.close()


def main(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the screenshots.")
    ] = Path("docs/images"),
) -> None:
    """Take screenshots of the page in each of its states."""
    make_folder(output)
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        shots = [folder / f"poster_{number}.png" for number in range(1, COUNT + 1)]
        for path, frame in zip(shots, draw_stack(), strict=True):
            write_image(path, frame)
        browser = playwright.chromium.launch(
            executable_path=browser_path(), args=[*FLAGS, *(["--no-sandbox"] if root else [])]
        )
        with served(folder) as address:
            camera = Camera(browser, output)
            done = take_run(camera, address, shots)
            take_result(camera, done)
            take_narrow(camera, address, done)
        browser.close()


if __name__ == "__main__":
    typer.run(main)
