"""Loading from any source, with folds."""

import os
import shutil

import numpy as np
import pytest
from layouts import BY_SUBJECT, NAMES, publish, write_folder, write_landmarks

from dfuse_jax.data import synthetic
from dfuse_jax.data.load import load_dataset, load_with_folds
from dfuse_jax.runtime.errors import UserError


def test_without_published_folds_they_are_made_from_the_names(tmp_path):
    publish(tmp_path, BY_SUBJECT)
    shutil.rmtree(tmp_path / "labels")
    found, folds, _ = load_with_folds("uva_nemo", directory=tmp_path, num_folds=3)
    assert {s.name: s.label for s in found} == NAMES
    who = np.array([s.subject for s in found])
    assert sorted(len(set(who[fold.test])) for fold in folds) == [1, 1, 1]
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(5))
    with pytest.raises(UserError, match="no folds in"):  # its names tell no labels
        load_with_folds("mmi", directory=tmp_path, num_folds=3)


def test_another_number_of_folds_than_the_published_is_refused(tmp_path):
    publish(tmp_path, BY_SUBJECT)
    with pytest.raises(UserError, match="comes with 3 folds, not 10") as error:
        load_with_folds("uva_nemo", directory=tmp_path, num_folds=10)
    assert error.value.remedy == "folds"


def test_class_balance_is_printed(tmp_path, capsys):
    publish(tmp_path, BY_SUBJECT)
    load_with_folds("uva_nemo", directory=tmp_path, num_folds=3)
    printed = capsys.readouterr().out
    assert "5 videos (3 spontaneous, 2 posed) of 3 subjects, 25 frames, 3 folds" in printed
    assert "folds that test one class only" in printed and printed.strip().endswith("3 (spontaneous)")


def test_synthetic_smiles_are_made_as_asked():
    dataset = load_with_folds("synthetic", videos=12, subjects=4, num_folds=2, seed=3, say=lambda line: None)
    for sample, expected in zip(dataset.samples, synthetic.generate(12, 4, seed=3), strict=True):
        assert sample.name == expected.name
        np.testing.assert_array_equal(sample.landmarks, expected.landmarks)
    assert [len(fold.test) for fold in dataset.folds] == [6, 6]


def test_every_line_that_is_said_can_be_printed(tmp_path):
    """A folder's name may not be UTF-8: notes name it, and a terminal may be strict."""
    root = tmp_path / os.fsdecode(b"Jos\xe9")
    publish(root, BY_SUBJECT)
    write_landmarks(root, "004_spontaneous_smile_1")
    lines = []
    load_with_folds("uva_nemo", directory=root, num_folds=3, say=lines.append)
    assert r"/Jos\xe9/npy/004_spontaneous_smile_1.mp4.npy" in lines[-1]
    "".join(lines).encode()


def test_bad_sources_are_refused(tmp_path):
    write_folder(tmp_path)
    with pytest.raises(UserError, match="'uva' is no source of files; expected folder, uva_nemo, mmi, spos, bbc"):
        load_dataset(tmp_path, "uva")
    with pytest.raises(UserError, match="no folder '~nobody-here/data'"):
        load_dataset("~nobody-here/data", "folder")
