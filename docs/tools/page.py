"""Pictures of the page in each of its states: ``python -m docs.tools.page -o docs/images``.

Draws a stack, starts `drpl serve`, and goes through the page with the system's Chromium.
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
WIDE, NARROW = {"width": 1060, "height": 660}, {"width": 360, "height": 720}
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
TILES = 900
"""Milliseconds in which tiles come, and transitions end."""


def draw_stack(count: int = COUNT) -> list[NDArray[np.uint8]]:
    """The drawn scene on hilly ground, in frames that are focused one behind the other.

    Returns
    -------
    list of ndarray, shape (640, 960, 3), uint8
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
    """The system's Chromium.

    Raises
    ------
    RuntimeError
        If there is none.
    """
    for name in CHROMIUM:
        if found := shutil.which(name):
            return found
    raise RuntimeError(f"no browser found; install one of {', '.join(CHROMIUM)}")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A service with an empty store: its address."""
    with (folder / "serve.log").open("w") as log:
        process, port = start(folder / "store", 0, 0, log)
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait()


class Camera:
    """Takes pictures of pages.

    Parameters
    ----------
    browser : Browser
    folder : Path
        Where pictures go.
    """

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser, self._folder = browser, folder

    def open(self, address: str, scheme: Any, viewport: Any = WIDE) -> Page:
        """A window in light or dark."""
        page = self._browser.new_page(
            viewport=viewport, color_scheme=scheme, reduced_motion="reduce"
        )
        page.goto(address)
        return page

    def take(self, page: Page, name: str) -> None:
        """Take a picture, in 256 colours: small enough for a repository."""
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(TILES)
        picture = pyvips.Image.new_from_buffer(page.screenshot(), "")
        picture.pngsave(
            str(self._folder / f"page-{name}.png"), palette=True, dither=0, Q=70, compression=9
        )


def go_through(camera: Camera, address: str, shots: list[Path]) -> str:
    """From the start to the result, in light colours; gives the address of the result."""
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


def go_on(camera: Camera, done: str) -> None:
    """The result in dark colours, and retouched."""
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


def on_narrow_screens(camera: Camera, address: str, done: str) -> None:
    """Start, frames and result where there is little room."""
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
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the pictures.")] = Path(
        "docs/images"
    ),
) -> None:
    """Photograph the page."""
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
            done = go_through(camera, address, shots)
            go_on(camera, done)
            on_narrow_screens(camera, address, done)
        browser.close()


if __name__ == "__main__":
    typer.run(main)
