"""Text out of HTML: entities become characters; tags, comments, scripts and style sheets go."""

import html
import re
from collections import Counter
from html.entities import html5

TAGS, ENTITIES = "HTML tags", "HTML entities"

_ENTITY = re.compile(
    r"&(?:(?:amp|#0{0,4}38|#x0{0,4}26);)*(#[0-9]{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE
)
"""An entity, also where its & has been escaped again, as in `&amp;amp;lt;`. Without a semicolon it may be a word."""

_WITHIN_SENTENCES = "a abbr b big cite code del em font i ins kbd mark q s small span strike strong sub sup tt u"
_BETWEEN_SENTENCES = (
    "article aside audio blockquote body br button canvas caption center col colgroup dd details dialog div dl dt "
    "embed fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hr html iframe img "
    "input label legend li link main map meta nav noscript object ol optgroup option p param picture pre script "
    "section select source style summary svg table tbody td template textarea tfoot th thead time title tr track ul "
    "video wbr"
)
_INLINE = frozenset(_WITHIN_SENTENCES.split())
_ELEMENTS = _INLINE | frozenset(_BETWEEN_SENTENCES.split())
"""Whose tags are recognised without attributes. Others, such as `<unk>`, are taken for text."""

_VALUE = r"""(?:"[^"]{0,4000}"|'[^']{0,4000}'|[^\s"'<>=`]+)"""
_FLAG = (
    "allowfullscreen|async|autoplay|checked|controls|defer|disabled|hidden|itemscope|loop|multiple|muted|noshade|"
    "nowrap|open|readonly|required|selected"
)
_TAG = re.compile(
    rf"<(/?)([a-z][a-z0-9]*(?:[:-][a-z0-9]+)*)((?:\s+(?:[a-z_:@][\w:.-]*\s*=\s*{_VALUE}|(?:{_FLAG})(?=[\s/>])))*)\s*/?>",
    re.IGNORECASE,
)
"""A tag. An attribute has a value or is a known one, so that `if a<b and c>d` has none."""

_DECLARATION = re.compile(r"<!doctype\b[^<>]{0,500}>|<\?xml\b[^<>]{0,500}\?>|<!\[CDATA\[|\]\]>", re.IGNORECASE)
_OPENING = re.compile(r"<(?:!--|(script|style)\b[^<>]{0,4000}>)", re.IGNORECASE)
_CLOSING = {
    "": re.compile("-->"),
    "script": re.compile(r"</script\s*>", re.IGNORECASE),
    "style": re.compile(r"</style\s*>", re.IGNORECASE),
}


def without_html(text: str, counts: Counter[str]) -> str:
    """The text with entities as characters and without tags, in time linear in its length.

    Comments, and the content of scripts and style sheets, go with their tags. What only resembles markup stays: `1<2`,
    `a < b`, `AT&T`, `<unk>`. counts: gets the numbers of what was found, by rule.
    """
    if "&" in text:
        text = _ENTITY.sub(lambda found: _character(found, counts), text)
    if "<" in text:
        text = _without_blocks(text, counts)
        text, number = _DECLARATION.subn(" ", text) if "<!" in text or "<?" in text else (text, 0)
        counts[TAGS] += number
        text = _TAG.sub(lambda found: _no_tag(found, counts), text)
    return text


def _character(found: re.Match[str], counts: Counter[str]) -> str:
    """What an entity stands for; an unknown one stays."""
    name = found[1]
    named = html5.get(f"{name};") or html5.get(f"{name.lower()};")
    if not named and name[0] != "#":
        return found[0]
    counts[ENTITIES] += 1
    return named or html.unescape(f"&{name};")


def _without_blocks(text: str, counts: Counter[str]) -> str:
    """The text without comments, scripts and style sheets that are closed."""
    parts: list[str] = []
    done = 0
    never_closed: set[str] = set()
    for opening in _OPENING.finditer(text):
        kind = (opening[1] or "").lower()
        if opening.start() < done or kind in never_closed:
            continue
        closing = _CLOSING[kind].search(text, opening.end())
        if closing is None:
            never_closed.add(kind)
            continue
        parts += [text[done : opening.start()], " "]
        done = closing.end()
        counts[TAGS] += 1 if kind == "" else 2
    return "".join([*parts, text[done:]])


def _no_tag(found: re.Match[str], counts: Counter[str]) -> str:
    """A space in place of a tag, nothing in place of one within a sentence; other text stays."""
    closes, name, attributes = found[1], found[2].lower(), found[3]
    if not (name in _ELEMENTS or attributes or ":" in name or (closes and "-" in name)):
        return found[0]
    counts[TAGS] += 1
    return "" if name in _INLINE else " "
