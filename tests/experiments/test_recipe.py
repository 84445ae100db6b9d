"""The recipes of configs/: each says its numbers itself, all fusions share one, and fields that cannot be are named."""

import importlib
import re

import pytest
from scripts import ROOT

from dfuse_jax import systems
from dfuse_jax.data.databases import DATABASES
from dfuse_jax.evaluate import paper
from dfuse_jax.experiments import compare, recipe, table5
from dfuse_jax.models import FUSIONS, p4transformer, pstnet
from dfuse_jax.runtime.errors import UserError


def load(name):
    """The module configs/<name>.py."""
    return importlib.import_module(f"configs.{name}")


def get(name, database=None, **fields):
    config = load(name).get_config(database)
    config.update_from_flattened_dict(fields)
    return config


TEXTURE = ["mandal16", "mandal17", "pfister11", "wu14", "wu17"]
CLASSICAL = ["cohn04", "dibeklioglu10", "dibeklioglu15", *TEXTURE]
NETWORKS = ["deepmarkernet", "frame_vit", "landmark_vit", "meshsmilenet", "p4transformer", "pstnet", "realsmilenet"]
EARLIER = [*NETWORKS, *CLASSICAL]


def test_every_fusion_and_system_has_a_config_and_every_config_one_of_these():
    names = {path.stem for path in (ROOT / "configs").glob("*.py")} - {"__init__"}
    assert names == {*FUSIONS, "benchmark", "table5", "crossdb", "sweep", *EARLIER}
    assert set(EARLIER) <= set(systems.names())


@pytest.mark.parametrize("name", EARLIER)
def test_a_config_of_an_earlier_system_is_of_that_system(name):
    for database in (None, "mmi", "folder"):
        config = get(name, database)
        recipe.check(config)
        systems.build(config)
        assert config.system == name and config.name.startswith(name)
    assert get(name).data.source == "synthetic"
    assert re.search(rf"dfuse-cv --config {name}\b", load(name).__doc__)


@pytest.mark.parametrize("database", [None, "mmi"])
def test_table_5_takes_each_system_as_its_own_recipe_has_it(database):
    config = get("table5", database)
    assert set(config.recipes) == set(table5.ROWS) and set(EARLIER) < set(table5.ROWS)
    sees_pixels = {name for name in table5.ROWS if get(name, database).data.get("chips")}
    assert list(config.systems) == [name for name in table5.ROWS if name not in sees_pixels]
    for name in table5.ROWS:
        own = get(name, database).to_dict()
        expected = {
            key: value
            for key, value in own.items()
            if key not in ("name", "note", "seed", "data", "cv", "options", "report")
        }
        if database:
            assert config.recipes[name].to_dict() == expected
            assert own["data"]["source"] == config.data.source and own["cv"]["folds"] == config.cv.folds
        else:  # the demo makes some smaller
            assert set(config.recipes[name]) == set(expected)
        systems.build(compare.variant(config, name))


def test_the_fusion_none_and_meshsmilenet_have_one_recipe():
    none, mesh = get("none", "mmi").to_dict(), get("meshsmilenet", "mmi").to_dict()
    assert none["model"].pop("fusion") == "none" and none["model"] == mesh["model"]
    assert none["train"] == mesh["train"] == get("deepmarkernet", "mmi").train.to_dict()


@pytest.mark.parametrize(("name", "module"), [("pstnet", pstnet), ("p4transformer", p4transformer)])
def test_the_option_authors_is_of_the_published_sizes(name, module):
    config = get(name, "mmi,authors")
    assert config.name == f"{name}-mmi-authors" and config.data.source == "mmi"
    assert {field: config.model[field] for field in module.AUTHORS} == module.AUTHORS
    with pytest.raises(UserError, match="unknown option 'small' of a recipe; known: authors"):
        get(name, "mmi,small")


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_config_is_of_its_own_fusion_and_quotes_the_paper(fusion):
    config = get(fusion, "mmi")
    recipe.check(config)
    assert config.model.fusion == fusion and config.data.source == "mmi" and config.name == f"{fusion}-mmi"
    assert get(fusion).data.source == "synthetic"
    text = load(fusion).__doc__
    assert re.search(rf"dfuse-cv --config {fusion}\b", text)
    quoted = re.findall(r"(?:UvA-NEMO|MMI|SPOS|BBC) ([\d.]+)", text)
    values = [paper.accuracy(fusion, database) for database in DATABASES]
    assert [float(value) for value in quoted] == [value for value in values if value is not None]
    if equations := FUSIONS[fusion].equations:
        assert re.search(rf"eqs?\. {equations}\b", text.splitlines()[0])


@pytest.mark.parametrize("database", [None, "uva_nemo", "folder"])
def test_the_fusions_differ_in_nothing_but_the_fusion(database):
    """Each file holds all its numbers, so that nothing but a test keeps them alike."""
    shared = get("benchmark", database).to_dict()
    shared.pop("fusions")
    for fusion in FUSIONS:
        config = get(fusion, database).to_dict()
        assert config["model"].pop("fusion") == fusion and config.pop("name").startswith(fusion)
        if database is None:  # the demo of all fusions is smaller than that of one
            assert config.keys() == shared.keys() - {"name"}
        else:
            assert config == {key: value for key, value in shared.items() if key != "name"}


