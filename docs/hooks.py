"""What mkdocs does to the pages: it adds tables that the repository holds as data, and mends links of notebooks."""

import csv
import math
import pathlib
import re

ICC = pathlib.Path(__file__).parents[1] / "dfuse_jax" / "dmarkers" / "icc.csv"
REGIONS, PHASES = ("eye", "cheek", "lip"), ("onset", "apex", "offset")


def on_page_markdown(markdown: str, **_) -> str:
    """Replaces `<!-- icc: DEFINITION -->` by the table of that definition."""
    return re.sub(r"<!-- icc: (\S+) -->", lambda match: icc_table(match[1]), markdown)


def on_post_page(output: str, page, **_) -> str:
    """Points links inside a notebook to pages of the site, as mkdocs does in Markdown alone."""
    if not page.file.src_uri.endswith(".ipynb"):
        return output
    return re.sub(r'href="([\w./-]+)\.(ipynb|md)"', r'href="../\1/"', output)


def icc_table(definition: str) -> str:
    """Returns ICC(2,1) of the 225 D-Markers as Markdown: a row a value, a column a region and phase."""
    with ICC.open() as file:
        values = {row["feature"]: float(row[definition]) for row in csv.DictReader(file)}
    places = [f"{region}_{phase}" for region in REGIONS for phase in PHASES]
    first = f"{places[0]}_"
    names = [feature.removeprefix(first) for feature in values if feature.startswith(first)]
    header = ["value", *(place.replace("_", ", ") for place in places)]
    rows = [[f"`{name}`", *(format_icc(values[f"{place}_{name}"]) for place in places)] for name in names]
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows])


def format_icc(value: float) -> str:
    """Returns an ICC with two decimals; a dash for a feature that is the same for all smiles, so that it has none."""
    return "–" if math.isnan(value) else f"{value:.2f}"
