"""What novels hold besides the story: headings, page furniture, indentation, advertisements that repeat."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

HEADINGS, FURNITURE = "chapter headings", "page furniture lines"
INDENTED, ADVERTISEMENTS = "indented lines", "advertisement lines"

REPEATS = 3
"""Times that a line which looks like an advertisement stands in a corpus before it is taken for one."""

_LONGEST = 200
"""Characters of a line that may be an advertisement; a heading or page furniture has at most half of it."""

_INDENTATION = re.compile(r"[^\S\n]*\u3000[^\S\n]*|\u00a0[^\S\n]+")
_GAP = re.compile(r"\n|\u3000{2,}")
"""Two ideographic spaces begin a paragraph, also where the lines of a text have been joined."""

_NUMBER = "[0-9〇零一二三四五六七八九十百千万两廿卅]{1,9}"
_HEADING = re.compile(
    rf"(?:正文\s*)?(?:第\s*{_NUMBER}\s*卷.{{0,20}}?\s)?"
    rf"第\s*{_NUMBER}\s*(?:"
    r"[章回](?![节合程目])(?:[\s:.、·—-]+[^。]{0,40}|[^\s。，,;?!:“”\"的就是里中见来去在我你他她][^\s。，,;:“”\"]{0,19})?"
    r"|[节卷部集篇幕折话](?:[\s:.、·—-]+[^。，,;]{0,40})?)"
    rf"|卷\s*{_NUMBER}(?:[\s:.、·—-]+[^。，,;]{{0,40}})?"
    rf"|番外(?:篇)?(?:\s*{_NUMBER})?(?:[\s:.、·—-]+[^。，,;]{{0,40}})?"
    r"|楔子|引子|序[章幕言]|尾声|终章|后记|正文(?:卷)?|目录|[\[(【]?全[书文][完终][\])】]?"
    r"|(?:chapter|part|book|volume)\s+(?:[0-9]{1,4}|[ivxlc]{1,8}|one|two|three|four|five|six|seven|eight|nine|ten|eleven"
    r"|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty)(?:[\s:.—-]+[^.,;]{0,60})?"
    r"|prologue|epilogue|table of contents",
    re.IGNORECASE,
)
_FURNITURE = re.compile(
    r"[-—–=_*~·•#+\s]{3,}|[-—–·\[(]{0,3}\s?[0-9]{1,5}\s?[-—–·\])]{0,3}"
    r"|第\s?[0-9]{1,5}\s?页(?:[\s/,]{0,3}共\s?[0-9]{1,5}\s?页)?|page\s+[0-9]{1,5}(?:\s+of\s+[0-9]{1,5})?"
    r"|(?:(?:[<«←]{0,2}\s?(?:返回)?(?:上一[页章]|下一[页章]|[章书]?目录|首页|尾页|书页|封面|书架|顶部|加入书[签架])\s?"
    r"[>»→]{0,2})[\s|/·-]{0,5}){1,8}"
    r"|[\[(【]?(?:本章(?:未)?完|未完待续|待续)[\])】]?[。.…~!]{0,6}|[\[(【]完[\])】]"
    r"|(?:(?:previous|next)\s+(?:chapter|page)[\s|/·-]{0,5}){1,2}|to be continued[.…]{0,6}",
    re.IGNORECASE,
)
_POSTSCRIPT = re.compile(
    r"p\.?s\.?\s?[:.].*(?:[求投]|[月推荐]票|收藏|订阅|更新|上架|打赏|书友|读者|盟主|点击|[加两三四五]更)", re.IGNORECASE
)
"""An author's note to readers. A postscript in a letter of the story asks for no votes."""