def test_the_papers_numbers():
    """Section 4.1: AdamW, rate 5e-4, a tenth of it in the last epoch, batches of 16, 300 epochs, dropout 0.1."""
    config = get("hadamard", "uva_nemo")
    train = config.train.to_dict()
    assert (train["epochs"], train["batch_size"], train["clip_frames"]) == (300, 16, 16)
    assert (train["learning_rate"], train["last_epoch_factor"], train["weight_decay"]) == (5e-4, 0.1, 0.0)
    assert train["optimizer"] == {"name": "adamw"} and config.model.dropout == 0.1
    folds = {database: get("hadamard", database).cv.folds for database in ("uva_nemo", "mmi", "spos", "bbc", "folder")}
    assert folds == {"uva_nemo": 10, "mmi": 9, "spos": 7, "bbc": 10, "folder": 10}
    assert config.cv.runs == 10


def test_peoples_own_videos_get_the_robust_dmarkers_and_the_papers_databases_the_papers():
    """The specification, section 2."""
    expected = {None: ("robust", ""), "folder": ("robust", ""), **dict.fromkeys(DATABASES, ("paper", "4253H"))}
    for database, options in expected.items():
        for name in ("hadamard", "benchmark"):
            config = get(name, database)
            assert (config.dmarkers.definition, config.dmarkers.smoothing) == options


def test_the_note_says_what_the_data_are():
    assert "nothing about people" in recipe.note(get("hadamard"))
    assert "tell no subjects" in recipe.note(get("hadamard", "mmi"))
    assert "A control: the labels" in recipe.note(get("hadamard", "bbc", **{"data.shuffle": "labels"}))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"seed": -1}, r"config\.seed is -1; it must be from 0 to 4294967295"),
        ({"data.source": "ckplus"}, r"config\.data\.source is 'ckplus'.*uva_nemo"),
        ({"data.shuffle": "all"}, r"config\.data\.shuffle is 'all'"),
        ({"data.videos": 1}, r"config\.data\.videos is 1; it must be at least 2"),
        ({"cv.folds": 1}, r"config\.cv\.folds is 1; it must be at least 2"),
        ({"cv.validation_share": 0.9}, r"config\.cv\.validation_share is 0\.9; it must be from 0\.01 to 0\.5"),
    ],
)
def test_a_field_that_cannot_be_is_named(fields, words):
    with pytest.raises(UserError, match=words):
        recipe.check(get("hadamard", **fields))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"train.epochs": 0}, r"config\.train\.epochs is 0"),
        ({"train.replicas_per_pass": -1}, r"config\.train\.replicas_per_pass is -1; it must be at least 0"),
        ({"train.learning_rate": float("inf")}, r"config\.train\.learning_rate is inf"),
        ({"train.optimizer.name": "adam"}, r"config\.train\.optimizer\.name is 'adam'.*adamw, sgd"),
        ({"model.dropout": 1.0}, r"config\.model\.dropout is 1\.0"),
        ({"model.points": 3}, r"config\.model\.points is 3; it must be from 8 to 478"),
        ({"model.fusion": "magic"}, r"config\.model\.fusion is 'magic'.*hadamard"),
        ({"model.blocks": ((15, 2),), "model.entry": 5}, r"width 5 has no bottleneck of 2"),
        ({"dmarkers.smoothing": "4253H"}, r"config\.dmarkers\.smoothing is '4253H', but .*'robust' smooths"),
        ({"dmarkers.smoothing": "mean"}, r"config\.dmarkers\.smoothing is 'mean'.*4253H"),
        ({"model.fusion": "multihead_attention", "model.blocks": ((10, 2),)}, r"config\.model: multihead.*4 heads"),
    ],
)
def test_the_system_names_its_own_fields(fields, words):
    with pytest.raises(UserError, match=words):
        systems.build(get("hadamard", **fields))


def test_an_unknown_database_is_named():
    with pytest.raises(UserError, match="unknown database 'ckplus'; known: uva_nemo, mmi, spos, bbc, folder, or demo"):
        get("hadamard", "ckplus")


@pytest.mark.parametrize("name", ["benchmark", "crossdb", "sweep"])
def test_a_recipe_of_several_runs_is_none_of_one(name):
    with pytest.raises(UserError) as caught:
        recipe.check(get(name))
    assert caught.value.remedy == name


def test_across_databases_the_papers_recipe_is_trained():
    config, shared = get("crossdb", "mmi,mine").to_dict(), get("hadamard", "mmi").to_dict()
    assert (config["model"], config["train"]) == (shared["model"], shared["train"])
    assert {name: database["source"] for name, database in config["databases"].items()} == {
        "mmi": "mmi",
        "mine": "folder",
    }
    assert "tell no subjects" in recipe.note(get("crossdb", "mmi,mine"))
    assert "nothing about people" in recipe.note(get("crossdb"))
    with pytest.raises(UserError, match="'My DB' is no name of a database"):
        get("crossdb", "mmi,My DB")
