"""The page: data, style and script in one file, which makes no network requests."""

import html
import json
from importlib.resources import files
from typing import Any

SCRIPTS = ("common", "head", "topics", "word", "search", "map", "similarity", "curves", "documents", "start")
"""Parts of one script, in this order: the first has what all use, the last one runs the others."""


def page(contents: dict[str, Any]) -> str:
    """The page as HTML that needs no other file. contents: of `etm_jax.report.page.contents`.

    All text of the corpus is included as JSON and set as text, never as markup; the content security policy of the page
    forbids all requests.
    """
    parts = files("etm_jax.report.page")
    template, style = (parts.joinpath(name).read_text("utf-8") for name in ("page.html", "page.css"))
    script = "".join(parts.joinpath("script", f"{name}.js").read_text("utf-8") for name in SCRIPTS)
    # Then no tag can begin or end inside a string of JSON. U+2028 and U+2029 are plain characters there.
    data = json.dumps(contents, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    title = html.escape(f"{contents['run']['topics']} topics of {contents['run']['name']}")
    filled = {"TITLE": title, "STYLE": style, "SCRIPT": script, "DATA": data}
    before, *rest = template.split("{{")
    out = [before]
    for part in rest:
        name, _, after = part.partition("}}")
        out += [filled[name], after]
    # A document's name may contain a lone surrogate, which has no UTF-8.
    return "".join(out).encode("utf-8", "replace").decode("utf-8")
