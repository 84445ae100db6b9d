"""manifest.json of a folder of landmarks: versions, and per video where it came from, how it went, or why it failed.

What is in it of an extracted video is in its .npz file too, or measured from that, so that it is made anew when a kill
came between.
"""

import contextlib
import json
import os
import pathlib
import time

from dfuse_jax import samples
from dfuse_jax.extract import quality
from dfuse_jax.extract.jobs import versions
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic

NAME = "manifest.json"
PAUSE = 5  # seconds from one writing to the next, and SHARE times as long as it took: thousands of videos make it long
SHARE = 20


class Manifest:
    """{name: entry}, written now and then and at the end of the `with` block.

    An entry is the record of an extracted video (`jobs.work`) with its quality, or {"source": file name, "error":
    reason}. Entries are kept as lines of JSON, which take a tenth of the objects' memory.

    Args:
        folder: of the samples; those that the manifest there does not know are noted.
    """

    def __init__(self, folder: pathlib.Path):
        self.folder, self.path, self.due = folder, folder / NAME, 0.0
        files = {path.stem: path for path in sorted(folder.glob("*.npz"))}
        entries = {name: entry for name, entry in read(folder).items() if "error" in entry or name in files}
        self.failed = {name for name, entry in entries.items() if "error" in entry}
        self.lines = {name: json.dumps(entry) for name, entry in entries.items()}
        for name in files.keys() - entries.keys():
            with contextlib.suppress(UserError):  # no sample: none of ours, or damaged
                if record := samples.load_record(files[name]):
                    self.lines[name] = json.dumps(self._entry(name, record))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            self._write()
        except OSError as error:
            if kind is None:
                raise UserError(
                    f"{self.path}: cannot be written ({error.strerror}). Make room and run again."
                ) from error

    def add(self, name: str, record: dict) -> None:
        """Notes an extracted video, whose file is in the folder."""
        known = json.loads(self.lines.get(name, "{}"))
        if {key: value for key, value in known.items() if key != "quality"} == record:
            return
        self.failed.discard(name)
        self._note(name, self._entry(name, record))

    def add_failure(self, name: str, source: str, reason: str) -> None:
        """Notes why a video cannot be extracted, unless it was extracted before."""
        if name not in self.lines or name in self.failed:
            self.failed.add(name)
            self._note(name, {"source": source, "error": reason})

    def _entry(self, name: str, record: dict) -> dict:
        if "quality" in record:  # of an earlier version, which measured it while extracting
            return record
        return record | {"quality": quality.measure(samples.load(self.folder / f"{name}.npz"), record)}

    def _note(self, name: str, entry: dict) -> None:
        self.lines[name] = json.dumps(entry)
        if time.monotonic() > self.due:
            start = time.monotonic()
            with contextlib.suppress(OSError):  # the next time, or at the end
                self._write()
            self.due = time.monotonic() + max(PAUSE, SHARE * (time.monotonic() - start))

    def _write(self) -> None:
        videos = ",\n".join(f"{json.dumps(name)}: {self.lines[name]}" for name in sorted(self.lines))
        with atomic(self.path) as file:  # a line a video
            file.write(f'{{"versions": {json.dumps(versions())},\n"videos": {{\n{videos}\n}}}}\n')


def read(folder: str | os.PathLike) -> dict[str, dict]:
    """Returns {name: entry} of the manifest in `folder`; nothing where there is none, or a damaged one."""
    try:
        return json.loads((pathlib.Path(folder) / NAME).read_text())["videos"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
