"""From recordings to a table: every smile of everybody in them, a row each.

A folder of results holds

    smiles.csv, smiles.parquet    a row a smile
    frames/<video>.parquet        a row a frame and person: signals, head pose, flags
    timelines/<video>.png         the lip signals of everybody, and their smiles
    smiles/<video>_p1_s001.npz    the landmarks of every smile, as a sample
    overlays/<video>.mp4          if asked for: the video with mesh, lip signal and smiles
    annotations/<video>.eaf, .vtt smiles and phases for ELAN, smiles for players
    groups.csv                    features by group, with effect sizes

What is done of a video is marked in .parts/<video>/, last, so that a kill loses the videos under way and nothing else.
"""

import contextlib
import dataclasses
import glob
import itertools
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from dfuse_jax import dmarkers, samples
from dfuse_jax.experiments import people, predict
from dfuse_jax.experiments.people import Person
from dfuse_jax.extract import flags, jobs, on_cores, overlay, recording
from dfuse_jax.extract.batch import Bar
from dfuse_jax.extract.landmarks import NO_FACE
from dfuse_jax.extract.native import require
from dfuse_jax.extract.recording import Recording
from dfuse_jax.report import annotations, groups, timeline
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic, checksum, escaped, locked
from dfuse_jax.samples import Sample

if TYPE_CHECKING:
    import pandas

    from dfuse_jax.experiments.predict import Trained

MOMENTS = ("start", "onset", "apex", "offset", "end")
CUTS = {
    "start_cut": "its begin was not seen: it was there when the video began or the face came into view",
    "end_cut": "its end was not seen: the video ended or the face was lost before",
}
ROWS = 16_384  # of a table of frames that are written together
FOLDERS = ("smiles", "frames", "timelines", "overlays", "annotations", ".parts")
COLUMNS = (
    *("file", "person", "smile", "fps"),
    *(f"{moment}_frame" for moment in MOMENTS),
    *(f"{moment}_s" for moment in MOMENTS),
    *("start_cut", "end_cut", "first_frame", "last_frame"),
    *("amplitude", "height_sd", "interpolated", *flags.NAMES, "flagged", "judged", "reason"),
    *("probability", "probability_sd", "models", "cautions"),
    *dmarkers.FEATURE_NAMES,
)


class Analysis(NamedTuple):
    """What became of the videos.

    Attributes:
        smiles: a row a smile, with COLUMNS.
        notes: {video: what a user should know of it}.
        failed: {video: reason}.
    """

    smiles: "pandas.DataFrame"
    notes: dict[str, tuple[str, ...]]
    failed: dict[str, str]


def analyse(
    videos: str | os.PathLike | Sequence[str | os.PathLike],
    out: str | os.PathLike | None = None,
    *,
    checkpoint: str | os.PathLike | None = None,
    workers: int | None = None,
    overlays: bool = False,
    pixel_aspect: float | None = None,
    fps: float | None = None,
) -> "pandas.DataFrame":
    """Finds the smiles of everybody in videos of any length.

    Args:
        videos: one or several.
        out: folder for all results; None: only the table is kept.
        checkpoint: folder of a finished run or an exported model, which judges the smiles; None: nobody does.
        workers: how many videos at a time; None: one per core.
        overlays: whether to write videos that show what was found.
        pixel_aspect: width / height of a pixel as it is stored; None: what the files say, or 1.
        fps: frames per second; None: what the times of the frames say.

    Returns:
        A row a smile, with COLUMNS: moments in frames and in seconds from the video's first frame, amplitude, shares of
        flagged frames, the probability that the smile is spontaneous (mean and standard deviation over the models), and
        the 225 D-Markers by the definition `robust`.

    Raises:
        UserError: a video cannot be read, or what is needed is not installed.
    """
    paths = [videos] if isinstance(videos, str | os.PathLike) else list(videos)
    options: dict[str, Any] = {"checkpoint": checkpoint, "workers": workers, "overlays": overlays}
    options |= {"pixel_aspect": pixel_aspect, "fps": fps}
    with contextlib.ExitStack() as stack:
        folder = out if out is not None else stack.enter_context(tempfile.TemporaryDirectory())
        analysis = analyse_all(paths, folder, **options)
    if analysis.failed:
        raise UserError("\n".join(analysis.failed.values()))
    return analysis.smiles


