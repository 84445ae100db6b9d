"""What results.json, evaluation.json and benchmark.json hold, as JSON Schemas (draft 2020-12).

The results.json of a transfer between databases and that of a sweep have their own schemas, as `kind` in them says.
"""

import importlib.resources
import json
from typing import Any

KINDS = ("results", "transfer", "sweep", "evaluation", "benchmark")


def read(kind: str) -> dict[str, Any]:
    """Returns the schema of a kind of file; its version is the constant of the field `format`.

    Args:
        kind: one of KINDS.

    Raises:
        ValueError: there is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; expected {', '.join(KINDS)}.")
    file = importlib.resources.files("dfuse_jax.evaluate") / "schemas" / f"{kind}.schema.json"
    return json.loads(file.read_text(encoding="utf-8"))
