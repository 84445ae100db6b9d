"""The page in a real browser, whose camera shows a clip in a loop."""

import os
import pathlib
import signal
import time

import pytest
from cameras import Proxy, children, read_video, served, wait_for, wait_for_state, watching, write_camera
from real_clips import real_clip
from scripts import launch

from dfuse_jax.data import synthetic
from dfuse_jax.data.synthetic import render

pytestmark = pytest.mark.slow

SHOTS = os.environ.get("DFUSE_JAX_SCREENSHOTS")  # a folder, to look at what the tests see
DEMO = ["--config=hadamard", "--config.cv.folds=2", "--config.train.epochs=15"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The demo with two folds."""
    folder = tmp_path_factory.mktemp("demo") / "run"
    done = launch("cv", *DEMO, "--workdir", folder, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def site(model):
    with served(f"--checkpoint={model}") as (address, process):
        yield address, process


@pytest.fixture(scope="module")
def single_face(tmp_path_factory):
    path = tmp_path_factory.mktemp("camera") / "single_face.y4m"
    return path, write_camera(path, read_video(real_clip("single_face.mp4")), 30)


def shoot(page, name):
    if SHOTS:
        pathlib.Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def count(page, what):
    return page.evaluate(f"live.{what}")


def test_a_real_smile_gets_one_verdict_a_loop(site, single_face):
    camera, seconds = single_face
    with watching(site[0], camera) as page:
        wait_for_state(page, "watching")
        wait_for(page, "live.verdicts === 1", seconds=60)
        before = time.monotonic()
        wait_for(page, "live.verdicts === 3", seconds=60)
        loops = (time.monotonic() - before) / seconds
        shoot(page, "single_face")
        assert loops == pytest.approx(2, abs=0.25)
        cards = page.get_by_role("article")
        assert cards.count() == 3 and count(page, "smiles") == 3
        assert "no lie detector" in cards.first.inner_text() or "Not judged" in cards.first.inner_text()
        assert "final" in page.locator(".legend").inner_text()


def test_the_test_pattern_is_no_face(site):
    with watching(site[0]) as page:
        wait_for_state(page, "no-face")
        assert "No face is seen" in page.get_by_role("status").inner_text()
        time.sleep(2)
        assert count(page, "smiles") == 0 and count(page, "answered") > 10
        shoot(page, "pattern")


@pytest.mark.parametrize("label", [1, 0], ids=["spontaneous", "posed"])
def test_drawn_smiles_are_told_apart(site, label, tmp_path):
    """Of a face that the model has not seen, the kinds at their most different."""
    sample = next(s for s in synthetic.generate(2, 1, seed=77, fps=(25.0,), difference=2.0) if s.label == label)
    camera = tmp_path / "drawn.y4m"
    write_camera(camera, render.frames(sample), 25)
    with watching(site[0], camera) as page:
        wait_for(page, "live.verdicts >= 1", seconds=90)
        shoot(page, f"drawn_{label}")
        number = page.locator("article .number").first.inner_text(timeout=1000)
        assert (int(number.rstrip("%")) > 50) == bool(label)


def test_a_camera_that_is_refused(site):
    refuse = """() => {
        navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
    }"""
    with watching(site[0], press=False) as page:
        page.evaluate(refuse)
        page.get_by_role("button").click()
        wait_for_state(page, "refused")
        assert "Allow it" in page.get_by_role("status").inner_text()
        assert page.get_by_role("button", name="Start the camera").is_visible()
        page.evaluate(refuse.replace("NotAllowedError", "NotFoundError"))
        page.get_by_role("button").click()
        wait_for_state(page, "no-camera")
        shoot(page, "refused")


def test_the_connection_is_lost_and_comes_back(single_face, tmp_path):
    """A proxy between browser and server is stopped, and started again."""
    with served() as (address, _):
        proxy = Proxy(int(address.rsplit(":", 1)[1]))
        with watching(f"http://localhost:{proxy.port}", single_face[0]) as page:
            wait_for_state(page, "watching")
            wait_for(page, "live.answered > 10", seconds=60)
            proxy.cut()
            wait_for_state(page, "lost")
            shoot(page, "lost")
            proxy.resume()
            wait_for_state(page, "watching", seconds=30)
            before = count(page, "answered")
            wait_for(page, f"live.answered > {before + 10}", seconds=60)
        proxy.cut()


def test_a_hidden_page_sends_nothing(site, single_face):
    hide = """(hidden) => {
        Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    with watching(site[0], single_face[0]) as page:
        wait_for(page, "live.answered > 10", seconds=60)
        page.evaluate(hide, True)
        wait_for_state(page, "hidden")
        time.sleep(0.5)
        before = count(page, "answered")
        time.sleep(1.5)
        assert count(page, "answered") == before
        page.evaluate(hide, False)
        wait_for(page, f"live.answered > {before + 10}", seconds=30)


def test_it_fits_a_phone(site, single_face):
    with watching(
        site[0], single_face[0], viewport={"width": 390, "height": 844}, has_touch=True, color_scheme="dark"
    ) as page:
        wait_for(page, "live.verdicts >= 1", seconds=60)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.get_by_role("button", name="Stop").bounding_box()["height"] >= 44
        shoot(page, "phone_dark")


def test_it_is_used_by_keyboard_and_heard(site, single_face):
    with watching(site[0], single_face[0], press=False) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "toggle"
        page.keyboard.press("Enter")
        wait_for_state(page, "watching")
        tree = page.locator("body").aria_snapshot()
        assert 'button "Stop"' in tree and "status" in tree and 'heading "Smiles"' in tree
        assert page.locator("#verdicts").get_attribute("aria-live") == "polite"
        page.keyboard.press("Enter")
        wait_for_state(page, "idle")


def test_a_tracker_that_is_killed_ends_its_own_connection_alone(site, single_face):
    """The other viewer's pictures go on; the one whose tracker died gets a new one."""
    address, process = site
    with watching(address, single_face[0]) as one:
        wait_for(one, "live.answered > 10", seconds=60)
        for pid in children(process.pid, "serve.tracker"):
            os.kill(pid, signal.SIGKILL)
        before = count(one, "answered")
        wait_for(one, f"live.answered > {before + 20}", seconds=60)


def test_nothing_is_left_when_the_server_is_killed(tmp_path):
    environment = {"TMPDIR": str(tmp_path)}
    os.environ |= environment
    try:
        with served() as (_, process):
            assert len(list(tmp_path.glob("dfuse_serve-*"))) == 1
            process.kill()
        with served():  # it removes what the killed one left
            (folder,) = tmp_path.glob("dfuse_serve-*")
            assert str(process.pid) not in folder.name
    finally:
        del os.environ["TMPDIR"]
