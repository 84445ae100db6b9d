"""The page and the API over real sockets, with trackers and a judge whose answers are known."""

import concurrent.futures
import json
import os
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from live import FPS, FakeJudge, jpeg, message, open_live, serving, smile_with_rests, watch
from websockets.exceptions import ConnectionClosed

from dfuse_jax.serve import jobs, viewer
from dfuse_jax.serve.access import HEADERS
from dfuse_jax.serve.jobs import Limits

MESSAGES = int(os.environ.get("DFUSE_JAX_MESSAGES", "300"))
UPLOADS = int(os.environ.get("DFUSE_JAX_UPLOADS", "40"))


@pytest.fixture(scope="module")
def site():
    with (
        pytest.MonkeyPatch.context() as patch,
        serving(landmarks=smile_with_rests(), judge=FakeJudge(), uploads=1e6) as running,
    ):
        patch.setattr(viewer, "BURST", 1e6)  # tests are quicker than cameras
        yield running


@pytest.fixture
def address(site):
    return site[0]


def ask(address, path, data=None, method=None, **headers):
    """Returns status, headers and body."""
    request = urllib.request.Request(f"http://{address}{path}", data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def test_the_page_and_its_files_are_served(address):
    for path, kind in [("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css")]:
        status, headers, body = ask(address, path)
        assert status == 200 and headers["content-type"].startswith(kind) and len(body) > 1000
        assert {name.lower(): value for name, value in headers.items()}.items() >= HEADERS.items()


def test_the_page_loads_nothing_from_elsewhere(address):
    page = b"".join(ask(address, path)[2] for path in ("/", "/page.js", "/page.css")).decode()
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page
    assert "cookie" not in ask(address, "/")[1] and "document.cookie" not in page and "localStorage" not in page
    assert "style=" not in page and "onclick=" not in page and "<script>" not in page


def test_what_is_not_there_is_said_in_json(address):
    for path, method, expected in [("/nothing", "GET", 404), ("/v1/analyse", "GET", 405), ("/v1/health", "POST", 405)]:
        status, _, body = ask(address, path, method=method)
        assert status == expected and json.loads(body)["detail"]
    assert ask(address, "/page/../app.py")[0] == 404
    assert ask(address, "/v1/jobs/..%2f..%2fetc%2fpasswd")[0] == 404


def test_health_and_model(address):
    health = json.loads(ask(address, "/v1/health")[2])
    assert health["status"] == "ok" and health["viewers"] == 0
    model = json.loads(ask(address, "/v1/model")[2])
    assert model["name"] == "toy" and model["card"].startswith("# Model card") and "no lie detector" in model["meaning"]


def test_a_smile_gets_one_verdict(site):
    address, services = site
    received = watch(address, [jpeg(96, 96)] * len(smile_with_rests()))
    kinds = [message["type"] for message in received]
    assert kinds[0] == "hello" and len(received[0]["triangles"]) == 3 * 852
    assert (kinds.count("smile"), kinds.count("verdict")) == (1, 1)
    assert kinds.index("smile") < kinds.index("verdict")
    frames = [message for message in received if message["type"] == "frame"]
    assert len(frames) == len(smile_with_rests()) and all(len(frame["points"]) == 956 for frame in frames)
    points = np.array(frames[-1]["points"]).reshape(-1, 2) / received[0]["scale"]
    np.testing.assert_allclose(points, smile_with_rests()[-1, :, :2], atol=1e-4)
    verdict = received[kinds.index("verdict")]
    assert verdict["probability"] == 0.5 and (verdict["lowest"], verdict["highest"]) == (0.25, 0.75)
    assert verdict["judged"] and verdict["models"] == 2 and verdict["cautions"] == ["it is a toy"]
    assert verdict["effects"][0] == {"region": "eye", "phase": "apex", "effect": -0.2}
    assert services.viewers == 0 and all(one.ended for one in services.trackers.taken)


def test_the_verdict_is_there_soon_after_the_end_though_it_takes_long():
    """It takes 0.3 s and is begun ahead: the message of the end is hardly before it."""
    judge = FakeJudge(delay=0.2)
    with serving(landmarks=smile_with_rests(), judge=judge) as (address, _), open_live(address) as mine:
        mine.recv()
        arrived = {}
        for number in range(len(smile_with_rests())):
            mine.send(message(number / FPS, jpeg(96, 96)))
            while (received := json.loads(mine.recv(10)))["type"] != "frame":
                arrived[received["type"]] = time.monotonic()
            time.sleep(1 / FPS)
        assert arrived["verdict"] - arrived["smile"] < 0.15
    assert len(judge.asked) == 1


def test_the_newest_picture_wins(address):
    with open_live(address) as mine:
        mine.recv()
        for number in range(30):
            mine.send(message(float(number), jpeg(96, 96)))
        answered = []
        while not answered or answered[-1] < 29:
            answered.append(json.loads(mine.recv(10))["time"])
    assert answered == sorted(answered) and len(answered) < 30


def test_one_more_viewer_is_told_to_wait():
    with serving(viewers=2) as (address, services):
        with open_live(address) as one, open_live(address) as two:
            assert [json.loads(each.recv())["type"] for each in (one, two)] == ["hello"] * 2
            with open_live(address) as three:
                assert json.loads(three.recv())["type"] == "wait"
                with pytest.raises(ConnectionClosed) as closed:
                    three.recv(5)
                assert closed.value.rcvd.code == viewer.AGAIN
        wait_until(lambda: services.viewers == 0)
        with open_live(address) as again:
            assert json.loads(again.recv())["type"] == "hello"


def wait_until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_all_viewers_are_served_alike():
    with serving(landmarks=smile_with_rests()) as (address, _):
        end = time.monotonic() + 1.5

        def look(_):
            count = 0
            with open_live(address) as mine:
                mine.recv()
                while time.monotonic() < end:
                    mine.send(message(float(count), jpeg(96, 96)))
                    while json.loads(mine.recv(10))["type"] != "frame":
                        pass
                    count += 1
                    time.sleep(0.02)
            return count

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            counts = list(pool.map(look, range(8)))
    assert min(counts) > 0.5 * np.mean(counts)


def test_a_tracker_that_dies_ends_its_own_connection_alone(site):
    address, services = site
    with open_live(address) as one, open_live(address) as two:
        one.recv()
        two.recv()
        services.trackers.taken[-2].alive = False
        one.send(message(0.0, jpeg(96, 96)))
        with pytest.raises(ConnectionClosed) as closed:
            one.recv(5)
        assert closed.value.rcvd.code == viewer.CRASHED
        two.send(message(0.0, jpeg(96, 96)))
        assert json.loads(two.recv(5))["type"] == "frame"


@pytest.mark.parametrize("content", ["text", b"", b"12345678", bytes(9) * 100_000])
def test_messages_of_another_kind_close_the_connection(address, content):
    with open_live(address) as mine:
        mine.recv()
        mine.send(content)
        with pytest.raises(ConnectionClosed) as closed:
            mine.recv(5)
    assert closed.value.rcvd.code in (viewer.POLICY, 1009)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1e300])
