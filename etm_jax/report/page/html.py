"""The page: data, strings, style and script in one file, which makes no network requests."""

import json
from html import escape
from importlib.resources import files
from typing import Any

from etm_jax.report.page.strings import Strings

SCRIPTS = (
    "common",
    "head",
    "topics",
    "word",
    "search",
    "map",
    "similarity",
    "curves",
    "moving",
    "groups",
    "documents",
    "start",
)
"""Parts of one script, in this order: the first has what all use, the last one runs the others."""


HTML_LANG = {"en": "en", "zh": "zh-Hans"}
"""Languages of the page as HTML names them."""


OF_TABLES_ALONE = "period_of_document"
"""What the tables of a run need of its contents, and no page shows."""

OF_FIGURES_ALONE = "paths"
"""What the figures need of topics that move, and no page shows."""


_MARKS = b'<p class="eyebrow">', b'<dl id="cards">', b'<script type="application/json" id="data">'
"""What every page has had since the first."""


def page(contents: dict[str, Any]) -> str:
    """The page as HTML that needs no other file. contents: of `etm_jax.report.page.contents`.

    All text, that of the title too, is included as JSON and set as text, never as markup; the content security policy
    of the page forbids all requests.
    """
    parts = files("etm_jax.report.page")
    template, style = (parts.joinpath(name).read_text("utf-8") for name in ("page.html", "page.css"))
    script = "".join(parts.joinpath("script", f"{name}.js").read_text("utf-8") for name in SCRIPTS)
    say = Strings(contents["run"]["page_lang"])
    told = {
        "strings": say.of_key,
        "measured": [[say.translated(cell) for cell in row] for row in contents["metrics"]],
        "texts_missing": say.translated(contents["texts_missing"]),
    }
    shown = {key: value for key, value in contents.items() if key != OF_TABLES_ALONE} | told
    if shown["moving"]:
        shown["moving"] = {key: value for key, value in shown["moving"].items() if key != OF_FIGURES_ALONE}
    data = json_in_page(json.dumps(shown, ensure_ascii=False, separators=(",", ":"), allow_nan=False))
    filled = {"STYLE": style, "SCRIPT": script, "DATA": data, "LANG": HTML_LANG[say.lang]}
    filled |= {key: escape(text) for key, text in say.of_key.items()}
    before, *rest = template.split("{{")
    out = [before]
    for part in rest:
        name, _, after = part.partition("}}")
        out += [filled[name], after]
    # A document's name may contain a lone surrogate, which has no UTF-8.
    return "".join(out).encode("utf-8", "replace").decode("utf-8")


def is_page(content: bytes) -> bool:
    """Whether a file is a page that `page` wrote, of any version."""
    return all(mark in content for mark in _MARKS)


def json_in_page(text: str) -> str:
    """JSON in which no tag, comment or entity begins or ends: the same values, and safe inside a page's <script>.

    Everything that pages hold of a corpus or a run goes through here.
    """
    # In JSON these stand inside strings alone.
    return text.translate({ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})
