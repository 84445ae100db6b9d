"""The layout in which the authors publish landmarks and folds."""

import json
import os
import shutil
import unicodedata

import numpy as np
import pytest
from layouts import BY_SUBJECT, NAMES, publish, with_nan, write_fold, write_landmarks

from dfuse_jax.data import folds
from dfuse_jax.data.folds import make_folds
from dfuse_jax.data.load import load_dataset
from dfuse_jax.runtime.errors import UserError


def test_the_published_layout_is_read(tmp_path):
    publish(tmp_path, BY_SUBJECT)
    found, folds, notes = load_dataset(str(tmp_path), "uva_nemo")
    assert [s.name for s in found] == sorted(NAMES) and not notes
    assert [s.label for s in found] == [0, 1, 0, 1, 1]
    assert [s.subject for s in found] == ["001", "001", "002", "002", "003"]
    assert {(s.fps, s.image_size) for s in found} == {(50, (1920, 1080))}
    assert [len(s.landmarks) for s in found] == [3, 4, 5, 6, 7]
    assert [list(fold.test) for fold in folds] == [[0, 1], [2, 3], [4]]
    assert [list(fold.train) for fold in folds] == [[2, 3, 4], [0, 1, 4], [0, 1, 2, 3]]


def test_what_a_databases_files_do_not_say_is_known(tmp_path):
    for database, name, expected in [
        ("mmi", "1763", (29, (640, 480), None)),
        ("spos", "spontaneous_nelly-1", (25, (640, 480), "nelly")),
        ("bbc", "Genuine_smilecontent q01", (25, (314, 286), "Genuine_smilecontent q01")),
    ]:
        root = tmp_path / database
        (root / "npy").mkdir(parents=True)
        others = [f"posed_other{i}-1" for i in range(2)]
        for video in [name, *others]:
            np.save(root / "npy" / f"{video}.mp4.npy", np.full((20, 478, 3), 0.5))
        for number, (train, test) in enumerate([([name], others), (others, [name])]):
            (root / "labels" / str(number)).mkdir(parents=True)
            for part, videos in (("train", train), ("test", test)):
                labels = {video: int(video == name) for video in videos}
                (root / "labels" / str(number) / f"{part}.json").write_text(json.dumps(labels))
        found, _, _ = load_dataset(str(root), database)
        sample = next(s for s in found if s.name == name)
        assert (sample.fps, sample.image_size, sample.subject) == expected


