"""The groups of samples by what the data tell of them."""

import dataclasses

import numpy as np
import pytest

from dfuse_jax.data import subgroups
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample


def sample(number, *, frames=30, subject="é", **fields):
    return Sample(f"v{number}", np.zeros((frames, 478, 3), np.float32), 25.0, (640, 480), subject=subject, **fields)


def test_recordings_and_lengths():
    samples = [sample(n, frames=10 * (n + 1)) for n in range(6)]
    samples[5] = dataclasses.replace(samples[5], fps=29.97, image_size=(1920, 1080), interpolated=(3,))
    samples[4] = dataclasses.replace(samples[4], flags=np.ones(50, np.uint16))
    samples[3] = dataclasses.replace(samples[3], flags=np.zeros(40, np.uint16))
    samples[2] = dataclasses.replace(samples[2], flags=np.zeros(30, np.uint16), interpolated=(0, 1))
    groups = subgroups.assign(samples)
    assert groups["frame rate"] == ["25 per second"] * 5 + ["29.97 per second"]
    assert groups["picture"] == ["640 x 480"] * 5 + ["1920 x 1080"]
    assert groups["length"] == ["0.4 to 0.8 s"] * 2 + ["1.2 to 1.6 s"] * 2 + ["2.0 to 2.0 s"] * 2
    assert groups["flagged frames"] == ["unknown"] * 2 + ["up to a tenth", "none", "more than a tenth", "unknown"]
    assert set(groups) == {"frame rate", "picture", "length", "flagged frames"}


def test_a_table_tells_of_subjects(tmp_path):
    table = "subject,Age,sex,skin\ne\u0301,17,female,\nb,18,male,V\nc,60,,II\n"  # é in macOS's spelling
    (tmp_path / "subjects.csv").write_text(table, encoding="utf-8")
    samples = [sample(n, subject=subject) for n, subject in enumerate(["é", "b", "c", "d", None])]
    groups = subgroups.assign(samples, tmp_path)
    assert groups["age"] == ["0 to 17", "18 to 29", "60 and over", "unknown", "unknown"]
    assert groups["sex"] == ["female", "male", "unknown", "unknown", "unknown"]
    assert groups["skin"] == ["unknown", "V", "II", "unknown", "unknown"]


def test_what_has_as_many_values_as_subjects_is_no_group(tmp_path):
    lines = [f"s{n},code{n}" for n in range(40)]
    (tmp_path / "subjects.csv").write_text("\n".join(["subject,code", *lines]))
    assert "code" not in subgroups.assign([sample(n, subject=f"s{n}") for n in range(40)], tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,age\na,3\n", "has no column subject"),
        ("", "has no column subject"),
        ("subject,age\na,old\n", "line 2: the age is 'old'; expected years"),
        ("subject,age\na,-1\n", "expected years"),
        ("subject,age\na,nan\n", "expected years"),
        ("subject,sex\na,f\na,m\n", "line 3: a is there twice"),
        ("subject,sex\na,\xff".encode("latin-1"), "cannot be read as a CSV file in UTF-8"),
    ],
)
def test_a_table_that_cannot_be_is_named(tmp_path, text, message):
    path = tmp_path / "subjects.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=f"subjects.csv.*{message}"):
        subgroups.assign([sample(0)], tmp_path)
