"""What processes tell each other; of one process everything is told to itself. Two are tried in experiments/."""

import sys

import pytest

from dfuse_jax.runtime import messages
from dfuse_jax.runtime.errors import UserError


class Store:
    """A coordinator that two processes, which take turns in one, share."""

    def __init__(self):
        self.values, self.process = {}, 0

    def size(self):
        return 2

    def rank(self):
        return self.process

    def put(self, key, value):
        assert key not in self.values
        self.values[key] = value

    put_text = put

    def wait(self, key, milliseconds):
        return self.values.get(key)

    def texts(self, folder):
        return {key: value for key, value in self.values.items() if key.startswith(folder)}

    def delete(self, key):
        self.values = {name: value for name, value in self.values.items() if not name.startswith(key)}


@pytest.fixture
def store(monkeypatch):
    store = Store()
    monkeypatch.setattr(messages, "_coordinator", lambda: store)
    monkeypatch.setattr(messages, "_count", 0)
    monkeypatch.setattr(messages, "_own_keys", [])
    monkeypatch.setitem(sys.modules, "jax", sys.modules.get("jax", sys))
    return store


def test_a_single_process_exchanges_with_itself(capsys):
    assert messages.exchange({"a": 1}) == [{"a": 1}]
    assert messages.by_first(max, 3, 5) == 5
    messages.agree("config", {"a": 1})
    messages.say("a line")
    assert capsys.readouterr().out == "a line\n"


def test_long_messages_come_in_parts_and_go_when_all_have_read_them(store, monkeypatch):
    monkeypatch.setattr(messages, "_PART", 10)
    store.process = 1
    messages._send("dfuse/1/1", "from the other, in several parts")
    messages._own_keys.clear()
    store.process = 0
    assert messages.exchange("mine") == ["mine", "from the other, in several parts"]
    assert any(key.startswith("dfuse/1/0") for key in store.values)
    store.process = 1
    messages._send("dfuse/2/1", "again")
    messages._own_keys.remove("dfuse/2/1")
    store.process = 0
    assert messages.exchange("mine") == ["mine", "again"]
    assert not any(key.startswith("dfuse/1/0") for key in store.values)


def test_differences_are_named(store):
    store.process = 1
    messages._send("dfuse/1/1", ["process 1 on there", {"seed": 7, "epochs": 3}])
    store.process = 0
    with pytest.raises(UserError, match=r"process 1 on there has another config than process 0.*seed: 0 there, 7 here"):
        messages.agree("config", {"seed": 0, "epochs": 3})


def test_who_failed_and_why_is_heard(store):
    store.process = 1
    messages.fail(UserError("no such folder"))
    store.process = 0
    with pytest.raises(UserError, match=r"^process 1 on .*: no such folder$"):
        messages.exchange("mine")


def test_only_the_first_prints(store, capsys):
    store.process = 1
    messages.say("nothing")
    assert capsys.readouterr().out == "" and not messages.first()
