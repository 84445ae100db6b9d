"""Folders of runs that another version of dfuse_jax made: refused before anything in them is read or changed."""

import json

import pytest
import toys

from dfuse_jax.experiments import compare, crossdb, crossval, predict, sweep, workdir
from dfuse_jax.runtime.errors import UserError

# As version 0.1 wrote them, shortened: no version.json, no `format` in results.json, no system in the config.
CONFIG = {"name": "hadamard-demo", "seed": 0, "cv": {"folds": 2, "runs": 1}, "data": {"source": "synthetic"}}
DATA = {"videos": 24, "folds": 2, "crc32": 1385877791}
RESULTS = {"name": "hadamard-demo", "note": "A demo.", "versions": {"dfuse_jax": "0.1.0"}, "config": CONFIG}
OLD = r"old was made by dfuse_jax 0\.1: since 0\.2 .* are different\. Train again into a new folder\.$"


def make_old(folder, *, finished, **files):
    """Makes the folder of a run of 0.1, killed or finished, or with other files."""
    (folder / "checkpoints").mkdir(parents=True)
    files = {"config": CONFIG, "data": DATA, **({"results": RESULTS} if finished else {}), **files}
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


@pytest.fixture(autouse=True)
def known_toys():
    toys.register()


@pytest.mark.parametrize("finished", [False, True])
def test_a_run_of_version_0_1_is_neither_continued_nor_asked(tmp_path, finished):
    old = make_old(tmp_path / "old", finished=finished)
    before = content(old)
    for use in (lambda: crossval.cross_validate(toys.recipe("logistic"), old), lambda: predict.load(old)):
        with pytest.raises(UserError, match=OLD) as error:
            use()
        assert error.value.remedy == "new_run"
    assert content(old) == before


def test_a_comparison_of_version_0_1_is_not_continued(tmp_path):
    from configs import benchmark

    old = make_old(tmp_path / "old", finished=False)
    with pytest.raises(UserError, match=OLD):
        compare.compare(benchmark.get_config(), old)


def test_neither_a_transfer_nor_a_sweep_goes_on_in_the_folder_of_a_run_of_version_0_1(tmp_path):
    from configs import crossdb as transfers
    from configs import sweep as sweeps

    old = make_old(tmp_path / "old", finished=True)
    before = content(old)
    for use in (
        lambda: crossdb.transfer(transfers.get_config(), old),
        lambda: sweep.sweep(sweeps.get_config(), old),
    ):
        with pytest.raises(UserError, match=OLD) as error:
            use()
        assert error.value.remedy == "new_run"
    assert content(old) == before


def test_results_of_version_0_1_are_refused_wherever_they_were_copied_to(tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(RESULTS))
    with pytest.raises(UserError, match=r"results\.json was made by dfuse_jax 0\.1: .* Train again into a new folder"):
        predict.load(tmp_path)


def test_a_run_of_a_later_version_is_refused(tmp_path):
    later = make_old(tmp_path / "later", finished=True, version={"format": workdir.FORMAT + 1, "dfuse_jax": "9.0.0"})
    for use in (lambda: crossval.cross_validate(toys.recipe("logistic"), later), lambda: predict.load(later)):
        with pytest.raises(UserError, match=r"later was made by a later dfuse_jax .* Update dfuse_jax"):
            use()


def test_a_damaged_version_is_named(tmp_path):
    folder = make_old(tmp_path / "run", finished=True)
    for text in ("", "[]", "{}", "3"):
        (folder / "version.json").write_text(text)
        with pytest.raises(UserError, match=r"version\.json is damaged"):
            predict.load(folder)


def test_a_new_run_says_its_version(tmp_path):
    workdir.claim(tmp_path / "config.json", CONFIG, "config")
    workdir.claim(tmp_path / "config.json", CONFIG, "config")
    assert json.loads((tmp_path / "version.json").read_text()) == {"format": 1, "dfuse_jax": "0.2.0"}
