"""What a version of dfuse_jax leaves on disk says its format, so that no other version misreads it."""

import os

from dfuse_jax.constants import VERSION
from dfuse_jax.runtime.errors import UserError


def require(
    path: str | os.PathLike,
    found: object,
    known: int,
    *,
    changed: str,
    advice: str,
    remedy: str | None = None,
) -> None:
    """Raises UserError unless what lies at a path is of the format that this version reads.

    Args:
        path: of a file or folder.
        found: the format that it names; None: none, as version 0.1 wrote it.
        known: the format of this version.
        changed: what is different since then, a clause.
        advice: what to do about a file of an earlier version, a sentence.
        remedy: what the command line adds for a file of an earlier version.
    """
    if found == known:
        return
    if found is None:
        raise UserError(f"{path} was made by dfuse_jax 0.1: {changed}. {advice}", remedy=remedy)
    if type(found) is not int:
        raise UserError(f"{path} is damaged (its format is {found!r}, expected {known}). {advice}", remedy=remedy)
    if found < known:
        raise UserError(f"{path} was made by an earlier dfuse_jax (format {found}): {changed}. {advice}", remedy=remedy)
    refuse_later(path, found, known)


def refuse_later(path: str | os.PathLike, found: object, known: int) -> None:
    """Raises UserError for the format of a later version; earlier ones may pass."""
    if isinstance(found, int) and found > known:
        raise UserError(
            f"{path} was made by a later dfuse_jax (format {found}; {VERSION} reads formats up to {known}). Update "
            "dfuse_jax."
        )