def damage(root, what):
    if what == "missing landmarks":
        (root / "npy" / "002_deliberate_smile_1.mp4.npy").unlink()
    elif what == "nothing":
        shutil.rmtree(root / "labels")
        shutil.rmtree(root / "npy")
    elif what == "no JSON":
        (root / "labels" / "2" / "train.json").write_text("{")
    elif what == "bad label":
        (root / "labels" / "2" / "train.json").write_text('{"001_deliberate_smile_1": 3}')
    elif what == "tested twice":
        path = root / "labels" / "2" / "test.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"003_spontaneous_smile_1": 1}))
        path = root / "labels" / "2" / "train.json"
        path.write_text(json.dumps({"001_deliberate_smile_1": 0}))
    elif what == "named twice":
        (root / "labels" / "2" / "train.json").write_text(
            '{"001_deliberate_smile_1": 0, "003_spontaneous_smile_1": 1, "001_deliberate_smile_1": 0}'
        )
    elif what == "list":
        (root / "labels" / "2" / "train.json").write_text('["001_deliberate_smile_1"]')
    elif what == "bytes":
        (root / "labels" / "2" / "train.json").write_bytes(b"\xff\xfe\x00{")
    elif what == "no train.json":
        (root / "labels" / "2" / "train.json").unlink()
    elif what == "nothing to test":
        (root / "labels" / "2" / "test.json").write_text("{}")
    elif what == "never tested":
        (root / "labels" / "2" / "test.json").write_text('{"002_deliberate_smile_1": 0}')
    elif what == "two labels":
        path = root / "labels" / "2" / "train.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"003_spontaneous_smile_1": 0}))
    elif what == "wrong label":
        for path in root.glob("labels/*/*.json"):
            path.write_text(path.read_text().replace('"003_spontaneous_smile_1": 1', '"003_spontaneous_smile_1": 0'))
    elif what == "wrong suffix":
        for path in root.glob("npy/*"):
            path.rename(path.with_name(path.name.replace(".mp4", "")))
    elif what == "no array":
        (root / "npy" / "002_deliberate_smile_1.mp4.npy").write_bytes(b"nothing")
    elif what == "truncated":
        path = root / "npy" / "002_deliberate_smile_1.mp4.npy"
        path.write_bytes(path.read_bytes()[:-100])
    elif what == "header":
        path = root / "npy" / "002_deliberate_smile_1.mp4.npy"
        path.write_bytes(path.read_bytes().replace(b"}", b"("))
    elif what == "empty file":
        (root / "npy" / "002_deliberate_smile_1.mp4.npy").write_bytes(b"")
    elif what == "shape":
        np.save(root / "npy" / "002_deliberate_smile_1.mp4.npy", np.zeros((9, 468, 3)))
    elif what == "no frames":
        np.save(root / "npy" / "002_deliberate_smile_1.mp4.npy", np.zeros((0, 478, 3)))
    elif what == "words":
        np.save(root / "npy" / "002_deliberate_smile_1.mp4.npy", np.full((2, 478, 3), "x"))
    elif what == "objects":
        np.save(root / "npy" / "002_deliberate_smile_1.mp4.npy", np.array([{}], object), allow_pickle=True)
    elif what == "npz":
        with open(root / "npy" / "002_deliberate_smile_1.mp4.npy", "wb") as file:
            np.savez(file, landmarks=np.zeros((9, 478, 3)))
    elif what == "nested":
        (root / "labels" / "2" / "train.json").write_text("[" * 100_000)
    elif what == "pixels":
        np.save(root / "npy" / "002_deliberate_smile_1.mp4.npy", np.full((9, 478, 3), 0.5) * (1920, 1080, 1920))
    elif what == "no face":
        np.save(root / "npy" / "002_deliberate_smile_1.mp4.npy", np.zeros((9, 478, 3)))
    elif what == "complex":
        np.save(root / "npy" / "002_deliberate_smile_1.mp4.npy", np.full((9, 478, 3), 0.5j))
    elif what == "booleans":
        np.save(root / "npy" / "002_deliberate_smile_1.mp4.npy", np.ones((9, 478, 3), bool))
    elif what == "whole numbers":
        np.save(root / "npy" / "002_deliberate_smile_1.mp4.npy", np.ones((9, 478, 3), int))
    elif what == "NaN":
        np.save(root / "npy" / "002_deliberate_smile_1.mp4.npy", with_nan(2, 9))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("missing landmarks", "1 of 5 landmark files are missing, first .*002_deliberate_smile_1.*UvA-NEMO team"),
        ("nothing", "no landmarks in"),
        ("no JSON", "2/train.json: cannot be read as JSON"),
        ("bad label", "2/train.json: expected"),
        ("tested twice", "3: 003_spontaneous_smile_1 is tested here and also in .*2"),
        ("named twice", "2/train.json: 001_deliberate_smile_1 is named twice"),
        ("list", "2/train.json: expected"),
        ("bytes", "2/train.json: cannot be read as JSON"),
        ("no train.json", "labels/2: has no train.json"),
        ("nested", r"2/train.json: cannot be read as JSON \(nested too deeply\)"),
        ("nothing to test", "labels/2: train.json or test.json names no video"),
        ("never tested", "1 videos are in no test.json, first 002_spontaneous_smile_2"),
        ("two labels", "003_spontaneous_smile_1 has label"),
        ("wrong label", "003_spontaneous_smile_1 has label 0, but its name says otherwise"),
        ("wrong suffix", "5 of 5 landmark files are missing.*5 files that do not end in .mp4.npy, such as 001_delib"),
        ("no array", "002_deliberate_smile_1.mp4.npy: cannot be read"),
        ("truncated", "002_deliberate_smile_1.mp4.npy: cannot be read"),
        ("header", "002_deliberate_smile_1.mp4.npy: cannot be read"),
        ("empty file", "002_deliberate_smile_1.mp4.npy: cannot be read"),
        ("words", "002_deliberate_smile_1.mp4.npy: cannot be read"),
        ("objects", "002_deliberate_smile_1.mp4.npy: cannot be read"),
        ("npz", "002_deliberate_smile_1.mp4.npy: cannot be read"),
        ("shape", r"002_deliberate_smile_1: landmarks have shape \(9, 468, 3\)"),
        ("no frames", "002_deliberate_smile_1: has no frames"),
        ("pixels", r"002_deliberate_smile_1.mp4.npy: 002_deliberate_smile_1: x of frame 0 is 960: pixels\?"),
        ("no face", "002_deliberate_smile_1.mp4.npy: 002_deliberate_smile_1: no face in 9 frames"),
        ("complex", "002_deliberate_smile_1.mp4.npy: 002_deliberate_smile_1: landmarks are of type complex128"),
        ("booleans", "002_deliberate_smile_1.mp4.npy: 002_deliberate_smile_1: landmarks are of type bool"),
        ("whole numbers", "002_deliberate_smile_1.mp4.npy: 002_deliberate_smile_1: landmarks are whole numbers"),
        ("NaN", "002_deliberate_smile_1: landmark 9 of frame 2 is NaN"),
    ],
)
def test_bad_published_files_are_named(tmp_path, what, message):
    publish(tmp_path, BY_SUBJECT)
    damage(tmp_path, what)
    with pytest.raises(UserError, match=message):
        load_dataset(str(tmp_path), "uva_nemo")


def test_a_subject_on_both_sides_is_refused(tmp_path):
    publish(tmp_path, [["001_deliberate_smile_1", *BY_SUBJECT[1]], ["001_spontaneous_smile_2", *BY_SUBJECT[2]]])
    with pytest.raises(UserError, match="subject 001 is in both"):
        load_dataset(str(tmp_path), "uva_nemo")