def analyse_all(
    videos: Sequence[str | os.PathLike],
    out: str | os.PathLike,
    *,
    checkpoint: str | os.PathLike | None = None,
    models: int | None = None,
    grouping: str | os.PathLike | None = None,
    workers: int | None = None,
    overlays: bool = False,
    pixel_aspect: float | None = None,
    fps: float | None = None,
    on_progress: Callable[[jobs.Progress], None] = lambda progress: None,
) -> Analysis:
    """Does what `analyse` does, goes on after a kill, and lets no video's failure stop the others.

    Args:
        videos: the files.
        out: folder for all results.
        checkpoint: as for `analyse`.
        models: how many of its models are asked; None: all.
        grouping: a CSV with the columns file and group, for groups.csv; None: the groups are those that the checkpoint
            judges to be spontaneous and posed.
        workers: as for `analyse`.
        overlays: as for `analyse`.
        pixel_aspect: as for `analyse`.
        fps: as for `analyse`.
        on_progress: called while a video is read.

    Raises:
        UserError: nothing can be done: what is needed is not installed, or the folder cannot be written.
    """
    pandas = require("pandas", "analyse")
    require("pyarrow", "analyse")
    require("pympi", "analyse")
    trained = predict.load(os.fspath(checkpoint)) if checkpoint is not None else None
    if trained is not None and trained.sees_pictures:
        raise UserError(
            f"{checkpoint}: its models see pictures of the face, which the smiles of recordings do not hold. Take a "
            "model that sees landmarks, or cut the videos to their smiles and extract these with pictures."
        )
    if trained is not None and models is not None:
        trained = trained.some(models)
    group_of = groups.read(grouping) if grouping is not None else None
    out = pathlib.Path(out)
    wanted = {"versions": jobs.versions(), "pixel_aspect": pixel_aspect, "fps": fps}
    with locked(out):
        _tidy(out)
        failed = _work(_parts(out, videos), wanted, workers=workers, overlays=overlays, on_progress=on_progress)
        done = [part for part in _parts(out, videos).values() if part.name not in failed]
        if failed and not done:  # tables of an earlier call stay
            return Analysis(smiles=pandas.DataFrame(columns=list(COLUMNS)), notes={}, failed=failed)
        notes = {part.name: tuple(part.state()["notes"]) for part in done}
        tables = [pandas.read_parquet(part.table) for part in done]
        table = pandas.concat(tables, ignore_index=True) if tables else pandas.DataFrame(columns=list(COLUMNS))
        if trained is not None:
            _judge(table, trained, done)
        _write_tables(out, table)
        _annotate(done, table)
        if group_of is not None or trained is not None:
            group = table["file"].map(group_of) if group_of is not None else groups.judged(table)
            groups.write(out / "groups.csv", groups.compare(table, group, dmarkers.FEATURE_NAMES))
    return Analysis(smiles=table, notes=notes, failed=failed)


@dataclasses.dataclass(frozen=True)
class _Part:
    """One video's share of the results.

    Attributes:
        path: the video.
        out: folder of all results.
    """

    path: pathlib.Path
    out: pathlib.Path

    @property
    def name(self) -> str:
        """What its files are called."""
        return self.path.stem

    @property
    def folder(self) -> pathlib.Path:
        """What is needed to go on."""
        return self.out / ".parts" / self.name

    @property
    def landmarks(self) -> pathlib.Path:
        """The recording; its landmarks are removed when all is made of them."""
        return self.folder / "landmarks"

    @property
    def table(self) -> pathlib.Path:
        """Its rows."""
        return self.folder / "smiles.parquet"

    @property
    def frames(self) -> pathlib.Path:
        """The table of its frames."""
        return self.out / "frames" / f"{self.name}.parquet"

    @property
    def overlay(self) -> pathlib.Path:
        """The video that shows what was found."""
        return self.out / "overlays" / f"{self.name}.mp4"

    def sample(self, person: int, smile: int) -> pathlib.Path:
        """Returns the landmark file of a smile; people and smiles count from 1."""
        return self.out / "smiles" / f"{self.name}_p{person}_s{smile:03d}.npz"

    def state(self) -> dict:
        """What is done of it; empty where nothing is."""
        try:
            return json.loads((self.folder / "state.json").read_text())
        except (OSError, ValueError):
            return {}

    def is_done(self, wanted: Mapping) -> bool:
        """Whether its results, the overlay aside, are those of this very video with these options."""
        state = self.state()
        same = bool(state) and all(state.get(key) == value for key, value in wanted.items())
        return same and self.table.exists() and state["checksum"] == checksum(self.path)

    def recording(self, wanted: Mapping) -> Recording | None:
        """The landmarks of this very video with these options, if an earlier call got so far."""
        try:
            options = json.loads((self.folder / "wanted.json").read_text())
        except (OSError, ValueError):
            return None
        recorded = recording.load(self.landmarks) if options == wanted else None
        usable = recorded is not None and recorded.is_whole and recorded.checksum == checksum(self.path)
        return recorded if usable else None


