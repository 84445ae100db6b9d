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
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float

from dfuse_jax import dmarkers, samples
from dfuse_jax.experiments import predict
from dfuse_jax.extract import flags, gaps, jobs, on_cores, overlay, recording
from dfuse_jax.extract.batch import Bar
from dfuse_jax.extract.native import require
from dfuse_jax.extract.recording import Recording
from dfuse_jax.report import annotations, groups, timeline
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic, checksum, escaped, locked
from dfuse_jax.samples import Sample

if TYPE_CHECKING:
    import pandas

    from dfuse_jax.experiments.predict import Trained

MARGIN = 1.0  # seconds before and after a smile that its features and a network see, where no other smile is
LIP = dmarkers.REGIONS.index("lip")
MOMENTS = ("start", "onset", "apex", "offset", "end")
VIDEO, GROWTH = 1024, 4  # frames that signals are padded to: few programs to compile
COLUMNS = (
    *("file", "person", "smile", "fps"),
    *(f"{moment}_frame" for moment in MOMENTS),
    *(f"{moment}_s" for moment in MOMENTS),
    *("amplitude", "height_sd", "interpolated", *flags.NAMES, "flagged", "judged", "reason"),
    *("probability", "probability_sd", "models"),
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


class Smile(NamedTuple):
    """A smile on the grid of a recording.

    Attributes:
        begin: of the smile, in frames and fractions of a frame.
        end: likewise.
        amplitude: greatest height of the lip signal above rest, in D_lip.
        height: the same in standard deviations.
        first: the first frame of its sample.
        last: the last one.
    """

    begin: float
    end: float
    amplitude: float
    height: float
    first: int
    last: int


class Person(NamedTuple):
    """Somebody in a recording, on its grid of N frames.

    Attributes:
        signals: [3, N] mean of the two sides, in the order of `dmarkers.REGIONS`; NaN where the face is not seen.
        baseline: [N], D_lip at rest.
        pose: [N, 3], roll, yaw and pitch in degrees.
        flags: [N] bits, see `extract.flags`.
        smiles: in order.
    """

    signals: Float[np.ndarray, "3 frames"]
    baseline: Float[np.ndarray, " frames"]
    pose: Float[np.ndarray, "frames 3"]
    flags: np.ndarray
    smiles: list[Smile]


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
    if trained is not None and models is not None:
        trained = trained.some(models)
    group_of = groups.read(grouping) if grouping is not None else None
    out = pathlib.Path(out)
    wanted = {"versions": jobs.versions(), "pixel_aspect": pixel_aspect, "fps": fps}
    with locked(out):
        for leftover in out.rglob(f".*.{8 * '?'}"):  # of a killed process; nobody else works here
            if leftover.is_file():
                leftover.unlink()
        failed = _work(_parts(out, videos), wanted, workers=workers, overlays=overlays, on_progress=on_progress)
        done = [part for part in _parts(out, videos).values() if part.name not in failed]
        notes = {part.name: tuple(part.state()["notes"]) for part in done}
        tables = [pandas.read_parquet(part.table) for part in done]
        table = pandas.concat(tables, ignore_index=True) if tables else pandas.DataFrame(columns=list(COLUMNS))
        if trained is not None:
            _judge(table, trained, out)
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
        """The recording, until all is made of it."""
        return self.folder / "landmarks"

    @property
    def table(self) -> pathlib.Path:
        """Its rows."""
        return self.folder / "smiles.parquet"

    @property
    def overlay(self) -> pathlib.Path:
        """The video that shows what was found."""
        return self.out / "overlays" / f"{self.name}.mp4"

    def state(self) -> dict:
        """What is done of it; empty where nothing is."""
        try:
            return json.loads((self.folder / "state.json").read_text())
        except (OSError, ValueError):
            return {}

    def is_done(self, wanted: Mapping, overlays: bool) -> bool:
        """Whether its results are those of this very video with these options."""
        state = self.state()
        same = bool(state) and all(state.get(key) == value for key, value in wanted.items())
        shown = not overlays or self.overlay.exists()
        return same and shown and self.table.exists() and state["checksum"] == checksum(self.path)

    def recording(self, wanted: Mapping) -> Recording | None:
        """The landmarks of this very video with these options, if an earlier call got so far."""
        try:
            options = json.loads((self.folder / "wanted.json").read_text())
        except (OSError, ValueError):
            return None
        recorded = recording.load(self.landmarks) if options == wanted else None
        return recorded if recorded is not None and recorded.checksum == checksum(self.path) else None


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
    with Bar([part.path for part in parts.values()]) as bar:

        def todo() -> Iterator[jobs.RecordingJob]:
            for part in parts.values():
                try:
                    if part.is_done(wanted, overlays):
                        bar.skip(part.path)
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
    return failed


def _finish(part: _Part, wanted: Mapping, overlays: bool) -> None:
    """Makes everything of a recording, notes that it is done, and drops the landmarks that are in no smile."""
    recorded = recording.load(part.landmarks)
    if recorded is None:
        raise UserError(f"{part.landmarks}: cannot be read. Remove it and run again.")
    people = [find(recorded, number) for number in range(len(recorded.flags))]
    for folder in ("smiles", "frames", "timelines", "overlays"):
        (part.out / folder).mkdir(exist_ok=True)
    for stale in (part.out / "smiles").glob(f"{glob.escape(part.name)}_p*_s*.npz"):
        stale.unlink()
    table = _save_smiles(part, recorded, people)
    with atomic(part.table, "wb") as file:
        table.to_parquet(file, index=False)
    with atomic(part.out / "frames" / f"{part.name}.parquet", "wb") as file:
        _frames(recorded, people).to_parquet(file, index=False)
    timeline.draw(
        part.out / "timelines" / f"{part.name}.png",
        [
            timeline.Lane(
                lip=person.signals[LIP],
                baseline=person.baseline,
                spans=[(smile.begin, smile.end) for smile in person.smiles],
                flagged=flags.is_flagged(person.flags),
            )
            for person in people
        ],
        fps=recorded.fps,
        title=escaped(part.path.name),
    )
    if overlays:
        overlay.write(
            part.overlay,
            part.path,
            recorded,
            [person.signals[LIP] for person in people],
            [[(smile.begin, smile.end) for smile in person.smiles] for person in people],
            pixel_aspect=wanted["pixel_aspect"],
        )
    with atomic(part.folder / "state.json") as file:
        json.dump({**wanted, "checksum": recorded.checksum, "notes": recorded.notes}, file)
    shutil.rmtree(part.landmarks, ignore_errors=True)


def find(recorded: Recording, number: int) -> Person:
    """Finds the smiles of a person, from 0, in a recording."""
    chosen = np.array(dmarkers.LANDMARKS)
    points = np.concatenate([block[:, chosen] for block in recorded.blocks(number)])
    frames = recorded.frames
    bits = flags.follow(recorded.flags[number], recorded.positions, frames)
    seen = ~np.isnan(points[:, 0, 0])
    if not seen.any():
        nothing = np.full((3, frames), np.nan)
        return Person(signals=nothing, baseline=nothing[0], pose=nothing.T, flags=bits, smiles=[])
    lost = _lost(recorded, seen)
    points, _ = gaps.fill(points, recorded.positions)
    # The first frame with a face is what cheeks and lips are referred to.
    first = int(np.argmin(lost))
    shown = np.where(lost[:, None, None], np.nan, points)[first:]
    length = len(shown)
    padded = np.pad(shown, ((0, _padded(length) - length), (0, 0), (0, 0)), mode="edge")
    signals, found, pose = jax.device_get(_measure(padded, recorded.fps, length, recorded.aspect))

    def onto_grid(x: np.ndarray) -> np.ndarray:
        """Puts frames from `first` on back onto the whole grid, on the last axis."""
        return np.concatenate([np.full((*x.shape[:-1], first), np.nan), x[..., :length]], axis=-1)

    complete = np.flatnonzero(found.complete)
    spans = [(first + float(found.begin[at]), first + float(found.end[at])) for at in complete]
    limits = [-np.inf, *(end for _, end in spans)], [*(begin for begin, _ in spans), np.inf]
    smiles = []
    for order, (at, (begin, end)) in enumerate(zip(complete, spans, strict=True)):
        before, after = limits[0][order], limits[1][order + 1]
        smiles.append(
            Smile(
                begin=begin,
                end=end,
                amplitude=float(found.amplitude[at]),
                height=float(found.peak[at]),
                first=_reach(lost, round(begin), -1, max(begin - MARGIN * recorded.fps, before)),
                last=_reach(lost, round(end), 1, min(end + MARGIN * recorded.fps, after)),
            )
        )
    return Person(
        signals=onto_grid(signals),
        baseline=onto_grid(found.baseline),
        pose=onto_grid(pose.T).T,
        flags=bits,
        smiles=smiles,
    )


@jax.jit
def _measure(points, fps, length, aspect):
    """Returns the mean signals, the smiles and the head's pose of padded points."""
    signals = dmarkers.signals(points, length=length, aspect=aspect, definition="robust").mean
    return signals, dmarkers.find_smiles(signals[LIP], fps, length=length), dmarkers.head_pose(points, aspect=aspect)


def _lost(recorded: Recording, seen: Bool[np.ndarray, " frames"]) -> Bool[np.ndarray, " grid"]:
    """Tells in which frames of the grid the face is lost for too long to be interpolated."""
    at = recorded.positions[seen]
    grid = np.arange(recorded.frames)
    before = np.searchsorted(at, grid + 0.5, side="right") - 1
    after = np.searchsorted(at, grid - 0.5, side="left")
    outside = (before < 0) | (after >= len(at))
    left, right = at[np.maximum(before, 0)], at[np.minimum(after, len(at) - 1)]
    return outside | ((right - left) / recorded.fps > gaps.max_gap(recorded.fps) + 1e-6)


def _reach(lost: Bool[np.ndarray, " grid"], start: int, step: int, limit: float) -> int:
    """Returns the frame that steps of 1 or -1 reach: not beyond the limit, nor where the face is lost."""
    frame = min(max(start, 0), len(lost) - 1)
    while 0 <= frame + step < len(lost) and not lost[frame + step] and (limit - (frame + step)) * step >= 0:
        frame += step
    return frame


def cut(recorded: Recording, number: int, smile: Smile, *, name: str) -> Sample:
    """Returns the sample of a smile: its frames and the margins around."""
    positions = recorded.positions
    start = max(0, int(np.searchsorted(positions, smile.first, side="right")) - 1)
    stop = min(len(positions), int(np.searchsorted(positions, smile.last, side="left")) + 1)
    landmarks = recorded.read(number, start, stop)
    count = smile.last - smile.first + 1
    filled, interpolated = gaps.fill(landmarks, positions[start:stop] - smile.first)
    bits = flags.follow(recorded.flags[number], positions, recorded.frames)
    return Sample(
        name=name,
        landmarks=filled[:count],
        fps=recorded.fps,
        image_size=recorded.image_size,
        source=recorded.checksum,
        interpolated=tuple(frame for frame in interpolated if frame < count),
        flags=bits[smile.first : smile.first + len(filled[:count])],
    )


def _save_smiles(part: _Part, recorded: Recording, people: Sequence[Person]) -> "pandas.DataFrame":
    """Writes the samples of a video's smiles and returns their table, not judged yet."""
    import pandas

    rows, points = [], []
    for number, person in enumerate(people):
        for order, smile in enumerate(person.smiles):
            name = _sample_name(part.name, number + 1, order + 1)
            sample = samples.validate(cut(recorded, number, smile, name=name))
            samples.save(sample, part.out / "smiles" / f"{name}.npz")
            lip = lip_signal(sample)
            onset, _, offset = (
                np.asarray(dmarkers.phase_ends(lip, sample.fps, length=len(sample.landmarks), definition="robust"))
                + smile.first
            )
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
                    "amplitude": smile.amplitude,
                    "height_sd": smile.height,
                    "interpolated": len(sample.interpolated) / len(sample.landmarks),
                    **shares,
                    "flagged": bool(flags.notable(shares)),
                    "judged": False,
                    "reason": reason or "",
                }
            )
            points.append(sample.landmarks[:, np.array(dmarkers.LANDMARKS)])
    table = pandas.DataFrame(rows, columns=list(COLUMNS[: -len(dmarkers.FEATURE_NAMES)]))
    features = dmarkers.compute_batch(points, recorded.fps, aspect=recorded.aspect, definition="robust")
    table = table.astype(dict.fromkeys(("probability", "probability_sd", "models"), float))
    return pandas.concat([table, pandas.DataFrame(features, columns=list(dmarkers.FEATURE_NAMES))], axis=1)


