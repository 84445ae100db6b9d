"""Samples, folds and the published layout."""

import json
import shutil

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ml_collections import ConfigDict

from dfuse_jax import dmarkers
from dfuse_jax.data import features, samples, synthetic
from dfuse_jax.data.folds import make_folds, make_replicas
from dfuse_jax.data.readers import load, read
from dfuse_jax.data.samples import Sample
from dfuse_jax.errors import UserError


def people(rng, count):
    """Labels and subjects of `count` people with 1 to 4 videos each."""
    videos = rng.integers(1, 5, count)
    subjects = np.repeat([f"s{i}" for i in range(count)], videos)
    labels = rng.integers(0, 2, len(subjects))
    labels[:2] = [0, 1]
    return labels, subjects


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(8, 40), st.integers(2, 4))
def test_no_subject_is_on_two_sides(seed, count, k):
    labels, subjects = people(np.random.default_rng(seed), count)
    folds = make_folds(labels, subjects, k, seed=seed)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(labels)))
    replicas = make_replicas(folds, labels, subjects, runs=2, validation_share=0.25, seed=seed)
    assert len(replicas) == 2 * 2 * k
    for replica in replicas:
        parts = [replica.train, replica.val, replica.test]
        assert sorted(np.concatenate(parts)) == list(range(len(labels)))
        groups = [set(subjects[part]) for part in parts]
        assert sum(map(len, groups)) == count
        if replica.validated:
            assert 0.05 < len(replica.val) / len(np.concatenate(parts[:2])) < 0.6
    assert sum(replica.validated for replica in replicas) == 2 * k


def test_folds_are_stratified_and_repeat():
    subjects = [f"{i:02d}" for i in range(50) for _ in range(4)]
    labels = np.array([0, 1, 1, 1] * 50)
    first, second = make_folds(labels, subjects, 5, seed=3), make_folds(labels, subjects, 5, seed=3)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.test, b.test)
        assert len(a.test) == 40 and labels[a.test].mean() == 0.75
    other = make_folds(labels, subjects, 5, seed=4)
    assert any(set(a.test) != set(b.test) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    ("labels", "subjects", "k", "message"),
    [
        ([0, 1] * 3, ["a", "a", "b", "b", "c", "c"], 4, "4 folds of 3 subjects.*from 2 to 3"),
        ([1] * 6, list("abcdef"), 3, "same label"),
    ],
)
def test_impossible_folds_are_refused(labels, subjects, k, message):
    with pytest.raises(UserError, match=message):
        make_folds(labels, subjects, k)


def make_sample(**changes):
    landmarks = np.random.default_rng(0).uniform(size=(7, 478, 3)).astype(np.float32)
    fields = {"name": "v", "landmarks": landmarks, "fps": 25.0, "image_size": (640, 480), "label": 1, "subject": "s"}
    return Sample(**(fields | changes))


def test_a_sample_is_read_as_it_was_written(tmp_path):
    for sample in (make_sample(), make_sample(label=None, subject=None)):
        samples.save(sample, tmp_path / "s.npz")
        back = samples.load(tmp_path / "s.npz")
        np.testing.assert_array_equal(back.landmarks, sample.landmarks)
        assert (back.name, back.fps, back.image_size, back.label, back.subject) == (
            sample.name,
            sample.fps,
            sample.image_size,
            sample.label,
            sample.subject,
        )
        assert back.aspect == 0.75


def with_nan(frame, landmark):
    landmarks = np.zeros((7, 478, 3), np.float32)
    landmarks[frame, landmark, 2] = np.nan
    return landmarks


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"landmarks": with_nan(3, 77)}, "landmark 77 of frame 3 is NaN"),
        ({"landmarks": np.zeros((0, 478, 3))}, "no frames"),
        ({"landmarks": np.zeros((5, 468, 3))}, r"\(5, 468, 3\).*478"),
        ({"fps": 0.0}, "frame rate is 0.0"),
        ({"image_size": (0, 480)}, "image size"),
        ({"label": 2}, "label is 2"),
    ],
)
def test_a_bad_sample_is_named(changes, message):
    with pytest.raises(UserError, match=message):
        samples.validate(make_sample(**changes))


