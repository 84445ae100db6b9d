"""Where recipes are: configs/ of a checkout, which a wheel holds as dfuse_jax/configs/.

Only setup.py knows how they get there. They are files to read and copy, not modules to import.
"""

import difflib
import pathlib

from dfuse_jax.runtime.errors import UserError

_PACKAGE = pathlib.Path(__file__).resolve().parents[1]


def folder() -> pathlib.Path:
    """Returns the folder of the recipes that come with this package."""
    installed = _PACKAGE / "configs"
    return installed if installed.is_dir() else _PACKAGE.parent / "configs"


def names() -> list[str]:
    """Returns the names of the recipes that come with this package."""
    return sorted(path.stem for path in folder().glob("*.py"))


def resolve(recipe: str) -> str:
    """Returns the path of a recipe's file, with the recipe's argument if it has one.

    Args:
        recipe: a file ("mine.py", "../mine.py:mmi"), or the name of a recipe of this package ("hadamard",
            "hadamard:mmi"), which may be written as in a checkout ("configs/hadamard.py"). A file comes first.

    Raises:
        UserError: there is no such recipe; lists the names, the most similar first.
    """
    name, colon, argument = recipe.partition(":")
    return f"{_file(name)}{colon}{argument}"


def _file(name: str) -> pathlib.Path:
    path = pathlib.Path(name)
    if path.suffix == ".py" and path.is_file():
        return path
    known = names()
    if path.stem in known and path.suffix in ("", ".py") and path.parent in (pathlib.Path(), pathlib.Path("configs")):
        return folder() / f"{path.stem}.py"
    similar = sorted(known, key=lambda other: -difflib.SequenceMatcher(None, path.stem, other).ratio())
    raise UserError(f"{name}: no such recipe. Give a file, or one of {', '.join(similar)}.")
