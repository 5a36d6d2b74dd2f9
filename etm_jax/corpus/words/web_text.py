"""What the web leaves in texts: markup, links, @names, repost and topic marks, phrases of platforms."""

import re
from collections import Counter

from etm_jax.corpus.words.html_text import without_html

LINKS, MAILS, NAMES, REPOSTS = "links", "mail addresses", "@names", "repost marks"
TOPICS, BRACKETS, PHRASES = "topic marks", "bracketed marks", "platform phrases"

_ROUNDS = 8
"""Of applying the rules, as dropping one mark may complete another: `&lt;@name b&gt;`. Nearly all text needs one."""

_NAME_WIDTH = 30
"""Of an @name, where a Chinese character counts 2: what Weibo allows."""

# A path ends before Chinese text and before the `//@` of a repost; `/@user` is part of it.
_IN_PATH = r"(?:[A-Za-z0-9\-._~:?\[\]!$&'()*+,;=%]|/(?!/@)@?|#(?=[A-Za-z0-9/!]))"
_START = r"(?<![A-Za-z0-9@._/-])"
_SHORT_LINK = re.compile(
    rf"{_START}(?:https?[:：]//)?(?:t\.cn|t\.co|url\.cn|dwz\.cn|suo\.im|sinaurl\.cn|bit\.ly|goo\.gl|is\.gd|ow\.ly|"
    r"youtu\.be|tinyurl\.com)/[A-Za-z0-9_-]*",
    re.IGNORECASE,
)
_SCHEME_LINK = re.compile(rf"(?<![A-Za-z0-9])[a-z][a-z0-9+.-]{{1,11}}[:：]//{_IN_PATH}+", re.IGNORECASE)
_WWW_LINK = re.compile(
    rf"{_START}www\.(?:[a-z0-9-]{{1,63}}\.){{1,5}}[a-z]{{2,10}}(?::[0-9]{{1,5}})?(?:/{_IN_PATH}*)?", re.IGNORECASE
)
_PATH_LINK = re.compile(
    rf"{_START}(?:[a-z0-9-]{{1,63}}\.){{1,5}}(?:com|cn|net|org|gov|edu|info|cc|tv|io|me|co|jp|uk|hk|tw|de|fr)"
    rf"(?::[0-9]{{1,5}})?/{_IN_PATH}*",
    re.IGNORECASE,
)
# In lower case alone: Amazon.com is the name of a company.
_DOMAIN = re.compile(
    rf"{_START}(?:[a-z0-9-]{{1,63}}\.){{1,5}}(?:com|cn|org|gov|edu)(?![A-Za-z0-9@_-]|\.[A-Za-z0-9])",
)
_MAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])(?:mailto:)?[A-Za-z0-9._%+-]{1,64}[@＠](?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za-z]{2,24}"
)
_REPOST = re.compile(r"(?://\s?|回复\s?|回覆\s?)[@＠][\w·-]{1,30}\s?[:：]")
_MENTION = re.compile(
    r"(?:(?<![A-Za-z0-9])(?:RT|via)\s?|(?<![A-Za-z0-9._%+-]))[@＠](?![0-9]+\s?(?:元|块|美元|万|%))([\w·-]+)"
)
_LATIN_NAME = re.compile(r"[A-Za-z0-9_-]{2,30}")
_TOPIC = re.compile(r"(?<![A-Za-z0-9&#＃])[#＃](?!\s)([^#＃\n]{1,60})(?<!\s)[#＃]")
_HASHTAG = re.compile(r"(?<![A-Za-z0-9&/#＃])[#＃](?=[^\W\d_])")
_SUPER_TOPIC = re.compile(r"\[超[话話]\]")
_LETTER = re.compile(r"[^\W\d_]")
# Emoticons as [哈哈], and marks as [图]. Not the text of a link in Markdown, which a parenthesis follows.
_BRACKETED = re.compile(r"\[(?:[\u4e00-\u9fff]{1,4}|doge|good|ok|no|hold住|emm|cp|bobo[\u4e00-\u9fff]?)\](?!\()", re.I)

