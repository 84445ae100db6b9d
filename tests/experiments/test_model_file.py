"""The file of exported models: what is written is read, nothing in it is executed, and bad files are named."""

import errno
import json
import pickle
import zipfile

import numpy as np
import pytest
from archives import npy, rewrite

from dfuse_jax import samples
from dfuse_jax.experiments import model_file
from dfuse_jax.experiments.model_file import Contents
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample

CONTENTS = Contents(
    results={"name": "mine", "note": "A néw one.", "config": {"seed": 3}},
    models=((1, 2), (2, 2)),
    arrays={
        "params/head/bias": np.array([[0.1], [0.2]], np.float32),
        "mean/dmarkers": np.arange(6, dtype=np.float64).reshape(2, 3),
    },
)


@pytest.fixture
def path(tmp_path):
    model_file.write(tmp_path / "model.npz", CONTENTS, "# Card\n")
    return tmp_path / "model.npz"


def refusal(path):
    with pytest.raises(UserError) as caught:
        model_file.read(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    return str(caught.value)


def test_what_is_written_is_read(path):
    results, models, arrays = model_file.read(path)
    assert (results, models) == (CONTENTS.results, CONTENTS.models)
    assert arrays.keys() == CONTENTS.arrays.keys()
    for name, array in CONTENTS.arrays.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_numpy_reads_every_member_without_pickle(path):
    """What others read, without dfuse_jax."""
    with np.load(path, allow_pickle=False) as file:
        members = {name: file[name] for name in file.files}
    assert members["format"] == 1
    assert members["models"].tolist() == [[1, 2], [2, 2]]
    assert members["fitted/params/head/bias"].tolist() == [[np.float32(0.1)], [np.float32(0.2)]]
    np.testing.assert_allclose(members["scaling"], [samples.SCALE_MIN, samples.SCALE_MAX])
    with zipfile.ZipFile(path) as archive:
        assert archive.read("card.md") == b"# Card\n"
        assert json.loads(archive.read("results.json")) == CONTENTS.results


def test_the_same_models_give_the_same_bytes(path, tmp_path):
    model_file.write(tmp_path / "again.npz", CONTENTS, "# Card\n")
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


def test_a_damaged_file_is_named(path):
    content = path.read_bytes()
    for damaged in (b"", content[: len(content) // 2], content[:-1], b"hello" * 99, b"PK\3\4" + bytes(99)):
        path.write_bytes(damaged)
        assert "is damaged, or no exported model" in refusal(path)
    bias = content.index(np.float32(0.1).tobytes())
    path.write_bytes(content[:bias] + b"\0" + content[bias + 1 :])
    assert "Bad CRC-32 for file 'fitted/params/head/bias.npy'). Copy it again." in refusal(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models.npy": None}, "'models'"),
        ({"models.npy": npy(np.array([[1, 2]]))}, "not of as many models as it names"),
        ({"models.npy": npy(np.zeros((0, 2), int))}, "not of as many models as it names"),
        ({"models.npy": npy(np.array(3))}, "is damaged"),
        ({"results.json": b"{"}, "is damaged"),
        ({"scaling.npy": npy(np.ones((2, 3)))}, "landmarks are scaled by"),
        ({"format.npy": npy(np.array(2))}, "made by a later dfuse_jax (format 2"),
        ({"format.npy": npy(np.array("a"))}, "is damaged (its format is 'a', expected 1)"),
        ({"fitted/params/head/bias.npy": npy(np.array([{}, {}]), allow_pickle=True)}, "allow_pickle=False"),
    ],
)
def test_a_file_with_other_contents_is_named(path, changes, message):
    rewrite(path, **changes)
    assert message in refusal(path)


def test_another_kind_of_file_is_named(tmp_path):
    landmarks = np.full((2, 478, 3), 0.5, np.float32)
    samples.save(Sample("a", landmarks, 25.0, (640, 480)), tmp_path / "a.npz")
    assert "holds the landmarks of a video, not an exported model" in refusal(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", format=1, weights=np.ones(3))
    assert "holds something else, not an exported model" in refusal(tmp_path / "b.npz")
    np.save(tmp_path / "c.npy", landmarks)
    assert "it is no .npz" in refusal(tmp_path / "c.npy")


def test_a_pickle_is_not_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (print, ("executed",))

    (tmp_path / "trap.npz").write_bytes(pickle.dumps(Trap()))
    assert "it is no .npz" in refusal(tmp_path / "trap.npz")


def test_only_another_model_is_replaced(path, tmp_path):
    model_file.write(path, CONTENTS._replace(models=((3, 3), (3, 4))), "")
    assert model_file.read(path).models == ((3, 3), (3, 4))
    samples.save(Sample("a", np.full((2, 478, 3), 0.5, np.float32), 25.0, (640, 480)), tmp_path / "a.npz")
    for name, message in (
        ("a.npz", "exists and is no exported model"),
        ("model.ckpt", r"ends in \.npz"),
        ("folder.npz", "is a folder"),
        ("none/model.npz", r"none/model\.npz: cannot be written \(No such file or directory\)"),
    ):
        (tmp_path / "folder.npz").mkdir(exist_ok=True)
        with pytest.raises(UserError, match=message):
            model_file.write(tmp_path / name, CONTENTS, "")
    assert samples.load(tmp_path / "a.npz").name == "a"


def test_a_full_disk_leaves_the_old_file(path, tmp_path, monkeypatch):
    before = path.read_bytes()

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", fail)
    with pytest.raises(UserError, match=r"model\.npz: cannot be written \(No space left on device\)"):
        model_file.write(path, CONTENTS, "")
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.npz"]
