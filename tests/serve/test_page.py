"""The page in a browser: from dropped frames to saved results."""

import json
import re

import cv2
import numpy as np
import pytest

from browsing import COUNT, HEIGHT, WIDTH, seen, settled
from drpl.core.options import FusionOptions
from fusing import fuse_to
from serving import slow_stack

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect


def cards(page):
    return page.locator(".frame-name").all_inner_texts()


def fused_by_the_terminal(folder, names, options, **how):
    output = folder.parent / "terminal.tif"
    fuse_to([folder / name for name in names], output, options, overwrite=True, **how)
    return output.read_bytes()


def fuse_shots(window, shots, names):
    """Drop the stack and fuse it with a preset and an option; return the options."""
    page = window.page
    expect(page.get_by_text("One picture, sharp everywhere")).to_be_visible()
    window.drop(shots)
    expect(page.locator(".frame.ready")).to_have_count(COUNT)
    assert cards(page) == names
    expect(page.get_by_text(f"{COUNT} frames · {WIDTH} \u00d7 {HEIGHT}, 8 bits")).to_be_visible()
    page.get_by_label("Preset").select_option("microscope")
    page.get_by_text("More options").click()
    page.get_by_label("Compose").select_option("pyramid")
    window.run()
    return FusionOptions(motion="similarity", exposure=False, compose="pyramid")


