"""Turns videos of one smiling face each into landmarks, DIR/<video's name>.npz.

python launch/extract.py VIDEO... --out DIR
"""

import pathlib

from absl import flags
from tqdm import tqdm

from dfuse_jax import cli
from dfuse_jax.data import samples
from dfuse_jax.errors import UserError
from dfuse_jax.extract.mesh import extract
from dfuse_jax.files import checksum

_OUT = flags.DEFINE_string("out", None, "Folder for the .npz files; made if it is not there.")


def main(argv):
    """Extracts what can be extracted, then raises UserError with the reasons for the rest."""
    videos = [pathlib.Path(video) for video in argv[1:]]
    if not videos:
        raise UserError("No videos given. Usage: python launch/extract.py VIDEO... --out DIR")
    if not _OUT.value:
        raise UserError("--out is missing: the folder for the .npz files.")
    out = pathlib.Path(_OUT.value)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out}: cannot be made a folder ({error.strerror}). Name another.") from error

    reasons, taken = [], {}
    for video in tqdm(videos, unit="video", disable=None):
        try:
            if video.stem in taken:
                first = taken[video.stem]
                raise UserError(f"{video}: would be written to {video.stem}.npz like {first}. Rename one of them.")
            tqdm.write(f"{video}: {extract_to(video, out / f'{video.stem}.npz')}")
            taken[video.stem] = video
        except UserError as error:
            reasons.append(str(error))
    if reasons:
        head = [f"{len(reasons)} of {len(videos)} videos not extracted:"] if len(videos) > 1 else []
        raise UserError("\n".join(head + reasons))


def extract_to(video, path):
    """Makes the file `path` of one video unless it is there; returns what was done, in words."""
    if path.exists() and video.is_file():
        try:
            source = samples.load(path).source
        except UserError:
            source = None  # damaged: made anew
        if source == checksum(video):
            return f"already extracted, {path} is kept"
        if source:
            raise UserError(
                f"{video}: {path} holds another video's landmarks. Delete it, rename the video, or give another --out."
            )
    with tqdm(desc=video.name, unit="frame", leave=False, disable=None) as bar:

        def on_frame(done, promised):
            bar.total = max(done, promised)
            bar.update(done - bar.n)

        sample = extract(video, on_frame=on_frame)
    try:
        samples.save(sample, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}).") from error
    return f"{len(sample.landmarks)} frames, {path}"


if __name__ == "__main__":
    cli.run(main)
