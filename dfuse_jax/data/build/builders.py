"""The four databases as TFDS data sets: landmarks are extracted once, from the videos that their owners hand out.

A split `fold_<n>` holds the videos that fold n tests, so that the others train: `as_data_source("fold_1")`, or `"all"`.
(One split of all videos could not be written: for more than 1 GB in a split, TFDS needs TensorFlow.)
Chips, which would exceed that, stand beside the splits in `chips/<name>.npz`: the samples' own files.
"""

import os
import pathlib
import shutil
from collections.abc import Mapping

import numpy as np
import tensorflow_datasets as tfds

from dfuse_jax import constants, samples
from dfuse_jax.constants import NUM_LANDMARKS
from dfuse_jax.data.build import manual
from dfuse_jax.data.databases import DATABASES, unusual_format
from dfuse_jax.data.dataset import list_labels, list_subjects
from dfuse_jax.data.folds import Fold, make_folds
from dfuse_jax.data.layouts import splits
from dfuse_jax.data.layouts.tfds import CHIPS, FORMAT
from dfuse_jax.extract.batch import extract_all
from dfuse_jax.runtime import messages
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample


class _Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Samples {landmarks, fps, image_size, label, subject, name, interpolated, flags} in splits fold_1, fold_2, ..."""

    VERSION = tfds.core.Version("1.0.0")
    chips = False  # whether chips are stored too

    def __init__(self, *, file_format="array_record", **kwargs):  # can be read without TensorFlow
        super().__init__(file_format=file_format, **kwargs)

    def _info(self):
        Scalar, Tensor, Text = tfds.features.Scalar, tfds.features.Tensor, tfds.features.Text
        features = {
            # Bytes are read ten times as fast as a list of numbers.
            "landmarks": Tensor(shape=(None, NUM_LANDMARKS, 3), dtype=np.float32, encoding="bytes"),
            "fps": np.float64,
            "image_size": Tensor(shape=(2,), dtype=np.int32, doc="width, height in pixels"),
            "label": Scalar(np.int32, doc="1 spontaneous, 0 posed"),
            "subject": Text(doc="the person who smiles; empty: unknown"),
            "name": Text(doc="of the video"),
            "interpolated": Tensor(shape=(None,), dtype=np.int32, doc="frames in which no face was found"),
            "flags": Tensor(shape=(None,), dtype=np.int32, doc="what the camera did not see, by frame; empty: unknown"),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"{DATABASES[self.name].title}: Attention Mesh landmarks of smiles, spontaneous and posed.",
            features=tfds.features.FeaturesDict(features),
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager):
        try:
            root = pathlib.Path(dl_manager.manual_dir)
        except AssertionError as error:  # it does not exist or is empty
            raise UserError(f"{self.name}: {' '.join(str(error).split())}") from error
        # Whatever is wrong with files and labels is found before the hours of extraction.
        plan = manual.plan(root, self.name)
        outcome = extract_all([job._replace(chips=self.chips) for job in plan.jobs], self._landmarks_folder())
        if not outcome.extracted:
            raise UserError(f"{root}: no video could be extracted: {'; '.join(outcome.failed.values())}")
        loaded = [samples.load(path) for path in outcome.extracted.values()]
        loaded.sort(key=lambda sample: sample.name)
        unusual = unusual_format(loaded, self.name)
        left_out = [f"left out: {reason}" for reason in outcome.failed.values()]
        for note in (*plan.notes, *([unusual] if unusual else []), *left_out):
            messages.say(f"{self.name}: {note}")
        if self.chips:
            self._keep_chips(outcome.extracted)
        folds = splits.to_folds(plan.splits, loaded) if plan.splits else self._make_folds(loaded)
        metadata = self.info.metadata
        assert metadata is not None  # as `_info` made it
        metadata.update(
            format=FORMAT,
            dfuse_jax=constants.VERSION,
            folds="published" if plan.splits else "made",
            left_out=outcome.failed,
        )
        return {
            f"fold_{number}": self._generate_examples([loaded[i] for i in fold.test])
            for number, fold in enumerate(folds, 1)
        }

    def _landmarks_folder(self) -> pathlib.Path:
        """Makes the folder of the extracted landmarks, which all builds share, and removes those of killed builds."""
        unfinished = pathlib.Path(self.data_path)  # incomplete.<...> until this build is complete
        for leftover in unfinished.parent.glob("incomplete.*"):
            if leftover != unfinished:
                shutil.rmtree(leftover, ignore_errors=True)
        landmarks = unfinished.parent / "landmarks"
        landmarks.mkdir(parents=True, exist_ok=True)
        return landmarks

    def _keep_chips(self, extracted: Mapping[str, pathlib.Path]) -> None:
        """Puts the files of the samples into the data set; links where the file system has them."""
        folder = pathlib.Path(self.data_path) / CHIPS
        folder.mkdir(exist_ok=True)
        for name, path in extracted.items():
            try:
                os.link(path, folder / f"{name}.npz")
            except OSError:
                shutil.copyfile(path, folder / f"{name}.npz")

    def _make_folds(self, loaded: list[Sample]) -> list[Fold]:
        """Makes as many folds as the published protocol has, or as a part of the database allows."""
        labels, subjects = list_labels(loaded), list_subjects(loaded)
        k = min(DATABASES[self.name].folds, len(set(subjects)), max(np.bincount(labels)))
        return make_folds(labels, subjects, k)

    def _generate_examples(self, loaded: list[Sample]):
        for sample in loaded:
            example = {
                "landmarks": sample.landmarks,
                "fps": sample.fps,
                "image_size": sample.image_size,
                "label": sample.label,
                "subject": sample.subject or "",
                "name": sample.name,
                "interpolated": np.array(sample.interpolated, np.int32),
                "flags": np.array([] if sample.flags is None else sample.flags, np.int32),
            }
            yield sample.name, example


def store_chips() -> None:
    """Makes the builders of this process store chips too; TFDS makes the builders and passes nothing on to them."""
    _Builder.chips = True


class UvaNemo(_Builder):
    """UvA-NEMO: 1,240 smiles of 400 subjects, 50 fps."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = manual.INSTRUCTIONS["uva_nemo"]


class Mmi(_Builder):
    """MMI: posed smiles at 25 fps, spontaneous ones at 29."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = manual.INSTRUCTIONS["mmi"]


class Spos(_Builder):
    """SPOS: 80 smiles of 7 subjects, 25 fps."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = manual.INSTRUCTIONS["spos"]


class Bbc(_Builder):
    """BBC, Spot The Fake Smile: 20 smiles of 20 subjects, 25 fps."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = manual.INSTRUCTIONS["bbc"]