def test_a_time_that_is_none_is_refused(address, seconds):
    with open_live(address) as mine:
        mine.recv()
        mine.send(message(0.0, jpeg(96, 96)))
        mine.recv(5)
        mine.send(message(seconds, jpeg(96, 96)))
        assert json.loads(mine.recv(5))["type"] == "refused"


def test_a_flood_closes_the_connection(address, monkeypatch):
    monkeypatch.setattr(viewer, "BURST", 20)
    monkeypatch.setattr(viewer, "PICTURES", 1)

    def flood(mine):
        for number in range(200):
            mine.send(message(float(number), b"x"))
        while True:
            mine.recv(5)

    with open_live(address) as mine, pytest.raises(ConnectionClosed) as closed:
        flood(mine)
    assert closed.value.rcvd.code == viewer.POLICY


def test_who_sends_nothing_loses_the_place(address, monkeypatch):
    monkeypatch.setattr(viewer, "IDLE", 0.1)
    with open_live(address) as mine:
        mine.recv()
        with pytest.raises(ConnectionClosed) as closed:
            mine.recv(5)
    assert closed.value.rcvd.code == viewer.AGAIN


def test_another_page_gets_no_connection(address):
    with pytest.raises(Exception, match="403"), open_live(address, origin="https://evil.example"):
        pass


