"""The page in a browser: 3D view, screens, colours, contrast and names of controls."""

import cv2
import numpy as np
import pytest

from browsing import HEIGHT, WIDTH, settled

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect


def test_the_relief_turns(open_window, done):
    page = open_window(f"#{done}").page
    page.get_by_role("tab", name="3D").click()
    page.locator(".relief[data-ready]").wait_for()
    first = settled(page)
    assert first.std() > 10
    box = page.locator(".stage").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 330, steps=3)
    page.mouse.up()
    assert np.abs(settled(page) - first).mean() > 3


def test_missing_webgl_is_reported(open_window, done):
    window = open_window()
    window.context.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...about) {"
        " return kind === 'webgl2' ? null : get.call(this, kind, ...about) }"
    )
    page = window.page
    page.goto(f"{window.url}/#{done}")
    page.reload()
    page.get_by_role("tab", name="3D").click()
    expect(page.get_by_text("it has no WebGL 2")).to_be_visible()


def test_fine_screens_show_pixel_for_pixel(open_window, done, page_service):
    client = page_service.client()
    tiff = client.ask("GET", f"/jobs/{done}/download/fused.tif").content
    truth = cv2.imdecode(np.frombuffer(tiff, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)
    page = open_window(f"#{done}", device_scale_factor=2).page
    page.get_by_role("button", name="100 %").click()
    picture = settled(page)
    top, left = (picture.shape[0] - HEIGHT + 1) // 2, (picture.shape[1] - WIDTH + 1) // 2
    assert np.abs(picture[top : top + HEIGHT, left : left + WIDTH] - truth).mean() < 6


def test_two_fingers_zoom(open_window, done):
    window = open_window(f"#{done}", has_touch=True)
    page = window.page
    settled(page)
    before = page.locator("output.zoom").inner_text()
    session = window.context.new_cdp_session(page)
    for kind, apart in (("touchStart", 60), ("touchMove", 90), ("touchMove", 120)):
        points = [{"x": 400 + side * apart, "y": 400, "id": side} for side in (-1, 1)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    after = page.locator("output.zoom").inner_text()
    assert int(after.split()[0]) == pytest.approx(2 * int(before.split()[0]), rel=0.03)


@pytest.mark.parametrize("screen", ["start", "frames", "result"])
def test_narrow_screens_need_no_scrolling_sideways(open_window, done, screen):
    window = open_window(
        "" if screen == "start" else f"#{done}", viewport={"width": 360, "height": 700}
    )
    page = window.page
    if screen == "start":
        page.locator(".past .job").first.wait_for()
    else:
        page.locator(".result").wait_for()
    if screen == "frames":
        page.get_by_role("button", name="Frames").click()
        page.locator(".frame").first.wait_for()
    tabs = page.get_by_role("tab").all() if screen == "result" else [None]
    for tab in tabs:
        if tab is not None:
            tab.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const bytes = (colour) => { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3) };
  const light = (colour) => bytes(colour).map((value) => value / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const probe = document.body.appendChild(document.createElement("p"));
  const named = (name) => { probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color };
  const ratio = (one, other) => { const [a, b] = [light(named(one)), light(named(other))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) };
  const found = {};
  for (const ground of ["ground", "surface", "raised", "tint"])
    for (const ink of ["text", "quiet", "accent"])
      found[`${ink} on ${ground}`] = ratio(ink, ground);
  found["on-accent on accent"] = ratio("on-accent", "accent");
  for (const kind of ["bad", "warn", "good"]) found[kind] = ratio(kind, `${kind}-tint`);
  found["edge, of 3"] = ratio("edge", "surface") * 1.5;
  probe.remove();
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_meets_wcag_aa(open_window, scheme):
    page = open_window(color_scheme=scheme).page
    page.locator(".drop").wait_for()
    ratios = page.evaluate(CONTRAST)
    assert {pair: ratio for pair, ratio in ratios.items() if ratio < 4.5} == {}


def test_the_chosen_colours_are_kept(open_window):
    page = open_window(color_scheme="light").page
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Switch to dark colours").click()
    dark = page.evaluate(ground)
    page.reload()
    page.get_by_role("button", name="Switch to light colours").wait_for()
    assert page.evaluate(ground) == dark != light


NAMELESS = """() => [...document.querySelectorAll("button, a, input, select, canvas[tabindex]")]
  .filter((node) => !node.hidden)
  .filter((node) => !(node.getAttribute("aria-label") || node.textContent.trim() || node.title
    || node.labels?.length)).map((node) => node.outerHTML)"""


def test_every_control_has_a_name(open_window, done):
    page = open_window(f"#{done}").page
    page.locator(".result").wait_for()
    assert page.evaluate(NAMELESS) == []
    page.get_by_role("button", name="Frames").click()
    page.locator(".frame").first.wait_for()
    assert page.evaluate(NAMELESS) == []
