"""The page of a report: what it holds, that nothing in it is executed or loaded, and how a browser shows it."""

import base64
import html.parser
import io

import numpy as np
import pytest
from benchmarks import made_up_standings
from browser import browser  # noqa: F401
from outcomes import outcome
from PIL import Image

from dfuse_jax.report import comparison, page, run
from dfuse_jax.report.formatting import escape

HOSTILE = '<img src="http://e.example/x.png" onerror=alert(1)>_a_ ![b](http://e.example/b.png) [c](javascript:1) | `d`'
CONTRAST = 4.5  # WCAG 2.2, level AA


class Reader(html.parser.HTMLParser):
    """Collects elements, their attributes and the words of headings."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.words = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        """Returns the attributes of every element of a tag."""
        return [attributes for name, attributes in self.elements if name == tag]


def picture(name):
    file = io.BytesIO()
    Image.new("RGB", (4, 2), "red").save(file, "PNG")
    return file.getvalue()


def read(text):
    return Reader(page.render(text, picture))


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The folders of a run's report and of a comparison's, with names and notes that are HTML and Markdown."""
    folder = tmp_path_factory.mktemp("pages")
    groups = {"sex": ["female"] * 3 + ["<b>male</b>"] * 3}
    run.write(folder / "run", outcome(name=HOSTILE, note=HOSTILE, groups=groups))
    (folder / "comparison").mkdir()
    comparison.write(folder / "comparison", made_up_standings(note=HOSTILE))
    return [folder / "run" / "report.html", folder / "comparison" / "report.html"]


def test_a_page_has_the_words_and_pictures_of_its_markdown():
    table = "| fold | share |\n| --- | --- |\n| 1 | 2.5 |"
    text = f"# A run\n\n**82%** (`final`).\n\n{table}\n\n![Two, [1, 3]](a.png)\n\n## Data\n\n* one\n"
    reader = read(text)
    assert [attributes["src"] for attributes in reader.all("img")] == [
        "data:image/png;base64," + base64.b64encode(picture("a.png")).decode()
    ]
    assert reader.all("img")[0]["alt"] == "Two, [1, 3]"
    words = "".join(reader.words)
    for part in ("A run", "82%", "final", "share", "2.5", "one"):
        assert part in words
    assert {"class": "headline"} in reader.all("p")


def test_a_page_has_landmarks_headings_and_table_headers():
    reader = read("# A run\n\n## Data\n\n| fold | share |\n| --- | --- |\n| 1 | 2.5 |\n\n## Data\n\nb\n")
    assert [len(reader.all(tag)) for tag in ("header", "nav", "main", "footer", "h1")] == [1] * 5
    assert reader.all("html") == [{"lang": "en"}]
    assert [attributes["scope"] for attributes in reader.all("th")] == ["col", "col", "row"]
    (scrolling,) = (attributes for attributes in reader.all("div") if attributes.get("class") == "scroll")
    assert scrolling["tabindex"] == "0" and scrolling["aria-label"] == "Table 1: Data"
    names = [attributes["id"] for attributes in reader.all("h2")]
    assert len(set(names)) == 2
    assert [attributes["href"] for attributes in reader.all("a")][1:] == [f"#{name}" for name in names]


@pytest.mark.parametrize(
    "text",
    [
        HOSTILE,
        "</code><script>alert(1)</script>",
        "# a\n\n## b",
        "1. a",
        "29.97 per second",
        "2)",
        "- a",
        "_a_b_",
        "&copy; \\* ***",
        "a|b\\",
        "```",
        "[a]: http://e.example",
        "http://e.example <http://e.example>",
        "é 笑 {}! $x$",
    ],
)
def test_a_text_of_the_users_stays_a_text(text):
    shown = " ".join(text.split())
    paragraph = read(f"# A run\n\n{escape(text)}\n")
    assert "".join(paragraph.words).count(shown) == 1
    cell = read(f"# A run\n\n| a | b |\n| --- | --- |\n| {escape(text)} | 2 |\n")
    assert "".join(cell.words).count(shown) == 1 and len(cell.all("td")) == 1
    title = read(f"# {escape(text)}\n")
    assert "".join(title.words).count(shown) == 2  # of the page and its heading
    alternative = read(f"# A run\n\n![{escape(text)}](a.png)\n")
    assert alternative.all("img")[0]["alt"] == shown
    for reader in (paragraph, cell, title, alternative):
        assert not reader.all("script") and len(reader.all("img")) == (reader is alternative)
        assert [attributes["href"] for attributes in reader.all("a")] == ["#main"]


