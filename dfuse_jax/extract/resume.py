"""What need not be extracted again."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import NamedTuple

from dfuse_jax import samples
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import checksum


class There(NamedTuple):
    """What there is of a job.

    Attributes:
        record: of the extracted video; None: it is to be extracted.
        content: of the file as it has to be if label or subject are other than in the file, else None.
    """

    record: dict | None = None
    content: bytes | None = None


def look(job, path: pathlib.Path, versions: Mapping[str, str]) -> There:
    """Compares the file at `path` with a `batch.Job`.

    Raises:
        UserError: it was made from another video, or the job's label is none.
    """
    try:
        record = samples.load_record(path)
        made_from = record["checksum"] if record else samples.load(path).source
        source = checksum(job.path)
    except (OSError, UserError, KeyError, TypeError):  # nothing there, damaged; no video to read: a worker will tell
        return There()
    if made_from and made_from != source:
        raise UserError(
            f"{job.path}: {path} holds another video's landmarks. Delete it, rename the video, or give another --out."
        )
    if not record or record.get("versions") != versions:
        return There()
    told = {"label": job.label, "subject": job.subject}
    if record | told == record:
        return There(record)
    try:
        sample = samples.load(path)
    except UserError:
        return There()
    sample = samples.validate(dataclasses.replace(sample, **told))
    return There(record | told, samples.encode(sample, record | told))