_ANYWHERE = re.compile(
    r"转发微博|轉發微博|快转微博|网页链接|網頁鏈接|展开全文c?|收起全文d?|(?:\.{3}|…{1,2})\s?全文"
    r"|来自\s?(?:[A-Za-z][A-Za-z0-9 .+-]{0,24}|[\u4e00-\u9fff]{1,6}(?<!的))客户端"
    r"|点击(?:此处|这里|下方链接|链接|图片|标题|上方蓝字|蓝字)?\s?(?:查看|进入|阅读|观看|下载|了解|关注)\s?"
    r"(?:全文|大图|高清大图|更多(?:内容|精彩|详情)?|详情|原文|图片|视频|链接|专题|我们)|点击查看"
    r"|(?:查看|阅读)(?:全文|原文|大图|更多)(?![\u4e00-\u9fff])"
    r"|(?:长按|扫描?|识别)(?:下方|上方|以下|图中)?的?二维码(?:即可)?(?:关注|下载|加入|进群|添加)[^\s，。！!？?]{0,8}"
    r"|扫码(?:关注|下载|进群|添加)[^\s，。！!？?]{0,8}"
    r"|[（(【]?责任?编[辑輯]\s?[:：]\s?[\u4e00-\u9fff·]{1,4}(?:\s?[A-Z]{1,3}[0-9]{1,6})?[）)】]?"
    r"|[（(【]编[辑輯]\s?[:：]\s?[\u4e00-\u9fff·]{1,4}[）)】]"
    r"|未经[^\s，。]{0,12}(?:不得|禁止|请勿)转载|转载请注明(?:出处|来源|作者)?|版权所有"
    r"|返回搜狐\s?[，,]\s?查看更多|原标题\s?[:：]"
    r"|分享到\s?[:：]\s?(?:(?:微信|朋友圈|新浪微博|微博|QQ空间|QQ|人人网?|豆瓣)[ 、|/]*){1,8}"
    r"|(?<![A-Za-z0-9])L\s?[\w·-]{1,20}的(?:秒拍|微博)视频|(?:秒拍|微博)视频(?=\s|$)"
    r"|\bSent from my (?:iPhone|iPad|Android|BlackBerry)\b|\bAll rights reserved\b\.?"
    r"|\bClick here(?: (?:to|for) [A-Za-z ]{1,30})?|\b(?:Read|Show|View|See) more\s?(?:»|>>|\.{3}|…)",
    re.IGNORECASE,
)
_WHOLE_LINE = re.compile(
    r"^[^\S\n]*(?:转发|转发图片|分享图片|分享视频|分享文章|Repost|Read more|Show more|Continue reading|Advertisement"
    r"|Share this(?: article| post)?|Subscribe(?: now)?|Sign (?:up|in)|Follow us|Leave a comment|Related articles?"
    r"|Skip to (?:main )?content)[^\S\n]*[.。:：!！…»>]*[^\S\n]*$",
    re.IGNORECASE | re.MULTILINE,
)


def clean_web(text: str) -> tuple[str, Counter[str]]:
    """The text without what the web has put into it, and the number of marks found, by rule.

    Dropped, with a space in their place: links with and without a scheme; mail addresses; @names; `//@name:` and
    `回复@name:`, but not what that person wrote; marks in brackets such as [哈哈] and [图]; phrases of platforms such
    as 转发微博. The words of #topics# and #hashtags stay. HTML as of `without_html`. Applying it twice changes nothing,
    but for marks nested more than eight deep. The time is linear in the length of the text.
    """
    counts: Counter[str] = Counter()
    for _ in range(_ROUNDS):
        before, text = text, _one_round(text, counts)
        if text == before:
            break
    return text, +counts


def _one_round(text: str, counts: Counter[str]) -> str:
    def drop(rule: str, pattern: re.Pattern[str], text: str) -> str:
        text, number = pattern.subn(" ", text)
        counts[rule] += number
        return text

    text = without_html(text, counts)
    if "/" in text:
        text = drop(LINKS, _SHORT_LINK, text)
        if "//" in text:
            text = drop(LINKS, _SCHEME_LINK, text)
    has_at = "@" in text or "＠" in text
    if has_at:
        text = drop(REPOSTS, _REPOST, drop(MAILS, _MAIL, text))
    if "." in text:
        for pattern in (_WWW_LINK, _PATH_LINK, _DOMAIN):
            text = drop(LINKS, pattern, text)
    if has_at:
        text = _MENTION.sub(lambda found: _without_name(found, counts), text)
    if "#" in text or "＃" in text:
        text = _TOPIC.sub(lambda found: _words_of_topic(found, counts), text)
        text = drop(TOPICS, _HASHTAG, text)
    if "[" in text:
        text = drop(BRACKETS, _BRACKETED, text)
    return drop(PHRASES, _WHOLE_LINE, drop(PHRASES, _ANYWHERE, text))


def _without_name(found: re.Match[str], counts: Counter[str]) -> str:
    """A space in place of an @name. Of letters too many for a name, only a Latin name that they begin with goes."""
    name = found[1]
    if sum(2 if char >= "\u2e80" else 1 for char in name) <= _NAME_WIDTH:
        counts[NAMES] += 1
        return " "
    latin = _LATIN_NAME.match(name)
    if latin and latin.end() < len(name) and name[latin.end()] >= "\u2e80":
        counts[NAMES] += 1
        return f" {name[latin.end() :]}"
    return found[0]


def _words_of_topic(found: re.Match[str], counts: Counter[str]) -> str:
    """What stands between the two marks of a topic, if it has a letter."""
    if not _LETTER.search(found[1]):
        return found[0]
    counts[TOPICS] += 1
    return f" {_SUPER_TOPIC.sub(' ', found[1])} "
