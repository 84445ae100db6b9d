"""Samples, folds and the published layout."""

import json
import shutil

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ml_collections import ConfigDict

from dfuse_jax import dmarkers, samples
from dfuse_jax.data import features, folds, synthetic
from dfuse_jax.data.build import manual
from dfuse_jax.data.folds import make_folds
from dfuse_jax.data.layouts import tables
from dfuse_jax.data.load import load, read
from dfuse_jax.experiments.replicas import make_replicas
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample


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
            # Near the share asked for, but by whole subjects, of whom one may have a large part of the videos.
            training = subjects[np.concatenate(parts[:2])]
            largest = np.unique(training, return_counts=True)[1].max() / len(training)
            assert 0.05 < len(replica.val) / len(training) < 0.45 + largest
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


def test_folds_are_the_same_on_every_machine():
    """Recorded with NumPy 1.26 and 2.4; scikit-learn 1.7 and older split otherwise."""
    subjects = [f"{i:02d}" for i in range(12) for _ in range(1 + i % 3)]
    labels = [(7 * i + i // 3) % 2 for i in range(24)]
    assert [fold.test.tolist() for fold in make_folds(labels, subjects, 4, seed=0)] == [
        [6, 9, 10, 11, 12, 13, 14, 18],
        [0, 1, 2, 21, 22, 23],
        [3, 4, 5, 7, 8],
        [15, 16, 17, 19, 20],
    ]
    assert [fold.test.tolist() for fold in make_folds(labels, subjects, 4, seed=7)] == [
        [3, 4, 5, 6, 13, 14],
        [9, 10, 11, 12, 19, 20],
        [0, 1, 2, 15, 16, 17],
        [7, 8, 18, 21, 22, 23],
    ]


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
        ("no train.json", "2/train.json: cannot be read"),
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


def test_landmarks_in_no_fold_are_left_out_and_told(tmp_path):
    publish(tmp_path, BY_SUBJECT)
    np.save(tmp_path / "npy" / "004_spontaneous_smile_1.mp4.npy", np.full((4, 478, 3), 0.5))
    found = load(str(tmp_path), "uva_nemo")
    assert len(found.samples) == 5
    assert len(found.note) == 1 and "1 landmark files are in no fold" in found.note[0] and "/004_" in found.note[0]


def test_a_name_that_tells_no_label_is_refused(tmp_path):
    publish(tmp_path, BY_SUBJECT)
    shutil.rmtree(tmp_path / "labels")
    np.save(tmp_path / "npy" / "smile.mp4.npy", np.full((4, 478, 3), 0.5))
    with pytest.raises(UserError, match=r"'smile' is not a name of a UvA-NEMO video.*1 such"):
        load(str(tmp_path), "uva_nemo")


def test_saved_folds_can_be_read_as_published_ones(tmp_path):
    """And hold what they should: {video: label}."""
    publish(tmp_path, BY_SUBJECT)
    found = load(str(tmp_path), "uva_nemo")
    made = make_folds([s.label for s in found.samples], [s.subject for s in found.samples], 2)
    folds.save(tmp_path / "made", found.samples, made)
    written = [json.loads((tmp_path / "made" / n / "test.json").read_text()) for n in "12"]
    assert written[0] | written[1] == NAMES and not written[0].keys() & written[1].keys()
    shutil.rmtree(tmp_path / "labels")
    (tmp_path / "made").rename(tmp_path / "labels")
    again = load(str(tmp_path), "uva_nemo")
    for one, other in zip(again.folds, made, strict=True):
        np.testing.assert_array_equal(one.train, other.train)
        np.testing.assert_array_equal(one.test, other.test)


def test_class_balance_is_told(tmp_path, capsys):
    publish(tmp_path, BY_SUBJECT)
    read(config(source="uva_nemo", dir=str(tmp_path)), config(folds=3), 0)
    told = capsys.readouterr().out
    assert "5 videos (3 spontaneous, 2 posed) of 3 subjects, 25 frames, 3 folds" in told
    assert "folds that test one class only" in told and told.strip().endswith("3 (spontaneous)")


LINES = [("a.npz", "posed", "x"), ("b.npz", "1", "y"), ("c.npz", "Spontaneous", "")]


def write_csv(path, lines, header="path,label,subject"):
    path.write_text("\n".join([header, *(",".join(map(str, line)) for line in lines)]) + "\n")


def write_folder(root):
    for number, name in enumerate("abc"):
        sample = make_sample(name=name, landmarks=np.full((number + 1, 478, 3), 0.5, np.float32), label=0, subject="z")
        samples.save(sample, root / f"{name}.npz")


def test_a_folder_of_samples_is_read_with_its_own_labels_or_its_tables(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    found = load(str(tmp_path), "folder").samples
    assert [(s.name, s.label, s.subject, len(s.landmarks)) for s in found] == [
        ("a", 0, "z", 1),
        ("b", 0, "z", 2),
        ("c", 0, "z", 3),
    ]
    write_csv(tmp_path / "samples.csv", LINES)
    found = load(str(tmp_path), "folder").samples
    assert [(s.name, s.label, s.subject) for s in found] == [("a", 0, "x"), ("b", 1, "y"), ("c", 1, None)]
    write_csv(tmp_path / "samples.csv", LINES[:2])  # what the table does not name is not in the data set
    assert [s.name for s in load(str(tmp_path), "folder").samples] == ["a", "b"]


def test_a_folder_may_come_with_folds(tmp_path):
    write_folder(tmp_path)
    write_csv(tmp_path / "samples.csv", LINES)
    labels = {"a": 0, "b": 1, "c": 1}
    for number, test in enumerate("abc", 1):
        (tmp_path / "labels" / str(number)).mkdir(parents=True)
        for part, wanted in (("train", False), ("test", True)):
            part_labels = {name: label for name, label in labels.items() if (name == test) == wanted}
            (tmp_path / "labels" / str(number) / f"{part}.json").write_text(json.dumps(part_labels))
    assert [list(fold.test) for fold in load(str(tmp_path), "folder").folds] == [[0], [1], [2]]
    write_csv(tmp_path / "samples.csv", [("a.npz", 1, "x"), *LINES[1:]])
    with pytest.raises(UserError, match="a has label 0 there and 1 in the samples"):
        load(str(tmp_path), "folder")
    write_csv(tmp_path / "samples.csv", LINES[:2])
    with pytest.raises(UserError, match="c is in labels only"):
        load(str(tmp_path), "folder")


def test_a_bad_folder_is_named(tmp_path):
    for directory in ("", str(tmp_path / "none"), str(tmp_path)):
        with pytest.raises(UserError, match=r"no samples.*launch/dataset\.py"):
            load(directory, "folder")
    write_folder(tmp_path)
    samples.save(make_sample(name="d", label=None), tmp_path / "d.npz")
    with pytest.raises(UserError, match=r"1 samples have no label, first d.*launch/dataset\.py"):
        load(str(tmp_path), "folder")
    samples.save(make_sample(name="a"), tmp_path / "d.npz")
    with pytest.raises(UserError, match="two samples are named a"):
        load(str(tmp_path), "folder")
    (tmp_path / "d.npz").write_bytes(b"")
    with pytest.raises(UserError, match=r"d\.npz: not a sample file"):
        load(str(tmp_path), "folder")
    (tmp_path / "d.npz").unlink()
    (tmp_path / "d.npz").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"d\.npz: cannot be read"):
        load(str(tmp_path), "folder")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read as a CSV file"),
        (b"", "no column path.*found: no line"),
        (b"path,label,subject\n", "names no video"),
        (b"path;label;subject\na.npz;1;x\n", "no column path.*separated by commas.*'path;label;subject'"),
        (b"path,subject\na.npz,x\n", "no column label"),
        (b"path,label,subject\na.npz,maybe,x\n", "line 2: the label is 'maybe'"),
        (b"path,label,subject\na.npz\n", "line 2: the label is ''"),
        (b"path,label,subject\n,1,x\n", "line 2 has no path"),
        (b"path,label,subject\na.npz,1,x,y\n", "line 2 has more cells"),
        (b"path,label,subject\na.npz,1,x\nsub/a.avi,0,x\n", "lines 2 and 3 are both named a"),
        (b"path,label,subject\na.npz,1,x\nnone.mp4,0,x\n", r"line 3: no file .*none\.mp4 \(1 such"),
        (b"path,label,subject,name\na.npz,1,x,../up\n", r"line 2: the name '\.\./up'"),
        (b"path,label,subject\na.npz,1,\xff\n", "cannot be read as a CSV file in UTF-8"),
        (b'path,label,subject\na.npz,1,"x\n', "cannot be read as a CSV file"),
    ],
)
def test_a_bad_table_is_named(tmp_path, content, message):
    write_folder(tmp_path)
    if content is not None:
        (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(UserError, match=rf"t\.csv.*{message}"):
        tables.read(tmp_path / "t.csv")


def test_a_table_as_spreadsheets_write_it(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "t.csv").write_bytes(
        b"\xef\xbb\xbfsubject, label ,more,path,name\r\n"
        b'"M\xc3\xbcller, A",spontaneous,1,a.npz,\r\n\r\nB,0,2,b.npz,first\r\n'
    )
    assert [row[1:] for row in tables.read(tmp_path / "t.csv")] == [("a", 1, "Müller, A", 2), ("first", 0, "B", 4)]


def test_what_a_researchers_folder_lacks_is_told_before_anything_is_extracted(tmp_path):
    with pytest.raises(UserError, match=r"uva_nemo: no such folder.*Ask the UvA-NEMO team.*deliberate_smile"):
        manual.plan(tmp_path / "none", "uva_nemo")
    with pytest.raises(UserError, match="no videos"):
        manual.plan(tmp_path, "spos")
    (tmp_path / "a").mkdir()
    for name in ("001_deliberate_smile_1.mp4", "a/001_spontaneous_smile_2.AVI"):
        (tmp_path / name).touch()
    jobs, splits = manual.plan(tmp_path, "uva_nemo")
    assert not splits
    assert [(job.name, job.label, job.subject, job.path) for job in jobs] == [
        ("001_deliberate_smile_1", 0, "001", tmp_path / "001_deliberate_smile_1.mp4"),
        ("001_spontaneous_smile_2", 1, "001", tmp_path / "a" / "001_spontaneous_smile_2.AVI"),
    ]
    with pytest.raises(UserError, match=r"mmi: no labels, neither labels/<fold>/ nor labels\.csv"):
        manual.plan(tmp_path, "mmi")
    with pytest.raises(UserError, match=r"001_deliberate_smile_1\.mp4 is not named as published \(2 such\)"):
        manual.plan(tmp_path, "spos")
    write_csv(tmp_path / "labels.csv", [("001_deliberate_smile_1.mp4", 0, "x", "108")], "path,label,subject,name")
    with pytest.raises(UserError, match="all videos have the same label"):
        manual.plan(tmp_path, "mmi")
    (tmp_path / "labels.csv").unlink()
    (tmp_path / "a" / "001_deliberate_smile_1.mov").touch()
    with pytest.raises(UserError, match=r"001_deliberate_smile_1\.mov.*same name"):
        manual.plan(tmp_path, "uva_nemo")
    (tmp_path / "a" / "001_deliberate_smile_1.mov").unlink()
    (tmp_path / "npy").mkdir()
    (tmp_path / "labels" / "1").mkdir(parents=True)
    for part, labels in (("train", {"001_deliberate_smile_1": 0}), ("test", {"002_spontaneous_smile_9": 1})):
        (tmp_path / "labels" / "1" / f"{part}.json").write_text(json.dumps(labels))
    with pytest.raises(UserError, match=r"labels: 1 videos are in no test\.json"):
        manual.plan(tmp_path, "uva_nemo")
    shutil.copytree(tmp_path / "labels" / "1", tmp_path / "labels" / "2")
    (tmp_path / "labels" / "2" / "train.json").rename(tmp_path / "labels" / "2" / "swap")
    (tmp_path / "labels" / "2" / "test.json").rename(tmp_path / "labels" / "2" / "train.json")
    (tmp_path / "labels" / "2" / "swap").rename(tmp_path / "labels" / "2" / "test.json")
    with pytest.raises(UserError, match="1 of 2 videos are missing, first 002_spontaneous_smile_9"):
        manual.plan(tmp_path, "uva_nemo")
