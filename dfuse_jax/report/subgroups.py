"""The scores of subgroups in words and a table."""

from collections.abc import Mapping, Sequence

from dfuse_jax.evaluate.subgroups import FEWEST_SUBJECTS
from dfuse_jax.report.formatting import CONFIDENCE, METRIC_NAMES, escape, interval, markdown_table

COLUMNS = ("property", "group", "videos", "subjects", "accuracy", METRIC_NAMES["auc"])


def markdown(rows: Sequence[Mapping], *, subjects_known: bool) -> list[str]:
    """Returns the paragraphs on subgroups of a report or model card, in Markdown.

    Args:
        rows: `subgroups` of results.json or evaluation.json.
        subjects_known: whether subjects were resampled; if not, videos.
    """
    if not rows:
        return ["The data tell of no subgroups: all videos are alike in what is known of them."]
    whom = "subjects, with all their videos" if subjects_known else "videos, for the subjects are unknown"
    lines = [
        f"Percent [{CONFIDENCE} interval by bootstrap (BCa) over the group's {whom}]. Where intervals overlap, these "
        "videos do not show that a group is treated otherwise; nor do they show that it is not. Of many groups some "
        "differ by chance.",
    ]
    if any(row["scores"] is None for row in rows):
        lines.append(
            f"Groups of fewer than {FEWEST_SUBJECTS} subjects have no numbers: these would say little, and might tell "
            "of a person."
        )
    return [" ".join(lines), markdown_table(COLUMNS, [_cells(row) for row in rows])]


def _cells(row: Mapping) -> list[str]:
    scores = row["scores"]
    numbers = ["withheld"] * 2 if scores is None else [interval(scores[metric]) for metric in ("accuracy", "auc")]
    return [escape(row["property"]), escape(row["group"]), str(row["videos"]), str(row["subjects"]), *numbers]
