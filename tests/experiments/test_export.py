"""Models that leave the folder of their run predict what they did in it, to the last bit."""

import dataclasses
import json
import shutil
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toys
from archives import npy, rewrite
from outcomes import outcome
from scripts import launch, refused

import dfuse_jax
from configs import film, token_attention
from dfuse_jax import samples, systems, train
from dfuse_jax.commands import predict as command
from dfuse_jax.data import synthetic
from dfuse_jax.evaluate.results import compute_results
from dfuse_jax.experiments import crossval, predict
from dfuse_jax.experiments.predict import Trained
from dfuse_jax.runtime.errors import UserError

SMILES = synthetic.generate(2, 1, seed=9)
TINY = {
    "points": 20,
    "neighbours": 4,
    "entry": 4,
    "blocks": ((16, 2),),
    "curves": 4,
    "steps": 2,
    "tokens": 4,
    "depth": 1,
    "time_depth": 1,
    "heads": 1,
    "head_width": 8,
    "mlp": 8,
}


def predictions(trained):
    return np.stack([trained.predict(sample) for sample in SMILES])


def assert_same_bits(one, other):
    assert one.dtype == other.dtype == np.float32
    np.testing.assert_array_equal(one.view(np.uint32), other.view(np.uint32))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of a toy: 2 runs of 3 folds, seed 5."""
    toys.register()
    config = toys.recipe("pixels", epochs=2)
    config.seed, config.cv.runs = 5, 2
    directory = tmp_path_factory.mktemp("run")
    crossval.cross_validate(config, directory)
    return directory


@pytest.fixture(scope="module")
def trained(run):
    return predict.load(run)


@pytest.mark.parametrize(
    ("wanted", "models"),
    [
        ({}, [(1, 1)]),
        ({"run": 2, "fold": 3}, [(2, 3)]),
        ({"run": None, "fold": 2}, [(1, 2), (2, 2)]),
        ({"run": 2, "fold": None}, [(2, 1), (2, 2), (2, 3)]),
        ({"run": None, "fold": None}, [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)]),
    ],
)
def test_an_exported_model_predicts_what_it_did_in_its_run(trained, tmp_path, wanted, models):
    trained.export(tmp_path / "model.npz", **wanted)
    exported = dfuse_jax.load(tmp_path / "model.npz")
    assert list(exported.models) == models
    columns = [trained.models.index(model) for model in models]
    assert_same_bits(predictions(exported), predictions(trained)[:, columns])
    assert (exported.name, exported.note) == (trained.name, trained.note)


@pytest.mark.parametrize(
    ("count", "models"),
    [
        (1, [(1, 1)]),
        (2, [(1, 1), (2, 2)]),
        (3, [(1, 1), (1, 2), (1, 3)]),
        (4, [(1, 1), (1, 3), (2, 1), (2, 2)]),
        (6, [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)]),
    ],
)
def test_some_models_are_spread_over_the_folds_and_predict_what_they_did(trained, count, models):
    some = trained.some(count)
    assert list(some.models) == models
    columns = [trained.models.index(model) for model in models]
    assert_same_bits(predictions(some), predictions(trained)[:, columns])


@pytest.mark.parametrize("count", [0, 7])
def test_more_models_than_there_are_cannot_be_asked(trained, count):
    with pytest.raises(UserError, match="has 6 models, so one can ask 1 to 6"):
        trained.some(count)


def test_the_models_of_a_run_are_numbered_as_its_results_are(run, trained):
    """Without windows to draw, by the predictions that the run has written."""
    assert trained.models == ((1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3))
    rows = json.loads((run / "results.json").read_text())["protocols"]["final"]["folds"]
    assert tuple((row["run"], row["fold"]) for row in rows) == trained.models


def draw_models(recipe, seed):
    """Two models of a small D-FuseSmileNet, with random numbers for what they would have learnt."""
    config = recipe.get_config()
    config.seed = seed
    config.data.dir = "/home/somebody/faces"
    config.model.update(**TINY)
    config.train.update(eval_windows=2, batch_size=4)
    system = systems.build(config)
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        numbers = 0.3 * rng.normal(size=(2, *leaf.shape))
        varies = jax.tree_util.keystr(path).startswith((".collections", ".std"))
        return jnp.asarray(1 + abs(numbers) if varies else numbers, leaf.dtype)

    shapes = train.trained_shapes(system.network, system.settings, system.example)
    state = jax.tree_util.tree_map_with_path(draw, shapes)
    return Trained(compute_results(outcome(config=config.to_dict())), ((1, 1), (1, 2)), system, state)


def test_a_second_video_of_another_length_compiles_nothing():
    trained = draw_models(film, seed=3)
    compiled = []

    def listen(name, _, **fields):
        if "backend_compile" in name:
            compiled.append(fields["fun_name"])

    long = np.concatenate([SMILES[0].landmarks] * 4)
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        trained.predict(SMILES[0])
        assert len(compiled) >= 2
        compiled.clear()
        for landmarks in (long, long[:77]):
            trained.predict(dataclasses.replace(SMILES[0], landmarks=landmarks))
        assert not compiled
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


@pytest.mark.parametrize(("recipe", "seed"), [(film, 7), (token_attention, 11)])
def test_all_that_a_model_learnt_is_in_the_file(tmp_path, recipe, seed):
    whole = draw_models(recipe, seed)
    whole.export(tmp_path / "model.npz", fold=2)
    exported = predict.load(tmp_path / "model.npz")
    second = jax.tree.map(lambda leaf: leaf[1:], whole.fitted)
    assert jax.tree.structure(exported.fitted) == jax.tree.structure(second)
    for one, other in zip(jax.tree.leaves(exported.fitted), jax.tree.leaves(second), strict=True):
        assert_same_bits(np.asarray(one), np.asarray(other))
    assert exported.system.network == whole.system.network and exported.system.settings == whole.system.settings
    assert exported.system.tuning == whole.system.tuning and exported.config["seed"] == seed
    assert exported.config["dmarkers"] == whole.config["dmarkers"]
    assert b"somebody" not in (tmp_path / "model.npz").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "seed"), [(film, 7), (token_attention, 11)])
def test_other_fusions_and_seeds_predict_the_same(tmp_path, recipe, seed):
    whole = draw_models(recipe, seed)
    whole.export(tmp_path / "model.npz", fold=2)
    expected = predictions(whole)
    assert ((expected > 0.001) & (expected < 0.999)).all() and len(np.unique(expected)) == expected.size
    assert_same_bits(predictions(predict.load(tmp_path / "model.npz")), expected[:, 1:])


def test_an_exported_model_can_be_exported_again(trained, tmp_path):
    trained.export(tmp_path / "fold.npz", run=None, fold=2)
    predict.load(tmp_path / "fold.npz").export(tmp_path / "one.npz", run=2, fold=2)
    trained.export(tmp_path / "direct.npz", run=2, fold=2)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "direct.npz").read_bytes()


def test_the_card_is_in_the_file_and_with_the_models(trained, tmp_path):
    trained.export(tmp_path / "model.npz", run=2, fold=3)
    with zipfile.ZipFile(tmp_path / "model.npz") as archive:
        text = archive.read("card.md").decode()
    assert text == predict.load(tmp_path / "model.npz").card
    assert "The model of run 2 and fold 3, of a cross-validation of 2 runs and 3 folds" in text
    assert "**Trained on synthetic smiles**" in text and "24 videos of 12 subjects" in text


def test_a_model_that_is_not_there_is_named(trained, tmp_path):
    for wanted, message in (({"run": 3}, "no run 3 here, but runs 1 to 2"), ({"fold": 0}, "no fold 0 here, but folds")):
        with pytest.raises(UserError, match=message):
            trained.export(tmp_path / "model.npz", **wanted)
    assert not list(tmp_path.iterdir())


def test_a_system_that_cannot_export_says_so(tmp_path):
    logistic = Trained(compute_results(outcome()), ((1, 1), (1, 2)), toys.Logistic(), [])
    with pytest.raises(UserError, match="models of the system 'logistic' cannot leave the folder of a run"):
        logistic.export(tmp_path / "model.npz")
    assert not (tmp_path / "model.npz").exists()


def test_a_file_whose_arrays_do_not_fit_its_recipe_is_named(trained, tmp_path):
    path = tmp_path / "model.npz"
    results = trained.export(path).results

    def refusal(**changes):
        trained.export(path)
        rewrite(path, **changes)
        with pytest.raises(UserError, match=r"model\.npz") as caught:
            predict.load(path)
        return str(caught.value)

    bias = "fitted/params/smile/bias.npy"
    assert "(params/smile/bias is missing)" in refusal(**{bias: None})
    assert "(params/smile/bias has the shape (5,), not (1,))" in refusal(**{bias: npy(np.zeros((1, 5)))})
    assert "(params/more is unknown)" in refusal(**{"fitted/params/more.npy": npy(np.zeros((1, 5)))})
    other = results | {"config": {**results["config"], "system": "magic"}}
    assert "config.system is 'magic'" in refusal(**{"results.json": json.dumps(other)})
    for damaged in ({}, [], results | {"config": {}}):
        assert "is damaged" in refusal(**{"results.json": json.dumps(damaged)})


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The file of a sample at 240 frames per second."""
    path = tmp_path_factory.mktemp("sample") / "smile.npz"
    samples.save(dataclasses.replace(SMILES[0], name="smile", fps=240.0), path)
    return path