def test_landmarks_in_no_fold_are_left_out_and_told(tmp_path):
    publish(tmp_path, BY_SUBJECT)
    np.save(tmp_path / "npy" / "004_spontaneous_smile_1.mp4.npy", np.full((4, 478, 3), 0.5))
    found = load_dataset(str(tmp_path), "uva_nemo")
    assert len(found.samples) == 5
    assert len(found.notes) == 1 and "1 landmark files are in no fold" in found.notes[0] and "/004_" in found.notes[0]


def test_a_name_that_tells_no_label_is_refused(tmp_path):
    publish(tmp_path, BY_SUBJECT)
    shutil.rmtree(tmp_path / "labels")
    np.save(tmp_path / "npy" / "smile.mp4.npy", np.full((4, 478, 3), 0.5))
    with pytest.raises(UserError, match=r"'smile' is not a name of a UvA-NEMO video.*1 such"):
        load_dataset(str(tmp_path), "uva_nemo")


def test_saved_folds_can_be_read_as_published_ones(tmp_path):
    """And hold what they should: {video: label}."""
    publish(tmp_path, BY_SUBJECT)
    found = load_dataset(str(tmp_path), "uva_nemo")
    made = make_folds([s.label for s in found.samples], [s.subject for s in found.samples], 2)
    folds.save(tmp_path / "made", found.samples, made)
    written = [json.loads((tmp_path / "made" / n / "test.json").read_text()) for n in "12"]
    assert written[0] | written[1] == NAMES and not written[0].keys() & written[1].keys()
    shutil.rmtree(tmp_path / "labels")
    (tmp_path / "made").rename(tmp_path / "labels")
    again = load_dataset(str(tmp_path), "uva_nemo")
    for one, other in zip(again.folds, made, strict=True):
        np.testing.assert_array_equal(one.train, other.train)
        np.testing.assert_array_equal(one.test, other.test)


def test_whom_to_ask_for_a_database_is_told(tmp_path):
    for directory in ("", str(tmp_path / "none"), tmp_path):
        with pytest.raises(UserError, match=r"spos: no .*CMVS, University of Oulu.*npy/<video>\.mp4\.npy") as error:
            load_dataset(directory, "spos")
        assert error.value.remedy == "database"


def test_hidden_files_are_neither_folds_nor_videos(tmp_path):
    publish(tmp_path, BY_SUBJECT)
    expected = load_dataset(tmp_path, "uva_nemo")
    for folder in ("labels/.ipynb_checkpoints", "labels/__MACOSX", "npy/.ipynb_checkpoints"):
        (tmp_path / folder).mkdir()
    (tmp_path / "labels" / "1" / "._test.json").write_bytes(b"\0\5\x16\7")
    (tmp_path / "npy" / "._001_deliberate_smile_1.mp4.npy").write_bytes(b"\0\5\x16\7")
    seen = load_dataset(tmp_path, "uva_nemo")
    assert len(seen.folds) == 3 and seen.notes == ()
    shutil.rmtree(tmp_path / "labels")
    seen = load_dataset(tmp_path, "uva_nemo")
    assert [sample.name for sample in seen.samples] == [sample.name for sample in expected.samples]


LATIN_1 = os.fsdecode(b"Genuine_Jos\xe9")


@pytest.mark.parametrize("labels", [True, False])
def test_a_name_that_is_not_utf8_is_refused(tmp_path, labels):
    write_landmarks(tmp_path, LATIN_1)
    write_landmarks(tmp_path, "posed_Jack")
    if labels:
        write_fold(tmp_path, 1, train={LATIN_1: 1}, test={"posed_Jack": 0})
        write_fold(tmp_path, 2, train={"posed_Jack": 0}, test={LATIN_1: 1})
    with pytest.raises(UserError, match=r"npy/Genuine_Jos\\xe9\.mp4\.npy: the name is not valid UTF-8") as error:
        load_dataset(tmp_path, "bbc")
    str(error.value).encode()


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_file_is_found_whichever_form_its_letters_have(tmp_path, form):
    composed = unicodedata.normalize("NFC", "posed_José-1")
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    write_landmarks(tmp_path, unicodedata.normalize(form, composed))
    write_landmarks(tmp_path, "spontaneous_Jack-1")
    labelled = unicodedata.normalize(other, composed)
    write_fold(tmp_path, 1, train={labelled: 0}, test={"spontaneous_Jack-1": 1})
    write_fold(tmp_path, 2, train={"spontaneous_Jack-1": 1}, test={labelled: 0})
    dataset = load_dataset(tmp_path, "spos")
    assert [(sample.name, sample.subject) for sample in dataset.samples] == [
        (composed, unicodedata.normalize("NFC", "José")),
        ("spontaneous_Jack-1", "Jack"),
    ]
    assert [fold.test.tolist() for fold in dataset.folds] == [[1], [0]]


def test_two_files_that_look_the_same_are_refused(tmp_path):
    for form in ("NFC", "NFD"):
        write_landmarks(tmp_path, unicodedata.normalize(form, "posed_José-1"))
    with pytest.raises(UserError, match="another file has the same name in other Unicode characters"):
        load_dataset(tmp_path, "spos")
