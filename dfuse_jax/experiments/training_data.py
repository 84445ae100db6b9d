"""The videos and folds of a finished run, read once more."""

import json

from dfuse_jax.data.load import load_with_folds
from dfuse_jax.experiments.crossval import Data
from dfuse_jax.experiments.predict import Trained
from dfuse_jax.runtime.errors import UserError


def read(trained: Trained, *, remedy: str | None = None) -> Data:
    """Returns the videos and folds of the run that trained some models.

    Args:
        trained: the models; of those in a file the videos are known only where they are synthetic.
        remedy: of the UserError.

    Raises:
        UserError: the videos are unknown, not there, or have changed.
    """
    config = trained.config
    section = config["data"]
    if trained.folder is None and section["source"] != "synthetic":
        raise UserError(f"{trained.name}: an exported model does not hold the videos that trained it.", remedy=remedy)
    try:
        dataset = load_with_folds(
            section["source"],
            directory=section["dir"],
            videos=section.get("videos", 0),
            subjects=section.get("subjects", 0),
            num_folds=config["cv"]["folds"],
            seed=config["seed"],
            chips=section.get("chips", False),
            say=lambda line: None,
        )
    except UserError as error:
        raise UserError(f"{trained.name}: the run's videos cannot be read: {error}", remedy=remedy) from error
    data = Data(dataset.samples, dataset.folds)
    if trained.folder is not None and json.loads((trained.folder / "data.json").read_text()) != data.fingerprint:
        where = section["dir"] or "the bundled synthetic smiles"
        raise UserError(f"{trained.name}: {where}: not the videos that the run was trained on.", remedy=remedy)
    return data
