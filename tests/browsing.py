"""A real browser for the tests of the page: the system's Chromium, driven by Playwright."""

import os
import shutil
from contextlib import contextmanager

import cv2
import numpy as np

NAMES = ("chromium", "chromium-browser", "google-chrome")
COUNT, HEIGHT, WIDTH = 6, 320, 480
"""Frames of a stack, and their size."""
PATIENCE = 15_000
"""Milliseconds within which anything must have happened."""


def chromium():
    """The system's browser, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def browsing():
    """The browser, without a window; 3D is drawn by software."""
    flags = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    flags += ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    # only where it is used: the tests skip without it
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=flags)
        yield browser
        browser.close()


class Window:
    """One window on the page of a service; notes what it must not do."""

    def __init__(self, browser, url, **about):
        self.url = url
        about = {"viewport": {"width": 1200, "height": 760}, "reduced_motion": "reduce"} | about
        self.context = browser.new_context(**about)
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.complaints = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._watch)

    def _note(self, message):
        # the browser says of every refusal that it was one
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def _watch(self, request):
        if not request.url.startswith((self.url, "blob:", "data:")):
            self.complaints.append(f"asked {request.url}")

    def drop(self, *paths):
        """Drop files or folders on the page, as a hand does."""
        session = self.context.new_cdp_session(self.page)
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            about = {"type": kind, "x": 300, "y": 300, "data": data}
            session.send("Input.dispatchDragEvent", about)
        session.detach()

    def run(self):
        """Run what is laid out, to the result."""
        self.page.get_by_role("button", name="Run", exact=True).click()
        self.page.locator(".result").wait_for()

    def close(self):
        self.context.close()
        assert self.complaints == []


def seen(page, where=".stage"):
    """What stands on the screen there, RGB."""
    shot = np.frombuffer(page.locator(where).screenshot(), np.uint8)
    return cv2.imdecode(shot, cv2.IMREAD_COLOR)[..., ::-1].astype(int)


def settled(page, where=".stage"):
    """What stands there once it stands still."""
    before = seen(page, where)
    for _ in range(100):
        page.wait_for_timeout(120)
        now = seen(page, where)
        if (now == before).all() and np.ptp(now) > 0:
            return now
        before = now
    raise AssertionError("the picture does not come to rest")
