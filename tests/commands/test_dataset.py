"""dfuse-dataset as a user calls it, with landmarks that were found elsewhere."""

import csv

import numpy as np
import pytest
from layouts import write_csv
from scripts import launch, refused

from dfuse_jax.data import synthetic

HEADER = "path,label,subject,fps,width,height"


@pytest.fixture
def table(tmp_path):
    """Six smiles: three arrays, a CSV file, one that lacks irises, and one that is not there in one table only."""
    lines = []
    for number, sample in enumerate(synthetic.generate(5, 3, seed=4)):
        landmarks = sample.landmarks[:20, :468] if number == 4 else sample.landmarks[:20]
        name = f"smile{number}.{'csv' if number == 3 else 'npy'}"
        if number == 3:
            with open(tmp_path / name, "w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow([f"{axis}{point}" for point in range(478) for axis in "xyz"])
                writer.writerows(landmarks.reshape(20, -1).tolist())
        else:
            np.save(tmp_path / name, landmarks)
        lines.append((name, sample.label, sample.subject, 25, 640, 480))
    write_csv(tmp_path / "good.csv", lines[:4], HEADER)
    write_csv(tmp_path / "table.csv", lines, HEADER)
    return tmp_path / "table.csv"


def test_a_table_of_landmarks_becomes_a_data_set(table, tmp_path):
    done = launch("dataset", table.parent / "good.csv", "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert "4 videos (" in done.stdout and "80 frames" in done.stdout
    assert "4 of 4 samples carry no flags" in done.stdout
    assert "dfuse-cv --config hadamard:folder" in done.stdout
    options = ("--config", "hadamard:folder", f"--config.data.dir={tmp_path / 'out'}", "--workdir", tmp_path / "run")
    refused(launch("cv", *options), "10 folds of")


def test_what_cannot_be_read_is_left_out_and_named(table, tmp_path):
    done = launch("dataset", table, "--out", tmp_path / "out")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "error: 1 files are left out:" in done.stderr and "smile4.npy: has 468 landmarks" in done.stderr
    assert "4 videos (" in done.stdout


def test_bad_tables_are_refused_in_a_line(table, tmp_path):
    write_csv(tmp_path / "bare.csv", [("smile0.npy", 1, "x")])
    write_csv(tmp_path / "none.csv", [("none.npy", 1, "x")])
    for arguments, *words in (
        ([], "give one table"),
        ([table, table, "--out", tmp_path], "give one table"),
        ([table], "--out is missing"),
        ([tmp_path / "nowhere.csv", "--out", tmp_path / "out"], "nowhere.csv: cannot be read"),
        ([tmp_path / "none.csv", "--out", tmp_path / "out"], "line 2: no file", "none.npy"),
        ([tmp_path / "bare.csv", "--out", tmp_path / "out"], "no fps and no width, height", "columns fps, width and"),
        ([tmp_path / "good.csv", "--out", table], "table.csv: cannot be written"),
    ):
        refused(launch("dataset", *arguments), *words)