def _tidy(out: pathlib.Path) -> None:
    """Removes unfinished files of a process that was killed; nobody else works here."""
    ours = [out.glob(f".{name}.{8 * '?'}") for name in ("smiles.csv", "smiles.parquet", "groups.csv")]
    ours += [(out / folder).rglob(f".*.{8 * '?'}") for folder in FOLDERS]
    for leftover in itertools.chain(*ours):
        if leftover.is_file():
            leftover.unlink()


def _parts(out: pathlib.Path, videos: Sequence[str | os.PathLike]) -> dict[str, _Part]:
    """Returns {name: part}; raises UserError if two videos have one name."""
    parts: dict[str, _Part] = {}
    for video in videos:
        part = _Part(pathlib.Path(video), out)
        first = parts.setdefault(part.name, part)
        if first.path.resolve() != part.path.resolve():
            raise UserError(f"{part.path} and {first.path} have one name, and so would their results. Rename one.")
    return parts


def _work(
    parts: Mapping[str, _Part],
    wanted: Mapping,
    *,
    workers: int | None,
    overlays: bool,
    on_progress: Callable[[jobs.Progress], None],
) -> dict[str, str]:
    """Extracts what is not done yet and finds its smiles; returns {name: reason} of what cannot be extracted."""
    failed: dict[str, str] = {}
    ready: list[_Part] = []
    undrawn: list[_Part] = []
    with Bar([part.path for part in parts.values()]) as bar:

        def todo() -> Iterator[jobs.RecordingJob]:
            for part in parts.values():
                try:
                    if part.is_done(wanted):
                        bar.skip(part.path)
                        if overlays and not part.overlay.exists():
                            undrawn.append(part)
                        continue
                    if part.recording(wanted) is not None:
                        bar.skip(part.path)
                        ready.append(part)
                        continue
                except OSError as error:
                    failed[part.name] = f"{part.path}: cannot be read ({error.strerror}). Check the path."
                    bar.skip(part.path)
                    continue
                part.folder.mkdir(parents=True, exist_ok=True)
                part.overlay.unlink(missing_ok=True)
                (part.folder / "state.json").unlink(missing_ok=True)
                shutil.rmtree(part.landmarks, ignore_errors=True)  # of other options, which the next file would deny
                with atomic(part.folder / "wanted.json") as file:
                    json.dump(wanted, file)
                yield jobs.RecordingJob(
                    part.path, part.landmarks, pixel_aspect=wanted["pixel_aspect"], fps=wanted["fps"]
                )

        def finish(part: _Part) -> None:
            try:
                _finish(part, wanted, overlays)
            except UserError as error:
                failed[part.name] = str(error)

        with contextlib.closing(on_cores.run(todo(), workers)) as events:
            for job, event in events:
                part = parts[job.path.stem]
                if isinstance(event, jobs.Progress):
                    bar.move(job.path, event)
                    on_progress(event)
                    continue
                bar.end(job.path, frames=0, failed=event.reason is not None)
                if event.reason is not None:
                    failed[part.name] = event.reason
                    shutil.rmtree(part.folder, ignore_errors=True)
                else:
                    finish(part)
        for part in ready:
            finish(part)
        for part in undrawn:
            try:
                _draw_overlay(part, wanted)
            except UserError as error:
                failed[part.name] = str(error)
    return failed


def _finish(part: _Part, wanted: Mapping, overlays: bool) -> None:
    """Makes everything of a recording, notes that it is done, and drops the landmarks that are in no smile."""
    recorded = recording.load(part.landmarks)
    if recorded is None:
        raise UserError(f"{part.landmarks}: cannot be read. Remove it and run again.")
    everybody = [people.find(recorded, number) for number in range(len(recorded.flags))]
    for folder in FOLDERS:
        (part.out / folder).mkdir(exist_ok=True)
    for stale in (part.out / "smiles").glob(f"{glob.escape(part.name)}_p*_s*.npz"):
        stale.unlink()
    table = _save_smiles(part, recorded, everybody)
    with atomic(part.table, "wb") as file:
        table.to_parquet(file, index=False)
    _write_frames(part.frames, recorded, everybody)
    timeline.draw(
        part.out / "timelines" / f"{part.name}.png",
        [
            timeline.Lane(
                lip=person.signals[people.LIP],
                baseline=person.baseline,
                spans=[(smile.begin, smile.end) for smile in person.smiles],
                flagged=flags.is_flagged(person.flags),
            )
            for person in everybody
        ],
        fps=recorded.fps,
        title=escaped(part.path.name),
    )
    if overlays:
        faces = [itertools.chain.from_iterable(recorded.blocks(number)) for number in range(len(everybody))]
        _write_overlay(part, recorded, faces, wanted)
    with atomic(part.folder / "state.json") as file:
        json.dump({**wanted, "checksum": recorded.checksum, "notes": recorded.notes}, file)
    for landmarks in part.landmarks.glob("*.f32"):
        landmarks.unlink()


