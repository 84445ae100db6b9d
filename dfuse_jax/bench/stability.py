"""How much D-Markers move when nothing has changed but the codec: `python -m dfuse_jax.bench.stability`.

Two real clips are encoded once more so that no eye sees it, and 400 synthetic smiles get the error of a tracker. A
feature is off when it moves by more than 10% of its value and 5% of its standard deviation over the smiles. Frame rates
are scored apart. `--definition` may be given several times, to compare; `--sweep` draws what other parameters of
`robust` give. Landmarks are kept in a cache, so a second definition takes a minute.
"""

from __future__ import annotations

import argparse
import functools
import json
import pathlib
import platform
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dfuse_jax import __version__, dmarkers
from dfuse_jax.bench import clips, scores
from dfuse_jax.data import synthetic
from dfuse_jax.dmarkers import _levels, _lines, _robust, _signals
from dfuse_jax.runtime.files import atomic

SMILES = 400
NOISE = 0.0012  # standard deviation of a landmark's error, in distances of the eyes
NOISES = 4
SEEDS = 5
ROWS = 200  # sequences in a call
CHOICES = ("paper", "paper:4253H", "robust")  # a definition, and after the colon its smoothing
MOVED = ("single_face", "franck")
EYES = ("single_face", "WolfgangLanger_Pexels")
SCALES, STILLS = (0.05, 0.075, 0.1, 0.15, 0.2), (0.02, 0.05, 0.1, 0.2, 0.3)  # of the sweep

# Of one padded sequence, its frame rate, length and aspect: the 225 features, and the phases' ends in frames, [3, 2].
Measure = Callable[..., tuple[Array, Array]]


class Sequences(NamedTuple):
    """Padded sequences [N, T, 11, 3], and of each the frame rate, the length and height / width."""

    points: Float[np.ndarray, "sequences frames 11 3"]
    fps: Float[np.ndarray, " sequences"]
    length: np.ndarray
    aspect: Float[np.ndarray, " sequences"]


class Smiles(NamedTuple):
    """Synthetic smiles as they are, the same with the errors of several trackers, and what is known of them."""

    plain: Sequences
    noisy: list[Sequences]
    labels: np.ndarray
    subjects: np.ndarray


def measure_definition(points: Array, fps: Array, length: Array, aspect: Array, *, choice: str) -> tuple[Array, Array]:
    """Measures one sequence with a definition of CHOICES."""
    definition, _, smoothing = choice.partition(":")
    options: dict[str, Any] = {"definition": definition, "smoothing": smoothing or None}
    features = dmarkers.compute(points, fps, length=length, aspect=aspect, **options)
    lip = dmarkers.signals(points, length=length, aspect=aspect, **options).mean[dmarkers.REGIONS.index("lip")]
    return features, dmarkers.phase_ends(lip, fps, length=length, definition=definition)


def measure_parameters(
    points: Array, fps: Array, length: Array, aspect: Array, *, scale: float, still: float
) -> tuple[Array, Array]:
    """Measures one sequence with `robust` at other parameters."""
    counts = (jnp.arange(points.shape[0]) < length)[:, None, None]
    signals = _signals.robust(jnp.where(counts, points, points[:1]), aspect)
    features = _robust.robust_features(signals, length, fps, scale=scale, still=still)
    smooth, _ = _lines.fit_lines(signals.mean[2:], length, scale * fps)
    ends = _levels.level_ends(smooth[0], length)
    return features.reshape(-1), jnp.where(ends.exists[:, None], jnp.stack([ends.begin, ends.end], 1), jnp.nan)


