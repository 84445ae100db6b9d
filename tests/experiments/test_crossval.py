"""dfuse-cv as a user meets it: a run, its results, its resumption, its refusals."""

import csv
import json
import signal
import subprocess
import time

import jsonschema
import numpy as np
import pytest
from scripts import ROOT, TINY, TOY, command, environment, launch, refused

from dfuse_jax.evaluate import schema
from dfuse_jax.report import run as report


def rows(directory):
    with open(directory / "predictions.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_says_what_it_is_and_where_its_results_are(finished):
    directory, done = finished
    assert "demo" in done.stdout.splitlines()[0] and "nothing about people" in done.stdout.splitlines()[0]
    assert str(directory) in done.stdout.splitlines()[-1]
    for word in ("validated", "final", "peeked", "length_only"):
        assert word in done.stdout
    assert "loss" in done.stderr and "validation" in done.stderr and "4/4" in done.stderr  # the progress bar
    for name in report.FILES:
        assert (directory / name).stat().st_size > 500
    results = json.loads((directory / "results.json").read_text())
    jsonschema.Draft202012Validator(schema.read("results")).validate(results)


def test_every_video_is_tested_once_by_every_protocol_and_run(finished):
    directory, _ = finished
    found = rows(directory)
    for protocol in ("validated", "final", "peeked", "length_only"):
        for run in "12":
            tested = [row["video"] for row in found if (row["protocol"], row["run"]) == (protocol, run)]
            assert len(tested) == len(set(tested)) == 24
    folds = {(row["subject"], row["fold"]) for row in found}
    assert len({subject for subject, _ in folds}) == len(folds) == 12  # a subject is tested in one fold only


def test_the_report_says_what_the_predictions_say(finished):
    directory, _ = finished
    results = json.loads((directory / "results.json").read_text())
    for protocol in ("validated", "final", "peeked", "length_only"):
        of_folds = {}
        for row in rows(directory):
            if row["protocol"] == protocol:
                right = (float(row["probability"]) >= 0.5) == (row["label"] == "1")
                of_folds.setdefault((row["fold"], row["run"]), []).append(right)
        expected = np.mean([np.mean(right) for right in of_folds.values()])
        assert results["protocols"][protocol]["summary"]["accuracy"]["mean"] == pytest.approx(expected)


def test_runs_differ_and_folds_do_not(finished):
    directory, _ = finished
    of_runs = [
        {
            (row["video"], row["fold"]): row["probability"]
            for row in rows(directory)
            if (row["run"], row["protocol"]) == (run, "final")
        }
        for run in "12"
    ]
    assert of_runs[0].keys() == of_runs[1].keys()
    assert of_runs[0] != of_runs[1]


def test_a_finished_run_says_so(finished):
    directory, _ = finished
    before = (directory / "results.json").stat().st_mtime_ns
    done = launch("cv", *TINY, "--workdir", directory)
    assert done.returncode == 0 and "finished" in done.stdout
    assert (directory / "results.json").stat().st_mtime_ns == before


def test_another_config_on_its_folder_is_refused(finished):
    directory, _ = finished
    done = launch("cv", *TINY, "--workdir", directory, "--config.train.epochs=5", "--config.seed=1")
    refused(done, "train.epochs: 4 there, 5 now", "seed: 0 there, 1 now", "--workdir")


def test_a_refused_config_does_not_take_the_folder(tmp_path):
    for mistake in ("--config.cv.folds=13", "--config.train.batch_size=99"):
        refused(launch("cv", *TINY, "--workdir", tmp_path, mistake))
        assert not (tmp_path / "config.json").exists()


def test_interrupted_it_saves_the_epoch_and_says_so(tmp_path):
    arguments = command(
        "cv", *TOY, "--workdir", tmp_path, "--config.train.epochs=500", "--config.train.replicas_per_pass=0"
    )
    process = subprocess.Popen(arguments, cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 200
    while not list(tmp_path.glob("checkpoints/2")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=100)
    assert process.returncode == 130
    assert "stopping after this epoch" in stderr and "Traceback" not in stderr
    assert stderr.strip().splitlines()[-1].startswith("interrupted: ")
    last = max(int(path.name) for path in tmp_path.glob("checkpoints/*") if path.name.isdigit())
    assert (
        f" {last}/500 " in stderr.split("interrupted")[0].split("epoch:")[-1]
    )  # the last epoch shown is the one saved


@pytest.mark.long
@pytest.mark.parametrize("recipe", [TOY, pytest.param(TINY, marks=pytest.mark.slow)], ids=["toy", "dfusesmilenet"])
def test_killed_at_any_moment_it_ends_with_the_same_numbers(recipe, tmp_path):
    arguments = [*recipe, "--config.train.epochs=8", "--workdir"]
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    done = launch("cv", *arguments, undisturbed)
    assert done.returncode == 0, done.stderr[-3000:]
    for kill_at in (1, 3):  # after the first checkpoint of these numbers has appeared, at whatever moment that is
        process = subprocess.Popen(
            command("cv", *arguments, killed),
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 200
        while not list(killed.glob(f"checkpoints/{kill_at}*")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
        assert process.wait() == -9
        assert not (killed / "results.json").exists()
    done = launch("cv", *arguments, killed)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "0/8" not in done.stderr.split("compiling")[-1]  # went on, not afresh
    assert (killed / "predictions.csv").read_bytes() == (undisturbed / "predictions.csv").read_bytes()
    old, new = (json.loads((folder / "results.json").read_text()) for folder in (undisturbed, killed))
    assert old["protocols"] == new["protocols"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config.train.epohcs=5"], ["epohcs"]),
        (["--config.train.epochs=many"], ["epochs"]),
        (["--config.train.epochs=0"], ["config.train.epochs is 0", "at least 1"]),
        (["--config.model.blocks=5"], ["config.model.blocks", "pairs"]),
        (["--config.cv.folds=13"], ["13 folds of 12 subjects", "config.cv.folds", "from 2 to 12"]),
        (["--config.train.batch_size=17"], ["config.train.batch_size is 17", "16 videos"]),
        (["--config=configs/hadamard.py:ckplus"], ["ckplus", "uva_nemo"]),
        (["--config=configs/nothing.py"], ["configs/nothing.py"]),
        (["--config=configs/hadamard.py:uva_nemo"], ["UvA-NEMO", "--config.data.dir", "no folder given"]),
        (["--config=configs/hadamard.py:bbc", "--config.data.dir=/nowhere"], ["BBC", "'/nowhere'", "npy/<video>"]),
        (["run"], ["'run' is not a flag"]),
        (["--workdir=setup.cfg"], ["setup.cfg"]),
    ],
)
def test_bad_config_is_one_clear_line(arguments, words, tmp_path):
    other = any(argument.startswith("--config=") for argument in arguments)
    start = [] if other else TINY
    workdir = [] if any("--workdir" in argument for argument in arguments) else ["--workdir", tmp_path]
    refused(launch("cv", *start, *workdir, *arguments), *words)
