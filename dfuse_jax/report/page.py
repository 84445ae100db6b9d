"""A report as one HTML file that needs no network: the words of its Markdown, with the pictures inside.

The Markdown is what `report.md` and its like hold, so that words are written once. Nothing in it is passed on as HTML,
and the page's own policy forbids the browser to load anything.
"""

import base64
import html
import importlib.resources
import itertools
import os
import pathlib
import re
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from dfuse_jax.constants import VERSION
from dfuse_jax.report.files import write_text

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write_page(path: str | os.PathLike, text: str) -> None:
    """Writes a text in Markdown as a page, whole or not at all.

    Args:
        path: of the page; the pictures that the text shows lie beside it.
        text: begins with a heading of the first level.

    Raises:
        FileNotFoundError: a picture is missing.
    """
    path = pathlib.Path(path)
    write_text(path, render(text, lambda name: (path.parent / name).read_bytes()))


def render(text: str, read_picture: Callable[[str], bytes]) -> str:
    """Returns a text in Markdown as HTML.

    Args:
        text: begins with a heading of the first level.
        read_picture: returns the PNG of a name.
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    renderer = RendererHTML()
    renderer.rules.update(_RULES)
    environment: dict[str, Any] = {"read_picture": read_picture}
    style = (importlib.resources.files("dfuse_jax.report") / "page.css").read_text(encoding="utf-8")
    tokens = markdown.parse(text, environment)
    headings = _name_headings(tokens)
    _frame(tokens, headings)
    end = 3 if headings and headings[0][0] == 1 else 0  # of the page's own heading
    title = html.escape(headings[0][2]) if end else "Report"
    links = "".join(
        f'<li><a href="#{name}">{html.escape(words)}</a></li>' for level, name, words in headings if level == 2
    )
    sections = f'<nav aria-label="Sections"><ul>{links}</ul></nav>' if links else ""

    def part(some: Sequence[Token]) -> str:
        return renderer.render(some, markdown.options, environment)

    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{html.escape(POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the numbers</a>
<header>
{part(tokens[:end])}</header>
{sections}
<main id="main" tabindex="-1">
{part(tokens[end:])}</main>
<footer>dfuse_jax {VERSION}. This page is complete: it loads nothing.</footer>
</body>
</html>
"""


def _name_headings(tokens: Sequence[Token]) -> list[tuple[int, str, str]]:
    """Gives every heading a name of its own to link to; returns level, name and words of each."""
    headings = []
    for opening, inline in itertools.pairwise(tokens):
        if opening.type == "heading_open":
            words = _words(inline)
            slug = re.sub(r"\W+", "-", words.lower()).strip("-") or "part"
            name = f"{slug}-{len(headings)}"
            opening.attrSet("id", name)
            headings.append((int(opening.tag[1]), name, words))
    return headings


def _words(inline: Token) -> str:
    """Returns what a token shows, without its markup."""
    return "".join(child.content for child in inline.children or () if child.type in ("text", "code_inline", "image"))


def _frame(tokens: Sequence[Token], headings: Sequence[tuple[int, str, str]]) -> None:
    """Makes figures of pictures, a headline of the first bold paragraph, and headers of the first cells of rows."""
    names = iter(headings)
    heading, tables, has_headline = "", 0, False
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            _, _, heading = next(names)
            tables = 0
        elif token.type == "paragraph_open":
            kinds = [child.type for child in tokens[number + 1].children or () if child.type != "text" or child.content]
            if kinds == ["image"]:
                token.tag = tokens[number + 2].tag = "figure"
                _make_scrollable(token, f"Picture: {heading}")
            elif kinds[:1] == ["strong_open"] and not has_headline:
                token.attrSet("class", "headline")
                has_headline = True
        elif token.type == "table_open":
            tables += 1
            token.meta["label"] = f"Table {tables}: {heading}"
        elif token.type == "th_open":
            token.attrSet("scope", "col")
        elif token.type == "td_open" and tokens[number - 1].type == "tr_open":
            token.tag = tokens[number + 2].tag = "th"
            token.attrSet("scope", "row")
        elif token.type == "fence":
            token.meta["label"] = heading


def _make_scrollable(token: Token, label: str) -> None:
    """Lets what a token opens scroll in itself, by keyboard too."""
    for name, value in {"class": "scroll", "tabindex": "0", "role": "group", "aria-label": label}.items():
        token.attrSet(name, value)


def _draw_image(tokens: Sequence[Token], number: int, options: Any, environment: MutableMapping) -> str:
    picture = environment["read_picture"](str(tokens[number].attrGet("src")))
    source = base64.b64encode(picture).decode()
    alternative = html.escape(_words(tokens[number]))
    return f'<img alt="{alternative}" src="data:image/png;base64,{source}">'


def _open_table(tokens: Sequence[Token], number: int, options: Any, environment: MutableMapping) -> str:
    label = html.escape(tokens[number].meta["label"])
    return f'<div class="scroll" tabindex="0" role="group" aria-label="{label}">\n<table>\n'


def _close_table(*_: Any) -> str:
    return "</table>\n</div>\n"


def _draw_fence(tokens: Sequence[Token], number: int, options: Any, environment: MutableMapping) -> str:
    label, content = html.escape(tokens[number].meta["label"]), html.escape(tokens[number].content)
    return f'<pre class="scroll" tabindex="0" role="group" aria-label="{label}"><code>{content}</code></pre>\n'


_RULES = {"image": _draw_image, "table_open": _open_table, "table_close": _close_table, "fence": _draw_fence}