def apply(measure: Measure, sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
    """Measures many sequences: features [N, 225] and ends of phases in frames [N, 3, 2], in float64."""
    features, ends = [], []
    for start in range(0, len(sequences.fps), ROWS):
        rows = Sequences(*(x[start : start + ROWS] for x in sequences))
        some_features, some_ends = measure(*rows)
        features.append(np.asarray(some_features, float))
        ends.append(np.asarray(some_ends, float))
    return np.concatenate(features), np.concatenate(ends)


def stack(points: Sequence[np.ndarray], fps: Sequence[float], aspect: Sequence[float]) -> Sequences:
    """Pads sequences to the longest."""
    length = np.array([len(p) for p in points], np.int32)
    padded = np.zeros((len(points), length.max(), 11, 3), np.float32)
    for row, p in zip(padded, points, strict=True):
        row[: len(p)] = p
    return Sequences(padded, np.array(fps, np.float32), length, np.array(aspect, np.float32))


def make_smiles(seed: int, *, noises: int = 0) -> Smiles:
    """Makes the synthetic smiles of a seed."""
    samples = synthetic.generate(SMILES, seed=seed)
    plain = stack(
        [sample.landmarks[:, dmarkers.LANDMARKS] for sample in samples],
        [sample.fps for sample in samples],
        [sample.aspect for sample in samples],
    )
    noisy = [add_noise(plain, np.random.default_rng([seed, number])) for number in range(noises)]
    labels, subjects = (np.array([getattr(sample, name) for sample in samples]) for name in ("label", "subject"))
    return Smiles(plain=plain, noisy=noisy, labels=labels, subjects=subjects)


def add_noise(sequences: Sequences, rng: np.random.Generator) -> Sequences:
    """Returns the sequences with an error of NOISE of the eyes' distance in each coordinate of every point."""
    ones = np.ones_like(sequences.aspect)
    scale = np.stack([ones, sequences.aspect, ones], axis=-1)[:, None, None]
    metric = sequences.points * scale
    across = metric[:, :, [3, 5]].mean(axis=2) - metric[:, :, [0, 2]].mean(axis=2)
    size = NOISE * np.linalg.norm(across, axis=-1)[..., None, None]
    moved = metric + size * rng.standard_normal(metric.shape, np.float32)
    return sequences._replace(points=(moved / scale).astype(np.float32))


def score_clips(measure: Measure, tracks: dict, encodings: Sequence[str], deviation: np.ndarray) -> dict:
    """Scores the re-encodings of the clips: what is off by clip and encoding, and how far ends of phases move."""
    keys = [(name, encoding) for name in MOVED for encoding in (None, *encodings)]
    chosen = [tracks[key] for key in keys]
    sequences = stack([t.points for t in chosen], [t.fps for t in chosen], [t.aspect for t in chosen])
    features, ends = apply(measure, sequences)
    off, shifts, by_feature = {}, [], []
    for number, (name, encoding) in enumerate(keys):
        if encoding is None:
            continue
        plain = keys.index((name, None))
        moved = scores.is_off(features[number], features[plain], deviation)
        off[f"{name} {encoding}"] = float(moved.mean())
        by_feature.append(moved)
        fps = float(sequences.fps[plain])
        # In frames of the plain clip, whatever the frame rate of the other one.
        rate = fps / float(sequences.fps[number])
        shift = scores.end_shifts(ends[number] * rate, ends[plain], float(sequences.length[plain]))
        shifts += [(x, 1000 * x / fps) for x in shift]
    frames, milliseconds = np.array(shifts).T
    shares = list(off.values())
    return {
        "off": off,
        "off_median": float(np.median(shares)),
        "off_worst": max(shares),
        "off_by_feature": np.mean(by_feature, axis=0).tolist(),
        "ends_frames_median": float(np.median(frames)),
        "ends_frames_max": float(frames.max()),
        "ends_ms_median": float(np.median(milliseconds)),
        "ends_ms_max": float(milliseconds.max()),
        "ends_within_a_frame": int((frames <= 1).sum()),
        "ends": len(frames),
    }


def score_smiles(measure: Measure, smiles: Smiles, plain: np.ndarray, deviation: np.ndarray) -> dict:
    """Scores the synthetic smiles with trackers' errors: what is off, and ICC(2,1) of every feature."""
    noisy = np.stack([apply(measure, sequences)[0] for sequences in smiles.noisy], axis=1)
    off = scores.is_off(noisy, plain[:, None], deviation).mean(axis=-1)
    icc = scores.agreement(noisy)
    return {
        "off_median": float(np.median(off)),
        "off_95": float(np.percentile(off, 95)),
        "icc": icc.tolist(),
        "icc_at_least_0.9": float((icc[~np.isnan(icc)] >= 0.9).mean()),  # of the features that vary
        "icc_least": float(np.nanmin(icc)),
    }


def score_classes(measure: Measure, seeds: Sequence[int]) -> dict:
    """Scores how well the features tell the synthetic classes apart."""
    pairs = []
    for seed in seeds:
        smiles = make_smiles(seed)
        pairs.append(scores.separation(apply(measure, smiles.plain)[0], smiles.labels, smiles.subjects, seed=seed))
    accuracy, area = np.mean(pairs, axis=0)
    return {"accuracy": float(accuracy), "auc": float(area), "seeds": len(seeds)}


def correlate_eye(track: clips.Track, choice: str) -> float:
    """Returns the correlation of the eye signal with the lids' distance over the eye's width, in the image."""
    definition, _, smoothing = choice.partition(":")
    options: dict[str, Any] = {"definition": definition, "smoothing": smoothing or None}
    signal = np.asarray(dmarkers.signals(track.points, aspect=track.aspect, **options).mean[0])
    points, lids = (x[..., :2] * (1, track.aspect) for x in (track.points, track.lower_lids))
    gaps = [
        np.linalg.norm(points[:, upper] - lids[:, side], axis=-1)
        / np.linalg.norm(points[:, outer] - points[:, inner], axis=-1)
        for side, (outer, upper, inner) in enumerate([(0, 1, 2), (5, 4, 3)])
    ]
    return float(np.corrcoef(signal, np.mean(gaps, axis=0))[0, 1])


def read_tracks(
    keys: Sequence[tuple[str, str | None]], cache: pathlib.Path, folder: pathlib.Path | None, say: clips.Say
) -> dict:
    """Reads the landmarks of clips and their re-encodings."""
    return {key: clips.track(*key, cache=cache, clips=folder, say=say) for key in keys}


def score_definition(choice: str, tracks: dict, smiles: Smiles, seeds: int, say: clips.Say) -> dict:
    """Scores a definition of CHOICES in every way."""
    measure = jax.jit(jax.vmap(functools.partial(measure_definition, choice=choice)))
    say(f"{choice}: synthetic smiles")
    plain, _ = apply(measure, smiles.plain)
    deviation = plain.std(axis=0)
    result: dict[str, Any] = {"smiles": score_smiles(measure, smiles, plain, deviation)}
    say(f"{choice}: real clips")
    result["clips"] = score_clips(measure, tracks, tuple(clips.ENCODINGS), deviation)
    result["rates"] = score_clips(measure, tracks, tuple(clips.RATES), deviation)
    single = tracks["single_face", None]
    _, ends = apply(measure, stack([single.points], [single.fps], [single.aspect]))
    result["single_face_ends"] = [[None if np.isnan(x) else float(x) for x in pair] for pair in ends[0]]
    result["eye"] = {name: correlate_eye(tracks[name, None], choice) for name in EYES}
    say(f"{choice}: classes")
    result["classes"] = score_classes(measure, range(seeds))
    return result


def sweep(tracks: dict, smiles: Smiles, seeds: int, say: clips.Say) -> list[dict]:
    """Scores `robust` at other parameters: every scale at its still speed, and every still speed at its scale."""
    pairs = [(scale, _robust.STILL) for scale in SCALES]
    pairs += [(_robust.SCALE, still) for still in STILLS if still != _robust.STILL]
    rows = []
    for scale, still in pairs:
        say(f"scale {scale} s, still {still} /s")
        one = functools.partial(measure_parameters, scale=scale, still=still)
        measure = jax.jit(jax.vmap(one))
        deviation = apply(measure, smiles.plain)[0].std(axis=0)
        moved = score_clips(measure, tracks, tuple(clips.ENCODINGS), deviation)
        rows.append({"scale": scale, "still": still, "clips": moved, "classes": score_classes(measure, range(seeds))})
    return rows


def draw_sweep(path: pathlib.Path, rows: Sequence[dict]) -> None:
    """Draws what is off over both parameters, and against it how well the classes are told apart, as a PNG."""
    from dfuse_jax import plotting

    figure = plotting.new_figure(7.5)
    axes = list(figure.subplots(3, 1))
    lines = (
        ("scale", [row for row in rows if row["still"] == _robust.STILL], f"scale [s], still {_robust.STILL} /s"),
        ("still", [row for row in rows if row["scale"] == _robust.SCALE], f"still [1/s], scale {_robust.SCALE} s"),
    )
    for axis, (name, chosen, label) in zip(axes, lines, strict=False):
        chosen = sorted(chosen, key=lambda row: row[name])
        for key, colour in (("off_median", plotting.BLUE), ("off_worst", plotting.ORANGE)):
            percent = [100 * row["clips"][key] for row in chosen]
            axis.plot([row[name] for row in chosen], percent, "o-", color=colour, label=key.split("_")[1])
        axis.set_xlabel(label)
        axis.set_ylabel("features off [%]")
        axis.set_ylim(0)
        axis.legend(frameon=False)
    for name, chosen, _ in lines:
        off, area = zip(*((100 * row["clips"]["off_median"], row["classes"]["auc"]) for row in chosen), strict=True)
        axes[2].scatter(off, area, label=f"other values of {name}")
        for row, x, y in zip(chosen, off, area, strict=True):
            axes[2].annotate(f"{row[name]:g}", (x, y), fontsize=7)
    axes[2].set_xlabel("features off, median [%]")
    axes[2].set_ylabel("AUC, synthetic classes")
    axes[2].legend(frameon=False)
    plotting.save(path, figure, "robust: what its two parameters trade")


def lines_of(results: dict[str, dict]) -> list[str]:
    """Returns the table: a line a measure, a column a definition."""

    def row(label: str, value: Callable[[dict], str]) -> str:
        return f"{label:<46}" + "".join(f"{value(result):>20}" for result in results.values())

    def phase(result: dict, number: int) -> str:
        begin, end = result["single_face_ends"][number]
        return "none" if begin is None else f"{begin:.1f} - {end:.1f}"

    lines = [f"{'':<46}" + "".join(f"{choice:>20}" for choice in results)]
    for group, title in (("clips", "re-encoded"), ("rates", "other rates")):
        lines += [
            row(
                f"off, {title}, median and worst", lambda r, g=group: "{off_median:.1%} {off_worst:.1%}".format(**r[g])
            ),
            *(
                row(f"    {key}", lambda r, g=group, k=key: f"{r[g]['off'][k]:.1%}")
                for key in next(iter(results.values()))[group]["off"]
            ),
            row(
                f"ends, {title}, frames, median and most",
                lambda r, g=group: "{ends_frames_median:.2f} {ends_frames_max:.2f}".format(**r[g]),
            ),
            row(
                f"ends, {title}, ms, median and most",
                lambda r, g=group: "{ends_ms_median:.1f} {ends_ms_max:.1f}".format(**r[g]),
            ),
            row(f"ends, {title}, within a frame", lambda r, g=group: "{ends_within_a_frame} of {ends}".format(**r[g])),
        ]
    lines += [
        row(
            "off, noise on synthetic smiles, median and 95%",
            lambda r: "{off_median:.1%} {off_95:.1%}".format(**r["smiles"]),
        ),
        row("ICC(2,1) at least 0.9", lambda r: f"{r['smiles']['icc_at_least_0.9']:.1%}"),
        row("ICC(2,1), least", lambda r: f"{r['smiles']['icc_least']:.3f}"),
        row("synthetic classes, accuracy and AUC", lambda r: "{accuracy:.3f} {auc:.3f}".format(**r["classes"])),
        *(row(f"eye against lids, {name}", lambda r, n=name: f"{r['eye'][n]:.3f}") for name in EYES),
        row("single_face, onset, frames", lambda r: phase(r, 0)),
        row("single_face, offset, frames", lambda r: phase(r, 2)),
    ]
    return lines


def write_agreement(path: pathlib.Path, results: dict[str, dict]) -> None:
    """Writes ICC(2,1) of every feature and every definition as a CSV table."""
    columns = [result["smiles"]["icc"] for result in results.values()]
    with atomic(path) as file:
        print("feature", *results, sep=",", file=file)
        for name, *values in zip(dmarkers.FEATURE_NAMES, *columns, strict=True):
            print(name, *(f"{value:.3f}" for value in values), sep=",", file=file)


def main(argv: Sequence[str] | None = None) -> dict:
    """Prints the table, writes the numbers as JSON (and the sweep's figure beside them), and returns them."""
    parser = argparse.ArgumentParser(
        description="How much D-Markers move when nothing has changed but the codec.",
        prog="python -m dfuse_jax.bench.stability",
    )
    parser.add_argument("--definition", action="append", choices=CHOICES, help="which; may be given several times")
    parser.add_argument("--sweep", action="store_true", help="also draw what other parameters of robust give")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="sets of synthetic smiles to tell apart")
    parser.add_argument("--clips", type=pathlib.Path, help="a folder that has the clips already")
    parser.add_argument("--cache", type=pathlib.Path, default=clips.CACHE, help="folder for clips and landmarks")
    parser.add_argument("--json", type=pathlib.Path, default=pathlib.Path("stability.json"), help="file of the numbers")
    parser.add_argument("--icc", type=pathlib.Path, help="write ICC(2,1) of every feature to this CSV file")
    options = parser.parse_args(argv)
    say = functools.partial(print, file=sys.stderr, flush=True)
    keys = [(name, encoding) for name in MOVED for encoding in (None, *clips.ENCODINGS, *clips.RATES)]
    tracks = read_tracks([*keys, *((name, None) for name in EYES)], options.cache, options.clips, say)
    smiles = make_smiles(0, noises=NOISES)
    results = {
        choice: score_definition(choice, tracks, smiles, options.seeds, say)
        for choice in dict.fromkeys(options.definition or ["robust"])
    }
    print("\n".join(lines_of(results)))
    report = {
        "environment": {
            "dfuse_jax": __version__,
            "jax": jax.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "device": jax.devices()[0].device_kind,
        },
        "definitions": results,
    }
    if options.icc:
        write_agreement(options.icc, results)
    if options.sweep:
        report["sweep"] = sweep(tracks, smiles, min(options.seeds, 3), say)
        draw_sweep(options.json.with_suffix(".png"), report["sweep"])
    with atomic(options.json) as file:
        json.dump(report, file, indent=1)
    return report


if __name__ == "__main__":
    main()