def test_html_in_markdown_is_shown_as_it_is():
    reader = read("# A\n\n<script>alert(1)</script>\n\n```json\n</code><script>\n```\n")
    assert not reader.all("script")
    assert "<script>alert(1)</script>" in "".join(reader.words)


def test_pages_of_reports_hold_no_address(pages):
    for path in pages:
        reader = Reader(path.read_text(encoding="utf-8"))
        for _, attributes in reader.elements:
            for name in ("src", "href", "srcset", "action", "style"):
                assert (attributes.get(name) or "#").startswith(("#", "data:image/png;base64,"))
        assert not reader.all("script") and not reader.all("link")
        assert all(len(attributes["alt"]) > 60 for attributes in reader.all("img"))
        assert HOSTILE.replace("`", "") in "".join(reader.words).replace("`", "")


def test_the_same_report_is_the_same_page(pages, tmp_path):
    groups = {"sex": ["female"] * 3 + ["<b>male</b>"] * 3}
    run.write(tmp_path, outcome(name=HOSTILE, note=HOSTILE, groups=groups, seconds=9.0))
    for name in run.FILES[:-1]:
        assert (tmp_path / name).read_bytes() == (pages[0].parent / name).read_bytes(), name


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_a_browser_shows_it_without_network_or_overflow(browser, pages, scheme, width):  # noqa: F811
    for path in pages:
        sheet = browser.new_page(viewport={"width": width, "height": 700}, color_scheme=scheme)
        messages, requests = [], []
        sheet.on("console", lambda message, kept=messages: kept.append(message.text))
        sheet.on("pageerror", lambda error, kept=messages: kept.append(str(error)))
        sheet.on("request", lambda request, kept=requests: kept.append(request.url))
        sheet.goto(path.as_uri())
        assert not messages
        assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
        images = "[...document.images].map(image => image.complete && image.naturalWidth > 100)"
        assert all(sheet.evaluate(images)) and sheet.evaluate("document.images.length") >= 1
        assert sheet.evaluate("document.documentElement.scrollWidth") <= width
        assert min(sheet.evaluate(COLOURS)) >= CONTRAST
        sheet.close()


def test_everything_that_scrolls_is_reached_by_keyboard(browser, pages):  # noqa: F811
    sheet = browser.new_page(viewport={"width": 360, "height": 700})
    sheet.goto(pages[0].as_uri())
    scrolling = sheet.evaluate("document.querySelectorAll('.scroll').length")
    labels = []
    for _ in range(60):
        sheet.keyboard.press("Tab")
        focused = "document.activeElement"
        if sheet.evaluate(f"{focused}.classList.contains('scroll')"):
            labels.append(sheet.evaluate(f"{focused}.getAttribute('aria-label')"))
    assert len(dict.fromkeys(labels)) == scrolling and scrolling >= 7
    sheet.close()


# The contrast of each element's own words with the first background behind them (WCAG 2.2).
COLOURS = """() => {
  const parse = text => text.match(/[0-9.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  return [...document.body.querySelectorAll('*')]
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
    .map(e => {
      const [a, b] = [luminance(parse(getComputedStyle(e).color)), luminance(behind(e))];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    });
}"""


def test_contrast_is_measured_as_it_is_defined(browser):  # noqa: F811
    sheet = browser.new_page()
    sheet.set_content("<body style='background:#fff'><p style='color:#767676'>a</p><p style='color:#000'>b</p>")
    np.testing.assert_allclose(sheet.evaluate(COLOURS), [4.54, 21.0], atol=0.005)
    sheet.close()