def test_a_user_exports_a_model_and_a_colleague_asks_it(finished, sample, tmp_path):
    done = launch("predict", f"--export={tmp_path}/model.npz", finished[0])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("# Model card: hadamard-demo")
    assert "The model of run 1 and fold 1" in done.stdout.splitlines()[-1]
    again = launch("predict", "--checkpoint", finished[0], "--export", tmp_path / "all.npz", "--model", "all/all")
    assert "6 models, of runs 1-2 and folds 1-3" in again.stdout.splitlines()[-1]
    (tmp_path / "alone").mkdir()
    shutil.move(tmp_path / "model.npz", tmp_path / "alone")
    one = launch("predict", "--checkpoint", tmp_path / "alone" / "model.npz", sample, "--out", tmp_path)
    assert (one.returncode, one.stderr) == (0, "")
    assert "(1 model)" in one.stdout and (tmp_path / "smile.png").exists()
    assert "caution: it has 240 frames per second, and the training videos had " in one.stdout
    of_run, of_file = (
        launch("predict", "--checkpoint", models, sample, "--out", tmp_path / name).stdout
        for name, models in (("run", finished[0]), ("all", tmp_path / "all.npz"))
    )
    assert of_run.replace(str(tmp_path / "run"), str(tmp_path / "all")) == of_file and "6 models" in of_file


