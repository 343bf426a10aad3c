"""Browser for the tests of the page: the system's Chromium, driven by Playwright."""

import os
import shutil
from contextlib import contextmanager

import cv2
import numpy as np

NAMES = ("chromium", "chromium-browser", "google-chrome")
COUNT, HEIGHT, WIDTH = 6, 320, 480
"""Number of frames in a stack, and their size in pixels."""
PATIENCE = 15_000
"""Milliseconds to wait for anything before a test fails."""


def chromium():
    """Return the path of the system's browser; None if there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def browsing():
    """Run the browser without a window, with 3D drawn by software."""
    flags = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    flags += ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    # imported late: the tests are skipped without it
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=flags)
        yield browser
        browser.close()


class Window:
    """Window on the page of a service; lists errors and requests to other sites."""

    def __init__(self, browser, url, **options):
        self.url = url
        usual = {"viewport": {"width": 1200, "height": 760}, "reduced_motion": "reduce"}
        self.context = browser.new_context(**usual | options)
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.complaints = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._watch)

    def _note(self, message):
        # the browser reports every refused request by itself
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def _watch(self, request):
        if not request.url.startswith((self.url, "blob:", "data:")):
            self.complaints.append(f"requested {request.url}")

    def drop(self, *paths):
        """Drop files or folders on the page."""
        session = self.context.new_cdp_session(self.page)
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            event = {"type": kind, "x": 300, "y": 300, "data": data}
            session.send("Input.dispatchDragEvent", event)
        session.detach()

    def run(self):
        """Fuse the arranged frames and wait for the result."""
        self.page.get_by_role("button", name="Run", exact=True).click()
        self.page.locator(".result").wait_for()

    def close(self):
        self.context.close()
        assert self.complaints == []


def seen(page, where=".stage"):
    """Return a screenshot of an element: RGB, shape (H, W, 3)."""
    shot = np.frombuffer(page.locator(where).screenshot(), np.uint8)
    return cv2.imdecode(shot, cv2.IMREAD_COLOR)[..., ::-1].astype(int)


def settled(page, where=".stage"):
    """Return a screenshot of an element once it no longer changes."""
    before = seen(page, where)
    for _ in range(100):
        page.wait_for_timeout(120)
        now = seen(page, where)
        if (now == before).all() and np.ptp(now) > 0:
            return now
        before = now
    raise AssertionError("the picture keeps changing")
