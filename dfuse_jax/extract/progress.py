"""What is seen of an extraction while it runs."""

import pathlib
import time
from collections.abc import Sequence

from tqdm import tqdm

from dfuse_jax.extract.jobs import Progress

FORM = "{percentage:3.0f}%|{bar}| {postfix} [{elapsed}<{remaining}]"


class Bar:
    """A progress bar in bytes of video, which are known at the start, as frames are not: share, time left, frames/s."""

    def __init__(self, paths: Sequence[pathlib.Path]):
        self.sizes = {path: path.stat().st_size if path.is_file() else 0 for path in paths}
        self.bar = tqdm(total=sum(self.sizes[path] for path in paths), bar_format=FORM, smoothing=0, disable=None)
        self.videos, self.ended, self.failed = len(paths), 0, 0
        self.bytes, self.frames, self.start = 0, 0, time.monotonic()  # of the videos that have ended
        self.under_way: dict[pathlib.Path, tuple[float, int]] = {}  # bytes and frames so far

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bar.close()

    def skip(self, path: pathlib.Path) -> None:
        """The video need not be extracted: it counts neither as work done nor as work to do."""
        self.ended += 1
        self.bar.total -= self.sizes[path]
        self._show()

    def move(self, path: pathlib.Path, progress: Progress) -> None:
        """Some frames of the video are done."""
        share = min(1, progress.done / progress.promised) if progress.promised else 0
        self.under_way[path] = share * self.sizes[path], progress.done
        self._show()

    def end(self, path: pathlib.Path, frames: int, failed: bool) -> None:
        """The video is done; `frames` of it were decoded."""
        self.under_way.pop(path, None)
        self.ended, self.failed = self.ended + 1, self.failed + failed
        self.bytes, self.frames = self.bytes + self.sizes[path], self.frames + frames
        self._show()

    def _show(self):
        sizes, frames = zip((self.bytes, self.frames), *self.under_way.values(), strict=True)
        rate = sum(frames) / max(1e-3, time.monotonic() - self.start)
        failed = f", {self.failed} failed" if self.failed else ""
        self.bar.set_postfix_str(f"{self.ended}/{self.videos} videos{failed}, {rate:.0f} frames/s", refresh=False)
        self.bar.update(sum(sizes) - self.bar.n)