def test_an_export_that_cannot_be_is_refused_in_a_line(run, sample, tmp_path):
    path = str(tmp_path / "model.npz")
    for runs, checkpoint, to, model, message in (
        ([], None, path, "1/1", "Usage: dfuse-predict --export=model.npz RUN"),
        ([run], None, "", "1/1", "Usage"),
        ([run, run], None, path, "1/1", "Usage"),
        ([run], run, path, "1/1", "Usage"),
        ([path], None, run, "1/1", "model.npz: no such folder or file"),
        ([run], None, run, "1/1", "ends in .npz"),
        ([run], None, tmp_path / "none" / "model.npz", "1/1", "none/model.npz: cannot be written"),
        ([run], None, sample, "1/1", "exists and is no exported model"),
        ([], tmp_path, path, "1/1", "no finished run there"),
        ([sample], None, path, "1/1", "holds the landmarks of a video"),
        ([run], None, path, "3", "--model is '3': expected run/fold"),
        ([run], None, path, "1/2/3", "--model is '1/2/3': expected run/fold"),
        ([run], None, path, "1/x", "--model is '1/x': expected run/fold"),
        ([run], None, path, "1/9", "no fold 9 here, but folds 1 to 3"),
    ):
        with pytest.raises(UserError) as caught:
            command.export(runs, checkpoint, to, model=model)
        assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "model.npz").exists() and samples.load(sample).name == "smile"
    refused(launch("predict", "--checkpoint", sample, sample, "--model", "1/1"), "give --export, too")
    refused(
        launch("predict", "--checkpoint", sample, sample), "not an exported model", "dfuse-predict --export=model.npz"
    )