def compare_with_a_frame(page, picture, box, left):
    """Drag the divider, then move it by key."""
    page.get_by_label("Compare with").select_option("frame-0")
    divider = page.get_by_role("slider", name="Divider")
    expect(divider).to_be_visible()
    middle = box["x"] + box["width"] / 2
    page.mouse.move(middle, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(middle - 150, box["y"] + 120, steps=4)
    page.mouse.up()
    column = round(box["width"] / 2 - 150)
    halves = np.abs(settled(page) - picture).mean(axis=(0, 2))
    assert halves[left : column - 20].max() < 1
    assert halves[column + 20 : left + WIDTH].mean() > 8
    divider.press("End")
    expect(divider).to_have_attribute("aria-valuenow", "100")
    page.get_by_label("Compare with").select_option("")


def show_index_map(page, picture, box, corner):
    """Show the index map; legend and status line name the frame under the pointer."""
    top, left = corner
    page.get_by_text("Frames", exact=True).click()
    rows = page.locator("#panel-look .legend-row")
    expect(rows).to_have_count(COUNT)
    assert np.abs(settled(page) - picture).mean() > 10
    page.mouse.move(box["x"] + left + 20, box["y"] + top + 100)
    expect(page.locator(".stage-status")).to_contain_text("from frame 1, ant_7.png")
    expect(rows.nth(0)).to_have_class("legend-row under")
    page.get_by_text("None", exact=True).click()


def paint(page, picture, names, box, corner):
    """Paint a stroke of the last frame where the first one is sharp; undo and redo it."""
    top, left = corner
    page.get_by_role("tab", name="Retouch").click()
    page.locator("#panel-retouch .legend-row").nth(COUNT - 1).click()
    page.mouse.move(box["x"] + left + 40, box["y"] + top + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + left + 90, box["y"] + top + 140, steps=5)
    live = seen(page)
    page.mouse.up()
    expect(page.get_by_text("1 stroke, kept with the job.")).to_be_visible()
    # the pointer rests on the stroke
    expect(page.locator(".stage-status")).to_contain_text(f"from frame {COUNT}, {names[-1]}")
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    retouched = settled(page)
    at = (slice(top + 115, top + 125), slice(left + 60, left + 70))
    assert np.abs(retouched[at] - picture[at]).mean() > 8
    assert np.abs(retouched[at] - live[at]).mean() < 4
    far = (slice(top + 200, top + HEIGHT), slice(left + 200, left + WIDTH))
    assert np.abs(retouched[far] - picture[far]).mean() < 0.5
    page.keyboard.press("Control+z")
    expect(page.get_by_text("Paint where another frame is better.")).to_be_visible()
    assert np.abs(settled(page) - picture).mean() < 0.5
    page.keyboard.press("Control+Shift+Z")
    expect(page.get_by_text("1 stroke, kept with the job.")).to_be_visible()


def saved(page, name):
    """Return the file that a row of the Save tab downloads, as bytes."""
    with page.expect_download() as waiting:
        page.locator(".save-row:visible", has_text=name).click()
    return waiting.value.path().read_bytes()


def test_from_the_drop_to_the_download(open_window, shots, names, tmp_path):
    window = open_window()
    page = window.page
    options = fuse_shots(window, shots, names)
    unretouched = fused_by_the_terminal(shots, names, options)
    truth = cv2.imdecode(np.frombuffer(unretouched, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]

    page.get_by_role("button", name="100 %").click()
    picture = settled(page)
    top, left = (picture.shape[0] - HEIGHT + 1) // 2, (picture.shape[1] - WIDTH + 1) // 2
    part = picture[top : top + HEIGHT, left : left + WIDTH]
    # tiles are JPEGs; a picture shifted by a pixel would differ by 30
    assert np.abs(part - truth).mean() < 6

    box = page.locator(".stage").bounding_box()
    compare_with_a_frame(page, picture, box, left)
    show_index_map(page, picture, box, (top, left))
    paint(page, picture, names, box, (top, left))

    page.get_by_role("tab", name="Save").click()
    tiff = saved(page, "TIFF")
    edits = tmp_path / "edits.json"
    edits.write_bytes(saved(page, "Edit list"))
    assert len(json.loads(edits.read_text())["strokes"]) == 1
    retouched = fused_by_the_terminal(shots, names, options, edits=edits)
    assert tiff == retouched
    assert retouched != unretouched


def test_the_saved_picture_equals_that_of_the_terminal(
    open_window, page_service, done, shots, names
):
    page = open_window(f"#{done}").page
    page.get_by_role("tab", name="Save").click()
    assert saved(page, "TIFF") == fused_by_the_terminal(shots, names, FusionOptions())
    command = page.locator(".command").inner_text()
    assert command == f"drpl fuse {' '.join(names)} -o fused.tif"


def test_frames_are_arranged_by_hand(open_window, shots, names, page_service):
    window = open_window()
    page = window.page
    window.drop(*(shots / name for name in names[:4]))
    expect(page.locator(".frame.ready")).to_have_count(4)
    first, third = (page.locator(".frame-picture").nth(place).bounding_box() for place in (0, 2))
    page.mouse.move(first["x"] + 60, first["y"] + 60)
    page.mouse.down()
    page.mouse.move(third["x"] + 60, third["y"] + 50, steps=6)
    page.mouse.up()
    assert cards(page) == [names[1], names[2], names[0], names[3]]
    page.get_by_role("checkbox", name=f"Use {names[3]}").uncheck()
    page.get_by_role("button", name=f"Reference: {names[2]}").click()
    page.reload()  # the arrangement is kept
    expect(page.locator(".frame.ready")).to_have_count(4)
    assert cards(page) == [names[1], names[2], names[0], names[3]]
    expect(page.get_by_text("3 of 4 frames")).to_be_visible()
    window.run()
    job = page_service.client().get(f"/jobs/{page.url.split('#')[1]}")
    frames = {frame["n"]: frame["name"] for frame in job["frames"]}
    assert [frames[n] for n in job["order"]] == [names[1], names[2], names[0]]
    assert frames[job["reference"]] == names[2]


def test_broken_files_are_refused_and_the_others_are_fused(open_window, shots, names, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    (tmp_path / "notes.txt").write_text("not a picture")
    window = open_window()
    page = window.page
    window.drop(shots / names[0], tmp_path / "broken.png", tmp_path / "notes.txt", shots / names[1])
    expect(page.locator(".frame.ready")).to_have_count(2)
    refusals = page.locator(".refusals .notice")
    expect(refusals).to_have_count(2)
    expect(refusals.filter(has_text="broken.png")).to_have_count(1)
    expect(refusals.filter(has_text="notes.txt is not a picture that can be read")).to_have_count(1)
    refusals.filter(has_text="notes.txt").get_by_role("button").click()
    expect(refusals).to_have_count(1)
    window.run()


def test_a_frame_of_another_size_is_marked(open_window, shots, names, tmp_path):
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((40, 60, 3), np.uint8))
    window = open_window()
    page = window.page
    window.drop(shots / names[0], shots / names[1], tmp_path / "small.png")
    expect(page.locator(".frame.odd")).to_have_count(1)
    run = page.get_by_role("button", name="Run", exact=True)
    expect(run).to_have_attribute("aria-disabled", "true")
    expect(run).to_have_accessible_description(re.compile("leave out the marked ones"))
    page.get_by_role("button", name="Leave out", exact=True).click()
    window.run()


def start_slow_job(window, tmp_path):
    """Start a job that takes a while."""
    for name, content in slow_stack().items():
        (tmp_path / name).write_bytes(content)
    window.drop(*(tmp_path / name for name in slow_stack()))
    page = window.page
    expect(page.locator(".frame.ready")).to_have_count(2)
    page.get_by_role("combobox", name="Method").select_option("drpl")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("heading", name="Fusing the frames")).to_be_visible()


def test_a_cancelled_job_runs_again(open_window, tmp_path):
    window = open_window()
    start_slow_job(window, tmp_path)
    page = window.page
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("The frames are still here")).to_be_visible()
    page.get_by_role("combobox", name="Method").select_option("drpl-fast")
    window.run()
    expect(page.get_by_role("tab", name="View")).to_be_visible()