def _draw_overlay(part: _Part, wanted: Mapping) -> None:
    """Draws the overlay of a video that is done: of the landmarks, only those of the smiles are left."""
    import pandas

    recorded = recording.load(part.landmarks)
    if recorded is None:
        raise UserError(f"{part.landmarks}: cannot be read. Remove {part.folder} and run again.")
    table = pandas.read_parquet(part.table)
    faces = [_faces_in_smiles(part, recorded, table, number + 1) for number in range(len(recorded.flags))]
    _write_overlay(part, recorded, faces, wanted)


def _faces_in_smiles(
    part: _Part, recorded: Recording, table: "pandas.DataFrame", person: int
) -> Iterator[Float[np.ndarray, "478 3"]]:
    """Yields the landmarks of a person in every frame of the video, NaN where no smile's sample holds them."""
    rows = table[table["person"] == person]
    left = list(zip(rows["smile"], rows["first_frame"], rows["last_frame"], strict=True))
    sample = None
    for position in recorded.positions.round():
        while left and position > left[0][2]:
            sample = None
            del left[0]
        if not left or position < left[0][1]:
            yield NO_FACE
            continue
        smile, first, _ = left[0]
        sample = sample or samples.load(part.sample(person, smile))
        yield sample.landmarks[int(position) - first]


def _write_overlay(
    part: _Part, recorded: Recording, faces: Sequence[Iterable[Float[np.ndarray, "478 3"]]], wanted: Mapping
) -> None:
    import pandas

    frames, table = pandas.read_parquet(part.frames, columns=["person", "lip"]), pandas.read_parquet(part.table)
    lanes = []
    for number, landmarks in enumerate(faces):
        rows = table[table["person"] == number + 1]
        lanes.append(
            overlay.Lane(
                landmarks=landmarks,
                lip=frames.loc[frames["person"] == number + 1, "lip"].to_numpy(float),
                spans=list(zip(rows["start_frame"], rows["end_frame"], strict=True)),
            )
        )
    overlay.write(part.overlay, part.path, recorded, lanes, pixel_aspect=wanted["pixel_aspect"])


def _save_smiles(part: _Part, recorded: Recording, everybody: Sequence[Person]) -> "pandas.DataFrame":
    """Writes the samples of a video's smiles and returns their table, not judged yet."""
    import pandas

    rows, points = [], []
    for number, person in enumerate(everybody):
        for order, smile in enumerate(person.smiles):
            path = part.sample(number + 1, order + 1)
            sample = samples.validate(people.cut(recorded, number, smile, name=path.stem))
            samples.save(sample, path)
            onset, _, offset = phase_ends(sample) + smile.first
            apex = onset[1] if np.isfinite(onset[1]) else offset[0]
            moments = (smile.begin, onset[0], apex, offset[0], smile.end)
            shares, reason = flags.shares(sample.flags), flags.refusal(sample)
            rows.append(
                {
                    "file": escaped(part.path.name),
                    "person": number + 1,
                    "smile": order + 1,
                    "fps": recorded.fps,
                    **{f"{name}_frame": moment for name, moment in zip(MOMENTS, moments, strict=True)},
                    **{f"{name}_s": moment / recorded.fps for name, moment in zip(MOMENTS, moments, strict=True)},
                    "start_cut": smile.start_cut,
                    "end_cut": smile.end_cut,
                    "first_frame": smile.first,
                    "last_frame": smile.last,
                    "amplitude": smile.amplitude,
                    "height_sd": smile.height,
                    "interpolated": len(sample.interpolated) / len(sample.landmarks),
                    **shares,
                    "flagged": bool(flags.notable(shares)),
                    "judged": False,
                    "reason": reason or "",
                    "cautions": "",
                }
            )
            points.append(sample.landmarks[:, np.array(dmarkers.LANDMARKS)])
    table = pandas.DataFrame(rows, columns=list(COLUMNS[: -len(dmarkers.FEATURE_NAMES)]))
    features = dmarkers.compute_batch(points, recorded.fps, aspect=recorded.aspect, definition="robust")
    table = table.astype(dict.fromkeys(("probability", "probability_sd", "models"), float))
    return pandas.concat([table, pandas.DataFrame(features, columns=list(dmarkers.FEATURE_NAMES))], axis=1)


