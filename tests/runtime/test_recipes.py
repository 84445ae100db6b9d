"""Recipes by name and by file, wherever one stands."""

import pathlib

import pytest

from dfuse_jax.runtime import recipes
from dfuse_jax.runtime.errors import UserError

CONFIGS = pathlib.Path(__file__).parents[2] / "configs"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["hadamard", "hadamard.py", "configs/hadamard.py", "configs/hadamard", "./hadamard"])
def test_a_recipe_of_the_package_is_known_by_name_everywhere(name):
    assert recipes.resolve(name) == f"{CONFIGS}/hadamard.py"
    assert recipes.resolve(f"{name}:uva_nemo") == f"{CONFIGS}/hadamard.py:uva_nemo"


def test_all_recipes_have_names():
    assert recipes.names() == sorted(path.stem for path in CONFIGS.iterdir() if path.suffix == ".py")


def test_a_file_comes_before_a_recipe_of_its_name(tmp_path):
    (tmp_path / "hadamard.py").touch()
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "film.py").touch()
    (tmp_path / "none").mkdir()
    assert recipes.resolve("hadamard.py:a:b") == "hadamard.py:a:b"
    assert recipes.resolve(f"{tmp_path}/hadamard.py") == f"{tmp_path}/hadamard.py"
    assert recipes.resolve("configs/film.py") == "configs/film.py"
    assert recipes.resolve("hadamard") == f"{CONFIGS}/hadamard.py"
    assert recipes.resolve("none") == f"{CONFIGS}/none.py"


def test_a_wheel_holds_the_recipes_in_the_package(tmp_path, monkeypatch):
    """Beside the package may lie a package `configs` of somebody else."""
    package = tmp_path / "site-packages" / "dfuse_jax"
    (package / "configs").mkdir(parents=True)
    (package / "configs" / "film.py").touch()
    (package.parent / "configs").mkdir()
    monkeypatch.setattr(recipes, "_PACKAGE", package)
    assert recipes.names() == ["film"]
    assert recipes.resolve("film") == f"{package}/configs/film.py"


@pytest.mark.parametrize(
    "name", ["hadamrd", "hadamrd:mmi", "configs/hadamrd.py", "other/hadamard.py", "hadamard.txt", ""]
)
def test_a_mistyped_name_gets_the_list(name):
    with pytest.raises(UserError) as raised:
        recipes.resolve(name)
    message = str(raised.value)
    assert message.startswith(f"{name.partition(':')[0]}: no such recipe. Give a file, or one of ")
    listed = message.removesuffix(".").partition("one of ")[2].split(", ")
    assert sorted(listed) == recipes.names()
    if "hadam" in name:
        assert listed[0] == "hadamard"
