"""The four databases as TFDS data sets: landmarks are extracted once, from the videos that their owners hand out.

    python launch/build.py uva_nemo --manual_dir DIR --data_dir DATA

A split `fold_<n>` holds the videos that fold n tests, so that the others train: `as_data_source("fold_1")`, or `"all"`.
(One split of all videos could not be written: for more than 1 GB in a split, tfds needs TensorFlow.)
"""

import pathlib
import shutil

import numpy as np
import tensorflow_datasets as tfds

from dfuse_jax.data.build import manual
from dfuse_jax.data.layouts import authors
from dfuse_jax import samples
from dfuse_jax.data.databases import DATABASES, odd
from dfuse_jax.data.dataset import subjects
from dfuse_jax.data.folds import make_folds
from dfuse_jax.runtime.errors import UserError


class _Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Samples {landmarks, fps, image_size, label, subject, name} in splits fold_1, fold_2, ..."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, *, file_format="array_record", **kwargs):  # the one that is read without TensorFlow
        super().__init__(file_format=file_format, **kwargs)

    def _info(self):
        features = {
            # As bytes they are read ten times as fast as as a list of numbers.
            "landmarks": tfds.features.Tensor(
                shape=(None, samples.NUM_LANDMARKS, 3), dtype=np.float32, encoding="bytes"
            ),
            "fps": np.float64,
            "image_size": tfds.features.Tensor(shape=(2,), dtype=np.int32, doc="width, height in pixels"),
            "label": tfds.features.Scalar(np.int32, doc="1 spontaneous, 0 posed"),
            "subject": tfds.features.Text(doc="who smiles; empty: unknown"),
            "name": tfds.features.Text(doc="of the video"),
            "interpolated": tfds.features.Tensor(
                shape=(None,), dtype=np.int32, doc="frames in which no face was found"
            ),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"{DATABASES[self.name].title}: Attention Mesh landmarks of smiles, spontaneous and posed.",
            features=tfds.features.FeaturesDict(features),
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager):
        from dfuse_jax.extract.batch import extract_all

        # All that can be wrong with files and labels is found before the hours of extraction.
        try:
            root = pathlib.Path(dl_manager.manual_dir)
        except AssertionError as error:  # it does not exist or is empty
            raise UserError(f"{self.name}: {' '.join(str(error).split())}") from error
        jobs, splits = manual.plan(root, self.name)
        mine = pathlib.Path(self.data_path)  # incomplete.<...> until it is whole
        for left in mine.parent.glob("incomplete.*"):  # of builds that were killed
            if left != mine:
                shutil.rmtree(left, ignore_errors=True)
        landmarks = mine.parent / "landmarks"
        landmarks.mkdir(parents=True, exist_ok=True)
        extracted, failed = extract_all(jobs, landmarks)
        if not extracted:
            raise UserError(f"{root}: no video could be extracted: {'; '.join(failed.values())}")
        found = sorted((samples.load(path) for path in extracted.values()), key=lambda sample: sample.name)
        if splits:
            folds = authors.to_folds(splits, found)
        else:
            labels, who = [s.label for s in found], subjects(found)
            k = min(DATABASES[self.name].folds, len(set(who)), max(np.bincount(labels)))  # of a part of the database
            folds = make_folds(labels, who, k)
        if note := odd(found, self.name):
            print(f"{self.name}: {note}")
        for reason in failed.values():
            print(f"{self.name}: left out: {reason}")
        self.info.metadata.update(folds="published" if splits else "made", left_out=failed)
        return {
            f"fold_{number}": self._generate_examples([found[i] for i in fold.test])
            for number, fold in enumerate(folds, 1)
        }

    def _generate_examples(self, found):
        for sample in found:
            yield (
                sample.name,
                {
                    "landmarks": sample.landmarks,
                    "fps": sample.fps,
                    "image_size": sample.image_size,
                    "label": sample.label,
                    "subject": sample.subject or "",
                    "name": sample.name,
                    "interpolated": np.array(sample.interpolated, np.int32),
                },
            )


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