def phase_ends(sample: Sample) -> Float[np.ndarray, "3 2"]:
    """Returns where onset, apex and offset begin and end, in frames of the sample, as `dmarkers.phase_ends` does."""
    length = len(sample.landmarks)
    points = sample.landmarks[:, np.array(dmarkers.LANDMARKS)]
    padded = points[np.minimum(np.arange(people.padded_length(length)), length - 1)]
    signals = dmarkers.signals(padded, length=length, aspect=sample.aspect, definition="robust")
    lip = np.asarray(signals.mean[people.LIP])
    return np.asarray(dmarkers.phase_ends(lip, sample.fps, length=length, definition="robust"))


def _write_frames(path: pathlib.Path, recorded: Recording, everybody: Sequence[Person]) -> None:
    """Writes the table of a video's frames, of everybody in turn."""
    import pandas
    import pyarrow
    from pyarrow import parquet

    with atomic(path, "wb") as file, contextlib.ExitStack() as stack:
        writer = None
        for number, person in enumerate(everybody):
            for start in range(0, recorded.frames, ROWS):
                block = slice(start, min(start + ROWS, recorded.frames))
                frame = np.arange(block.start, block.stop)
                smile = np.zeros(len(frame), int)
                for order, one in enumerate(person.smiles):
                    smile[(frame >= one.begin) & (frame <= one.end)] = order + 1
                columns = {"person": number + 1, "frame": frame, "time_s": frame / recorded.fps, "smile": smile}
                columns |= dict(zip(dmarkers.REGIONS, person.signals[:, block], strict=True))
                columns |= {"lip_at_rest": person.baseline[block]}
                columns |= dict(zip(("roll", "yaw", "pitch"), person.pose[block].T, strict=True))
                rows = pandas.DataFrame(columns | flags.unpack(person.flags[block]))
                table = pyarrow.Table.from_pandas(rows, preserve_index=False)
                if writer is None:
                    writer = stack.enter_context(parquet.ParquetWriter(file, table.schema))
                writer.write_table(table)


def _judge(table: "pandas.DataFrame", trained: "Trained", parts: Sequence[_Part]) -> None:
    """Fills in the probabilities of the smiles that can be judged, and why to be careful with them."""
    by_file = {escaped(part.path.name): part for part in parts}
    for row, reason in enumerate(table["reason"]):
        if reason:
            continue
        path = by_file[table.at[row, "file"]].sample(int(table.at[row, "person"]), int(table.at[row, "smile"]))
        verdict = trained.judge(samples.load(path))
        cuts = [words for column, words in CUTS.items() if table.at[row, column]]
        table.at[row, "judged"] = True
        table.at[row, "probability"] = float(verdict.probabilities.mean())
        table.at[row, "probability_sd"] = float(verdict.probabilities.std())
        table.at[row, "models"] = float(len(verdict.probabilities))
        table.at[row, "cautions"] = "; ".join([*cuts, *verdict.cautions])


def _write_tables(out: pathlib.Path, table: "pandas.DataFrame") -> None:
    with atomic(out / "smiles.csv") as file:
        table.to_csv(file, index=False, float_format="%.7g", lineterminator="\n")
    with atomic(out / "smiles.parquet", "wb") as file:
        table.to_parquet(file, index=False)


def _annotate(parts: Sequence[_Part], table: "pandas.DataFrame") -> None:
    """Writes the smiles of every video for ELAN and for players."""
    by_file: dict[str, list[dict]] = {}
    for row in table.drop(columns=list(dmarkers.FEATURE_NAMES)).to_dict("records"):
        by_file.setdefault(str(row["file"]), []).append(row)
    for part in parts:
        rows = by_file.get(escaped(part.path.name), [])
        folder = part.out / "annotations"
        folder.mkdir(exist_ok=True)
        annotations.write_eaf(folder / f"{part.name}.eaf", part.path, rows)
        annotations.write_webvtt(folder / f"{part.name}.vtt", rows)