_SITE = r"https?[:：]//|www[.。·]|\b[a-z0-9-]{2,}[.。·](?:com|net|org|cc|cn|info|la|tv)\b"
_ADVERTISEMENT = re.compile(
    rf"{_SITE}|收藏(?:本站|本书|网址)|[请求]收藏|加入书[签架]|最新章[节回]|最快更新|更新最快|首发|无弹窗|无广告"
    r"|手机(?:用户|阅读|看书|版|站|端)|全文(?:免费)?阅读|免费(?:阅读|下载|小说|全本)|(?:txt|全集|全本|电子书)\s?下载"
    r"|下载(?:app|客户端|本书|地址|阅读器)|小说(?:网|站|阅读网|下载|app)|书友群|[求投]?(?:推荐票|月票)|公众号"
    r"|qq\s?群|微信(?:号|群|搜索|关注)|扫(?:码|描二维码)|记住(?:本站|网址|地址)|本站(?:网址|地址|域名|推荐)|支持正版"
    r"|(?:latest|more|free) (?:chapters?|novels?)|bookmark (?:this|our|us)|please (?:support|subscribe|vote)"
    r"|patreon|discord|(?:visit|read (?:it|this|more) (?:on|at)) .{1,40}\b(?:site|website|page|app)\b"
    r"|download (?:the|our) app|advertisement",
    re.IGNORECASE,
)


def clean_novel(text: str, advertisements: frozenset[str] = frozenset()) -> tuple[str, Counter[str]]:
    """The text without lines that are no part of the story, and the number of lines found, by rule.

    Lines end at a line end or at two ideographic spaces. Dropped: whole lines that are a chapter's heading, page
    furniture (a page number, a rule, 上一页 目录 下一页, 未完待续, an author's request for votes), or one of the
    advertisements, given by their `advertisement_key`. Indentation of ideographic spaces goes too. Applying it twice
    changes nothing.
    """
    counts: Counter[str] = Counter()
    kept = []
    for line in _GAP.split(text):
        if rule := _rule(line, advertisements):
            counts[rule] += 1
            continue
        kept.append(line)
        indentation = _INDENTATION.match(line)
        if indentation:
            kept[-1] = line[indentation.end() :]
            counts[INDENTED] += 1
    counts[INDENTED] += sum(gap[0] != "\n" for gap in _GAP.finditer(text))
    found = +counts
    return ("\n".join(kept), found) if found else (text, found)


def advertisement_key(line: str) -> str:
    """The letters of a line that looks like an advertisement, by which repetitions are known; "" for another line.

    Digits, such as a date or the number of a chapter, do not tell two advertisements apart.
    """
    if len(line) > 2 * _LONGEST:
        return ""
    folded = _folded(line)
    if not folded or len(folded) > _LONGEST or not _ADVERTISEMENT.search(folded):
        return ""
    return "".join(filter(str.isalpha, folded.casefold()))


def repeated_advertisements(texts: Iterable[str]) -> frozenset[str]:
    """The keys of lines that look like advertisements and stand in the texts at least `REPEATS` times in all.

    Memory holds each different line that looks like one.
    """
    found: Counter[str] = Counter()
    for text in texts:
        found.update(filter(None, map(advertisement_key, _GAP.split(text))))
    return frozenset(key for key, number in found.items() if number >= REPEATS)


def _rule(line: str, advertisements: frozenset[str]) -> str:
    """By which rule a line is dropped; "" for a line of the story."""
    if len(line) > 2 * _LONGEST:
        return ""
    folded = _folded(line)
    if not folded:
        return ""
    if len(folded) <= _LONGEST / 2:
        if _HEADING.fullmatch(folded):
            return HEADINGS
        if _FURNITURE.fullmatch(folded):
            return FURNITURE
    if _POSTSCRIPT.match(folded):
        return FURNITURE
    if advertisements and advertisement_key(line) in advertisements:
        return ADVERTISEMENTS
    return ""


def _folded(line: str) -> str:
    """A line without blanks around it, with compatibility characters folded: ０ is 0, ： is :."""
    return unicodedata.normalize("NFKC", line).strip()