def test_two_jobs_run_at_once_and_survive_a_reload(open_window, shots, tmp_path):
    one, other = open_window(), open_window()
    start_slow_job(one, tmp_path)
    one.page.reload()
    expect(one.page.get_by_role("button", name="Cancel")).to_be_visible()
    other.drop(shots)
    expect(other.page.locator(".frame.ready")).to_have_count(COUNT)
    other.run()
    third = open_window().page
    expect(third.locator(".past")).to_contain_text("slow_a")
    expect(third.locator(".past")).to_contain_text("ants")
    one.page.locator(".result").wait_for()
    assert one.page.url != other.page.url


def test_the_keyboard_is_enough(open_window, page_service, done):
    page = open_window().page
    page.get_by_role("button", name="Try the built-in scene").focus()
    page.keyboard.press("Enter")
    frames = page.locator(".frame.ready .frame-picture")
    expect(frames).to_have_count(2)
    before = cards(page)
    frames.nth(0).focus()
    page.keyboard.press("Alt+ArrowRight")
    assert cards(page) == before[::-1]
    page.keyboard.press("r")
    expect(page.locator(".frame.reference .frame-name")).to_have_text(before[0])
    page.keyboard.press("Space")
    expect(page.locator(".frame.unused")).to_have_count(1)
    page.keyboard.press("Space")
    expect(page.locator(".frame.unused")).to_have_count(0)
    while page.evaluate("document.activeElement.textContent") != "Run":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator(".result").wait_for()
    whole = settled(page)
    zoom = page.locator("output.zoom")
    for key, words in (("1", "100 %"), ("+", "125 %"), ("-", "100 %")):
        page.keyboard.press(key)
        expect(zoom).to_have_text(words)
    page.keyboard.press("0")
    assert (settled(page) == whole).all()
    page.keyboard.press("m")
    expect(page.locator("#panel-look .legend")).to_be_visible()
    page.keyboard.press("c")
    expect(page.get_by_role("slider", name="Divider")).to_be_visible()
    page.keyboard.press("c")
    page.keyboard.press("b")
    expect(page.get_by_role("tab", name="Retouch")).to_have_attribute("aria-selected", "true")
    page.locator(".stage canvas").first.focus()
    page.keyboard.press("]")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 stroke, kept with the job.")).to_be_visible()
    page.keyboard.press("Control+z")
    expect(page.get_by_text("Paint where another frame is better.")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Retouch").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="3D")).to_be_focused()
    page.locator(".relief[data-ready]").wait_for()


def test_an_edit_list_is_opened_and_the_chosen_frame_is_shown(
    open_window, page_service, shots, names, tmp_path
):
    client = page_service.client()
    job = client.run({name: (shots / name).read_bytes() for name in names[:2]})
    client.wait(job, "done")
    stroke = {"frame": 1, "radius": 30, "softness": 0.2, "points": [[60, 80], [90, 90]]}
    edits = {"edits": 1, "size": [WIDTH, HEIGHT], "strokes": [stroke]}
    (tmp_path / "edits.json").write_text(json.dumps(edits))
    (tmp_path / "other.json").write_text(json.dumps(edits | {"size": [10, 10]}))
    page = open_window(f"#{job}").page
    page.get_by_role("tab", name="Retouch").click()
    field = page.locator("#panel-retouch input[type=file]")
    field.set_input_files(tmp_path / "other.json")
    expect(page.get_by_text("This edit list is for a result of 10")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    before = settled(page)
    field.set_input_files(tmp_path / "edits.json")
    expect(page.get_by_text("1 stroke, kept with the job.")).to_be_visible()
    retouched = settled(page)
    assert np.abs(retouched - before).max() > 30
    page.keyboard.down("f")  # shows the chosen frame while held
    assert np.abs(settled(page) - retouched).mean() > 1.5
    page.keyboard.up("f")
    assert (settled(page) == retouched).all()
    page.reload()
    page.get_by_role("tab", name="Retouch").click()
    expect(page.get_by_text("1 stroke, kept with the job.")).to_be_visible()
    assert np.abs(settled(page) - retouched).mean() < 0.5


def test_a_lost_service_is_reported_until_it_answers(open_window, shots, names):
    window = open_window()
    page = window.page
    window.drop(shots / names[0])
    expect(page.locator(".frame.ready")).to_have_count(1)
    window.context.set_offline(True)
    window.drop(shots / names[1])
    expect(page.get_by_text("The service does not answer. Trying again")).to_be_visible()
    window.context.set_offline(False)
    expect(page.get_by_text("The service answers again.")).to_be_visible()
    expect(page.locator(".frame.ready")).to_have_count(2)


def test_a_missing_job_is_reported(open_window):
    page = open_window("#" + 32 * "0").page
    expect(page.get_by_role("heading", name="This job is no longer here.")).to_be_visible()