def lip_signal(sample: Sample) -> Float[np.ndarray, " frames"]:
    """Returns the lip signal of a sample, padded."""
    points = sample.landmarks[:, np.array(dmarkers.LANDMARKS)]
    padded = np.pad(points, ((0, _padded(len(points)) - len(points)), (0, 0), (0, 0)), mode="edge")
    signals = dmarkers.signals(padded, length=len(points), aspect=sample.aspect, definition="robust")
    return np.asarray(signals.mean[LIP])


def _frames(recorded: Recording, people: Sequence[Person]) -> "pandas.DataFrame":
    """Returns the table of a video's frames, of everybody in turn."""
    import pandas

    tables = []
    for number, person in enumerate(people):
        frame = np.arange(recorded.frames)
        smile = np.zeros(len(frame), int)
        for order, one in enumerate(person.smiles):
            smile[(frame >= one.begin) & (frame <= one.end)] = order + 1
        columns = {"person": number + 1, "frame": frame, "time_s": frame / recorded.fps, "smile": smile}
        columns |= dict(zip(dmarkers.REGIONS, person.signals, strict=True))
        columns |= {"lip_at_rest": person.baseline}
        columns |= dict(zip(("roll", "yaw", "pitch"), person.pose.T, strict=True))
        tables.append(pandas.DataFrame(columns | flags.unpack(person.flags)))
    return pandas.concat(tables, ignore_index=True)


def _judge(table: "pandas.DataFrame", trained: "Trained", out: pathlib.Path) -> None:
    """Fills in the probabilities of the smiles that can be judged."""
    for row, reason in enumerate(table["reason"]):
        if reason:
            continue
        stem = pathlib.PurePath(str(table.at[row, "file"])).stem
        name = _sample_name(stem, int(table.at[row, "person"]), int(table.at[row, "smile"]))
        probabilities = trained.predict(samples.load(out / "smiles" / f"{name}.npz"))
        table.at[row, "judged"] = True
        table.at[row, "probability"] = float(probabilities.mean())
        table.at[row, "probability_sd"] = float(probabilities.std())
        table.at[row, "models"] = float(len(probabilities))


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


def _sample_name(video: str, person: int, smile: int) -> str:
    return f"{video}_p{person}_s{smile:03d}"


def _padded(frames: int) -> int:
    padded = VIDEO
    while padded < frames:
        padded *= GROWTH
    return padded