def test_a_damaged_sample_file_is_named(tmp_path):
    samples.save(make_sample(), tmp_path / "s.npz")
    whole = (tmp_path / "s.npz").read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"text"):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(UserError, match=r"bad\.npz: not a sample file"):
            samples.load(tmp_path / "bad.npz")
    with pytest.raises(UserError, match="no such file"):
        samples.load(tmp_path / "none.npz")


def test_dmarkers_of_padded_videos_are_those_of_each_alone():
    videos = synthetic.generate(4, 2, seed=5, frames=(20, 60))
    together = features.compute(videos, smoothing="4253H")
    compute = jax.jit(dmarkers.compute, static_argnames=("definition", "smoothing"))
    for row, video in zip(together, videos, strict=True):
        alone = compute(video.landmarks, video.fps, aspect=video.aspect, smoothing="4253H")
        np.testing.assert_allclose(
            row, alone, rtol=1e-3, atol=1e-3
        )  # float32; accelerations are differences twice over
    published = features.compute(videos, definition="authors")
    alone = compute(samples.scale(videos[1].landmarks), 1.0, definition="authors")
    np.testing.assert_allclose(published[1], alone, rtol=1e-3, atol=1e-3)


NAMES = {
    "001_deliberate_smile_1": 0,
    "001_spontaneous_smile_2": 1,
    "002_deliberate_smile_1": 0,
    "002_spontaneous_smile_2": 1,
    "003_spontaneous_smile_1": 1,
}


def publish(root, test_parts):
    """Writes the published layout: folds that test the given names."""
    (root / "npy").mkdir()
    for number, name in enumerate(NAMES):
        np.save(root / "npy" / f"{name}.mp4.npy", np.full((number + 3, 478, 3), 0.5))
    for number, test in enumerate(test_parts, 1):
        folder = root / "labels" / str(number)
        folder.mkdir(parents=True)
        (folder / "test.json").write_text(json.dumps({name: NAMES[name] for name in test}))
        (folder / "train.json").write_text(json.dumps({name: y for name, y in NAMES.items() if name not in test}))


BY_SUBJECT = [[name for name in NAMES if name.startswith(subject)] for subject in ("001", "002", "003")]


def test_the_published_layout_is_read(tmp_path):
    publish(tmp_path, BY_SUBJECT)
    found, folds, note = load(str(tmp_path), "uva_nemo")
    assert [s.name for s in found] == sorted(NAMES) and not note
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
        found, _, _ = load(str(root), database)
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
    elif what == "no array":
        (root / "npy" / "002_deliberate_smile_1.mp4.npy").write_bytes(b"nothing")
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
        ("no array", "002_deliberate_smile_1.mp4.npy: cannot be read"),
        ("NaN", "002_deliberate_smile_1: landmark 9 of frame 2 is NaN"),
    ],
)
def test_bad_published_files_are_named(tmp_path, what, message):
    publish(tmp_path, BY_SUBJECT)
    damage(tmp_path, what)
    with pytest.raises(UserError, match=message):
        load(str(tmp_path), "uva_nemo")


def config(**fields):
    return ConfigDict(fields)


def test_without_published_folds_they_are_made_from_the_names(tmp_path):
    publish(tmp_path, BY_SUBJECT)
    shutil.rmtree(tmp_path / "labels")
    found, folds = read(config(source="uva_nemo", dir=str(tmp_path)), config(folds=3), 0)
    assert {s.name: s.label for s in found} == NAMES
    who = np.array([s.subject for s in found])
    assert sorted(len(set(who[fold.test])) for fold in folds) == [1, 1, 1]
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(5))
    with pytest.raises(UserError, match="no folds in"):  # its names tell no labels
        read(config(source="mmi", dir=str(tmp_path)), config(folds=3), 0)


def test_another_number_of_folds_than_the_published_is_refused(tmp_path):
    publish(tmp_path, BY_SUBJECT)
    with pytest.raises(UserError, match=r"comes with 3 folds: give --config\.cv\.folds=3"):
        read(config(source="uva_nemo", dir=str(tmp_path)), config(folds=10), 0)


def test_a_subject_on_both_sides_is_refused(tmp_path):
    publish(tmp_path, [["001_deliberate_smile_1", *BY_SUBJECT[1]], ["001_spontaneous_smile_2", *BY_SUBJECT[2]]])
    with pytest.raises(UserError, match="subject 001 is in both"):
        load(str(tmp_path), "uva_nemo")
