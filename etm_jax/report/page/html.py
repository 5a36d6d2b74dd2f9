"""The page: its contents, style and script in one file, which asks the net for nothing."""

import html
import json
from importlib.resources import files
from typing import Any

SCRIPTS = ("common", "head", "topics", "word", "search", "map", "similarity", "curves", "documents", "start")
"""Parts of one function, in this order: the first has what all use, the last runs the others."""


def page(contents: dict[str, Any]) -> str:
    """HTML that opens by itself. contents: of `etm_jax.report.page.contents`.

    All text of the corpus goes in as JSON and is put on the page as text, never as markup; the policy in its head
    forbids any request.
    """
    parts = files("etm_jax.report.page")
    template, style = (parts.joinpath(name).read_text("utf-8") for name in ("page.html", "page.css"))
    script = "".join(parts.joinpath("script", f"{name}.js").read_text("utf-8") for name in SCRIPTS)
    # No tag can end or begin inside a string of JSON then. U+2028 and U+2029 are plain characters there.
    data = json.dumps(contents, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    title = html.escape(f"{contents['run']['topics']} topics of {contents['run']['name']}")
    filled = {"TITLE": title, "STYLE": style, "SCRIPT": script, "DATA": data}
    before, *rest = template.split("{{")
    out = [before]
    for part in rest:
        name, _, after = part.partition("}}")
        out += [filled[name], after]
    # A document's name may hold a lone surrogate, which has no UTF-8.
    return "".join(out).encode("utf-8", "replace").decode("utf-8")
