"""Who may ask, and what every answer carries."""

import asyncio
import json
import time

import pytest
from starlette.requests import HTTPConnection

from dfuse_jax.serve.access import HEADERS, Guard, RateLimit, is_allowed, is_local


async def fine(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"fine"})


def ask(headers, path="/", hosts=()):
    """Returns status, headers and body of an answer."""
    sent = []

    async def send(message):
        sent.append(message)

    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": path, "headers": raw, "query_string": b"", "server": ("x", 1)}
    asyncio.run(Guard(fine, hosts)(scope, None, send))
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent)


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST"])
def test_this_machine_is_called_by_its_own_names(host):
    assert ask({"host": host})[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:8000", "", "[", "127.0.0.1.nip.io", "0.0.0.0"]
)
def test_another_name_that_leads_here_is_refused(host):
    """DNS rebinding: the name of a page elsewhere is made to lead to this machine."""
    status, headers, body = ask({"host": host})
    assert status == 403 and "by that name" in json.loads(body)["detail"]
    assert headers["content-security-policy"].startswith("default-src 'none'")


def test_a_public_name_may_be_given():
    assert ask({"host": "smile.example"}, hosts=["smile.example"])[0] == 200
    assert ask({"host": "smile.example"})[0] == 403


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://localhost.evil.example", "null", "file://", "http://["]
)
def test_another_page_may_not_ask(origin):
    assert ask({"host": "localhost", "origin": origin}, path="/v1/analyse")[0] == 403


def test_the_own_page_and_programs_may_ask():
    assert ask({"host": "localhost:8000", "origin": "http://localhost:8000"})[0] == 200
    assert ask({"host": "localhost:8000"}, path="/v1/analyse")[0] == 200
    assert ask({"host": "localhost", "sec-fetch-site": "cross-site"}, path="/v1/health")[0] == 403
    assert ask({"host": "localhost", "sec-fetch-site": "cross-site"})[0] == 200  # a link to the page


def test_every_answer_carries_the_headers():
    headers = ask({"host": "localhost"})[1]
    assert headers.items() >= HEADERS.items()
    assert "unsafe" not in headers["content-security-policy"] and "*" not in headers["content-security-policy"]


def connection(**headers):
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection({"type": "http", "headers": raw})


@pytest.mark.parametrize(
    ("request_", "allowed"),
    [
        (connection(), False),
        (connection(authorization="Bearer right-token-123"), True),
        (connection(authorization="bearer right-token-123"), True),
        (connection(authorization="Bearer wrong"), False),
        (connection(authorization="Basic right-token-123"), False),
        (connection(sec_websocket_protocol="dfuse, token.right-token-123"), True),
        (connection(sec_websocket_protocol="dfuse, token.wrong"), False),
        (connection(authorization="Bearer ü"), False),
    ],
)
def test_a_token_opens_the_door(request_, allowed):
    assert is_allowed(request_, "right-token-123") is allowed
    assert is_allowed(request_, None)


def test_a_rate_may_be_exceeded_for_a_moment(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    limit = RateLimit(rate=2, burst=3)
    assert [limit.take() for _ in range(4)] == [True, True, True, False]
    now[0] = 0.5
    assert [limit.take() for _ in range(2)] == [True, False]


def test_which_addresses_are_of_this_machine_alone():
    assert [is_local(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "192.168.1.2", "::")] == [
        *(True, True, True),
        *(False, False, False),
    ]
