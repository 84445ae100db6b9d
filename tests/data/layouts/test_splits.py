"""Folds in JSON files."""

import unicodedata

import pytest
from layouts import make_sample, write_fold

from dfuse_jax.data.layouts import splits
from dfuse_jax.runtime.errors import UserError


def test_folds_come_in_the_order_of_their_numbers(tmp_path):
    for number in range(1, 12):
        train = {f"v{other}": 1 for other in range(1, 12) if other != number}
        write_fold(tmp_path, number, train=train, test={f"v{number}": 1})
    (tmp_path / "labels" / "README.txt").touch()
    published = splits.read(tmp_path)
    assert [split.path.name for split in published] == [str(number) for number in range(1, 12)]
    assert splits.collect_labels(published) == {f"v{number}": 1 for number in range(1, 12)}
    assert splits.read(tmp_path / "none") == []


def test_folds_hold_the_samples_that_there_are(tmp_path):
    write_fold(tmp_path, 1, train={"c": 0, "d": 1}, test={"b": 1, "a": 0})
    write_fold(tmp_path, 2, train={"b": 1, "a": 0}, test={"d": 1, "c": 0})
    samples = [make_sample(name=name, subject=name) for name in "abd"]
    folds = splits.to_folds(splits.read(tmp_path), samples)
    assert [(fold.train.tolist(), fold.test.tolist()) for fold in folds] == [([2], [0, 1]), ([0, 1], [2])]
    with pytest.raises(UserError, match="labels/1: no video is left to train or to test"):
        splits.to_folds(splits.read(tmp_path), samples[:2])


def test_labels_must_be_those_in_the_names(tmp_path):
    write_fold(tmp_path, 1, train={"posed_a-1": 0}, test={"posed_b-1": 1})
    write_fold(tmp_path, 2, train={"posed_b-1": 1}, test={"posed_a-1": 0})
    published = splits.read(tmp_path)
    splits.check_labels(published, "mmi")  # its names say nothing
    with pytest.raises(UserError, match=r"1/test\.json: posed_b-1 has label 1, but its name says otherwise"):
        splits.check_labels(published, "spos")


def test_a_byte_order_mark_is_no_error(tmp_path):
    write_fold(tmp_path, 1, train={"a": 0}, test={"b": 1})
    write_fold(tmp_path, 2, train={"b": 1}, test={"a": 0})
    expected = splits.read(tmp_path)
    for path in tmp_path.glob("labels/*/*.json"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert splits.read(tmp_path) == expected


def test_two_spellings_of_a_name_are_one(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "José") for form in ("NFC", "NFD"))
    write_fold(tmp_path, 1, train={composed: 0}, test={"b": 1})
    write_fold(tmp_path, 2, train={"b": 1}, test={decomposed: 0})
    assert splits.collect_labels(splits.read(tmp_path)) == {"b": 1, composed: 0}
    write_fold(tmp_path, 3, train={composed: 0, decomposed: 0}, test={"c": 1})
    with pytest.raises(UserError, match=f"3/train.json: {composed} is named twice"):
        splits.read(tmp_path)


def test_a_fold_without_its_files_is_named(tmp_path):
    (tmp_path / "labels" / "1").mkdir(parents=True)
    with pytest.raises(UserError, match=r"labels/1: has no train\.json"):
        splits.read(tmp_path)
    (tmp_path / "labels" / "1" / "train.json").write_text('{"a": 0}')
    with pytest.raises(UserError, match=r"labels/1: has no test\.json"):
        splits.read(tmp_path)