def test_a_token_is_asked_for():
    with serving(token="right-token-1234", judge=FakeJudge()) as (address, _):
        assert ask(address, "/")[0] == 200 and ask(address, "/v1/health")[0] == 200
        for path, data in [("/v1/model", None), ("/v1/jobs/x", None), ("/v1/analyse", b"x")]:
            status, headers, _ = ask(address, path, data)
            assert status == 401 and headers["www-authenticate"] == "Bearer"
        assert ask(address, "/v1/model", authorization="Bearer right-token-1234")[0] == 200
        with open_live(address, subprotocols=["dfuse", "token.right-token-1234"]) as mine:
            assert json.loads(mine.recv())["type"] == "hello" and mine.subprotocol == "dfuse"
        with pytest.raises(Exception, match="403"), open_live(address, subprotocols=["dfuse", "token.wrong"]):
            pass


# ---- uploads

MP4 = b"\x00\x00\x00\x20ftypisom" + bytes(40)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"not a video at all",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        bytes(100_000),
        b"\x89PNG" + bytes(99),
    ],
)
def test_what_is_no_video_is_not_taken(address, data):
    status, _, body = ask(address, "/v1/analyse", data)
    assert status == 415 and "MP4" in json.loads(body)["detail"]


def test_parameters_are_checked(address):
    for query in ("format=xml", "wait=-1", "wait=soon", "wait=nan", "wait=1e9"):
        assert ask(address, f"/v1/analyse?{query}", MP4)[0] == 422


def test_a_file_that_is_too_large_is_not_received():
    with serving(limits=Limits(bytes=100_000)) as (address, _):
        status, _, body = ask(address, "/v1/analyse", MP4 + bytes(200_000))
        assert status == 413 and "up to 100000" in json.loads(body)["detail"]

        def chunks():  # without a length
            yield MP4
            for _ in range(100):
                yield bytes(10_000)

        try:
            status = ask(address, "/v1/analyse", chunks())[0]
        except (ConnectionError, urllib.error.URLError):  # it is cut off while it still sends
            status = 413
        assert status == 413


def test_a_full_disk_is_not_filled(address, monkeypatch):
    monkeypatch.setattr(jobs.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10})())
    assert ask(address, "/v1/analyse", MP4)[0] == 507


def test_too_many_videos_have_to_wait(site, monkeypatch):
    monkeypatch.setattr(jobs.Jobs, "waiting", 99)
    status, headers, _ = ask(site[0], "/v1/analyse", MP4)
    assert status == 503 and headers["retry-after"] == "30"


def test_too_many_requests():
    with serving(uploads=0.001) as (address, _):
        assert [ask(address, "/v1/analyse", b"no video")[0] for _ in range(12)][9:] == [415, 429, 429]


# ---- noise


def test_noise_from_viewers_changes_nothing(site, capfd):
    """Every kind of message that a hostile page might send: none ends the server, or makes it say a word."""
    address, services = site
    rng = np.random.default_rng(1)
    good = np.frombuffer(message(0.0, jpeg(96, 96)), np.uint8)
    sent = 0
    while sent < MESSAGES:
        with open_live(address) as mine:
            try:
                mine.recv(5)
                for _ in range(min(50, MESSAGES)):
                    data = good.copy()
                    kind = rng.integers(5)
                    if kind == 0:
                        data = rng.integers(0, 256, rng.integers(0, 2000), np.uint8)
                    elif kind == 1:
                        data = data[: rng.integers(0, len(data))]
                    elif kind == 2:
                        data[rng.integers(8, len(data), 5)] = rng.integers(0, 256, 5)
                    elif kind == 3:
                        data[:8] = rng.integers(0, 256, 8)
                    mine.send("a text" if kind == 4 and rng.random() < 0.1 else data.tobytes())
                    sent += 1
            except ConnectionClosed:
                pass
    assert json.loads(ask(address, "/v1/health")[2])["status"] == "ok"
    wait_until(lambda: services.viewers == 0)
    assert all(one.ended for one in services.trackers.taken)
    assert "Traceback" not in "".join(capfd.readouterr())


def test_noise_from_uploads_changes_nothing(site, capfd):
    address, _ = site
    rng = np.random.default_rng(2)
    for _ in range(UPLOADS):
        data = rng.integers(0, 256, rng.integers(0, 5000), np.uint8).tobytes()
        assert ask(address, "/v1/analyse?wait=0", data)[0] == 415
    assert json.loads(ask(address, "/v1/health")[2])["videos"] == 0
    assert "Traceback" not in "".join(capfd.readouterr())
