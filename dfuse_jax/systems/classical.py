"""Systems without a network: features of whole videos, and a classifier of the kind of scikit-learn's.

Everything is fitted inside the training fold. What has to be chosen there, such as a number of features or a cost, is
chosen by an inner cross-validation that keeps subjects apart and is scored by balanced accuracy. There are no epochs,
so the videos that would choose one train as well: `validated`, `final` and `peeked` are the same.
"""

import dataclasses
import hashlib
import pathlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import joblib
import numpy as np
import skops.io
from jaxtyping import Float, Int
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedGroupKFold

from dfuse_jax import dmarkers
from dfuse_jax.data.dataset import list_subjects
from dfuse_jax.runtime import messages
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic
from dfuse_jax.samples import Sample
from dfuse_jax.systems import checks
from dfuse_jax.systems.search import Split
from dfuse_jax.systems.videos import count_frames, lay_out
from dfuse_jax.train import History, Inputs, Progress, Replica

INNER_FOLDS = 5
FEW, FOLDS_OF_FEW = 15, 3  # inner folds if a class has fewer videos than FEW
SUFFIX = ".skops"


@dataclasses.dataclass(frozen=True)
class Classical:
    """A classifier of whole-video features, as a system.

    Attributes:
        name: of the system.
        features: computes the features of videos, an array [V, ...].
        learn: fits a classifier to features, labels (0 and 1) and the splits of an inner cross-validation, with equal
            classes if `balanced`; it has `classes_` and `predict_proba`.
        trusted: names of the types that a fitted classifier holds and that skops does not know.
        parameters: how many are learnt; None if that depends on the videos.
        balanced: whether both classes count alike, however many videos they have.
        holds_out: whether a replica's validation videos do not train it, so that they can choose a threshold.
    """

    name: str
    features: Callable[[Sequence[Sample]], Float[np.ndarray, "videos ..."]]
    learn: Callable[..., Any]
    trusted: tuple[str, ...] = ()
    parameters: int | None = None
    balanced: bool = False
    holds_out: bool = False

    def inputs(self, samples: Sequence[Sample]) -> Inputs:
        """Returns features and subjects of the videos."""
        _, subject = np.unique(list_subjects(samples), return_inverse=True)
        return lay_out(
            samples,
            count_frames(samples),
            per_frame={},
            per_video={"features": self.features(samples), "subject": subject.astype(np.int32)},
            precision=np.float32,
        )

    def fit(
        self,
        inputs: Inputs,
        replicas: Sequence[Replica],
        directory: pathlib.Path,
        *,
        on_epoch: Callable[[Progress], None] = lambda progress: None,
    ) -> History:
        """Fits a classifier for each training fold, as many at a time as there are cores; finished ones are kept."""
        paths = [_path(directory, replica, self._training_videos(replica)) for replica in replicas]
        messages.by_first(self._fit_all, inputs, dict(zip(paths, replicas, strict=True)), directory)
        longest = max(len(replica.val) + len(replica.test) for replica in replicas)
        history = History.empty(1, len(replicas), longest)
        fitted = {path: self._read(path) for path in set(paths)}
        for number, (path, replica) in enumerate(zip(paths, replicas, strict=True)):
            videos = np.concatenate([replica.val, replica.test])
            history.probabilities[0, number, : len(videos)] = _probabilities(
                fitted[path], inputs.per_video["features"][videos]
            )
            if not self.holds_out:  # those train, too, so what is predicted for them says nothing
                history.probabilities[0, number, : len(replica.val)] = np.nan
        on_epoch(Progress(done=1, epochs=1, groups=[range(len(replicas))], history=history))
        return history

    def load(self, directory: pathlib.Path, replicas: int) -> list[Any]:
        """Returns the classifiers of the first replicas, which are in the order in which they were fitted."""
        names = (directory / "replicas.txt").read_text().split()
        return [self._read(directory / name) for name in names[:replicas]]

    def pack(self, fitted: Sequence[Any], replicas: Sequence[int]) -> dict[str, np.ndarray]:
        """Returns the classifiers of some replicas as bytes of skops' format, padded to the longest."""
        files = [np.frombuffer(skops.io.dumps(fitted[replica]), np.uint8) for replica in replicas]
        longest = max(map(len, files))
        padded = np.stack([np.pad(file, (0, longest - len(file))) for file in files])
        return {"classifier": padded, "size": np.array([len(file) for file in files])}

    def unpack(self, arrays: Mapping[str, np.ndarray]) -> list[Any]:
        """Returns classifiers from what `pack` returned; raises ValueError if it did not return them."""
        if arrays.keys() != {"classifier", "size"}:
            raise ValueError(f"its arrays are {sorted(arrays)}, not those of a classifier")
        files = zip(arrays["classifier"], arrays["size"], strict=True)
        try:
            return [skops.io.loads(file[:size].tobytes(), trusted=list(self.trusted)) for file, size in files]
        except Exception as error:  # as in _read
            raise ValueError(f"a classifier cannot be read ({error})") from error

    def predict(self, fitted: Sequence[Any], inputs: Inputs) -> Float[np.ndarray, "replicas videos"]:
        """Returns the probability that each video is spontaneous, by each classifier."""
        return np.stack([_probabilities(one, inputs.per_video["features"]) for one in fitted])

    def epoch_work(self, replicas: Sequence[Replica]) -> tuple[int, int]:
        """Returns 0 and 0: there are no epochs."""
        return 0, 0

    def _fit_all(self, inputs: Inputs, replicas: dict[pathlib.Path, Replica], directory: pathlib.Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        jobs = [joblib.delayed(self._fit_one)(inputs, one, path) for path, one in replicas.items() if not path.exists()]
        with warnings.catch_warnings():
            # Settings at which a solver does not converge are tried and lose; threads share the filters.
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.filterwarnings("ignore", "Since Pipeline does not appear to accept sample_weight")
            joblib.Parallel(n_jobs=-1, prefer="threads")(jobs)  # they compute outside the interpreter's lock
        with atomic(directory / "replicas.txt") as file:
            file.writelines(f"{path.name}\n" for path in replicas)

    def _fit_one(self, inputs: Inputs, replica: Replica, path: pathlib.Path) -> None:
        videos = self._training_videos(replica)
        label = inputs.label if replica.label is None else replica.label
        features, labels = inputs.per_video["features"][videos], np.asarray(label[videos], int)
        splits = inner_splits(labels, inputs.per_video["subject"][videos])
        if (features == features[0]).all():  # there is nothing to learn, and many classifiers divide by a variance
            fitted = DummyClassifier(strategy="prior").fit(features, labels)
        else:
            fitted = self.learn(features, labels, splits, balanced=self.balanced)
        with atomic(path, "wb") as file:
            file.write(skops.io.dumps(fitted))

    def _training_videos(self, replica: Replica) -> Int[np.ndarray, " videos"]:
        return np.sort(replica.train if self.holds_out else np.concatenate([replica.train, replica.val]))

    def _read(self, path: pathlib.Path) -> Any:
        try:
            return skops.io.load(path, trusted=list(self.trusted))
        except Exception as error:  # zip, JSON, types that are not trusted: a damaged file has many ways to fail
            raise UserError(f"{path}: cannot be read ({error}). Delete it and run again.") from error


def switches(config: Mapping) -> dict[str, Any]:
    """Returns the attributes of `Classical` that the options of a config set."""
    return {"balanced": checks.is_on(config, "class_weights"), "holds_out": checks.is_on(config, "threshold")}


def map_samples(program: Callable, samples: Sequence[Sample]) -> Float[np.ndarray, "videos ..."]:
    """Returns what a compiled program, see `dmarkers.map_batch`, computes of each video."""
    return dmarkers.map_batch(
        program,
        (sample.landmarks for sample in samples),
        [sample.fps for sample in samples],
        aspect=[sample.aspect for sample in samples],
    )


def inner_splits(labels: Int[np.ndarray, " videos"], subjects: Int[np.ndarray, " videos"]) -> list[Split]:
    """Returns the splits of the inner cross-validation: stratified, subject-disjoint, both classes in every part.

    There are 5, or 3 if a class has fewer than 15 videos, or as many as the subjects allow.

    Raises:
        UserError: a class is of one subject alone.
    """
    counts = np.bincount(labels, minlength=2)
    fewest_subjects = min(len(np.unique(subjects[labels == label])) for label in (0, 1))
    most = INNER_FOLDS if counts.min() >= FEW else FOLDS_OF_FEW
    for number in range(min(most, fewest_subjects), 1, -1):
        folds = StratifiedGroupKFold(number, shuffle=True, random_state=0)
        splits = list(folds.split(np.zeros(len(labels)), labels, subjects))
        if all(len(np.unique(labels[train])) == 2 for train, _ in splits):
            return splits
    raise UserError(
        f"a training fold of {len(labels)} videos cannot be divided so that both classes train and no subject is on "
        "both sides: this system needs two subjects of each class at least."
    )


def _path(directory: pathlib.Path, replica: Replica, videos: Int[np.ndarray, " videos"]) -> pathlib.Path:
    """Returns the file of the classifier of these training videos: the runs of a fold share it, with equal labels."""
    digest = hashlib.sha256(videos.astype(np.int64).tobytes())
    if replica.label is not None:
        digest.update(replica.label[videos].astype(np.uint8).tobytes())
    return directory / f"fold_{replica.fold + 1:02d}_{digest.hexdigest()[:12]}{SUFFIX}"


def _probabilities(fitted: Any, features: Float[np.ndarray, "videos features"]) -> Float[np.ndarray, " videos"]:
    return fitted.predict_proba(features)[:, list(fitted.classes_).index(1)]
