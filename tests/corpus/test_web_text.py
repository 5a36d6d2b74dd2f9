"""What --clean=web drops from a text, what it leaves, and that it is done after one pass."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etm_jax.corpus.words.html_text import ENTITIES, TAGS
from etm_jax.corpus.words.web_text import (
    BRACKETS,
    LINKS,
    MAILS,
    NAMES,
    PHRASES,
    REPOSTS,
    TOPICS,
    clean_web,
)


def left(text: str) -> str:
    """The words that are left, with single spaces."""
    return " ".join(clean_web(text)[0].split())


@pytest.mark.parametrize(
    "text, expected",
    [
        ("看http://t.cn/RqXYZ12转发", "看 转发"),
        ("看t.cn/RqXYZ12转发", "看 转发"),
        ("见https://www.example.com/a/b.html?x=1&y=2#top，后来", "见 ，后来"),
        ("见http：//example.com/a 后来", "见 后来"),
        ("访问www.sina.com.cn新浪", "访问 新浪"),
        ("see example.org/news/1 now", "see now"),
        ("新闻来自tieba.baidu.com的网友", "新闻来自 的网友"),
        ("https://zh.wikipedia.org/wiki/三国", "三国"),
        ("a post https://blog.example.com/@user/post-1 on it", "a post on it"),
        ("链接ftp://a.example/x。", "链接 。"),
    ],
)
def test_links_go_and_the_chinese_after_them_stays(text, expected):
    assert left(text) == expected
    assert clean_web(text)[1] == {LINKS: 1}


@pytest.mark.parametrize(
    "text",
    [
        "a < b, 1<2 and 3>2",
        "if a<b and c>d",
        "AT&T, R&D; Q&A",
        "the <unk> token <3",
        "Amazon.com rose by 3.5%, node.js and ASP.NET fell, e.g. in the U.S.",
        "C# and F# are #1 and #2",
        "他说：“第一、第二……”，然后走了。",
        "苹果@5元一斤，user@host",
        "[1] [12] [sic] [三国](见注)",
        "and/or, 他/她, 2018/05/01",
        "&foo; & &amp",
        "把照片分享到朋友圈，查看更多内容",
        "",
    ],
)
def test_what_only_resembles_a_mark_stays_to_the_letter(text):
    assert clean_web(text) == (text, {})


@pytest.mark.parametrize(
    "text, expected, counts",
    [
        ("好//@张三:说得好//@李_四-x：嗯", "好 说得好 嗯", {REPOSTS: 2}),
        ("http://example.com/a//@name: text", "text", {LINKS: 1, REPOSTS: 1}),
        ("回复@小明:谢谢", "谢谢", {REPOSTS: 1}),
        ("@王五 你好@赵六：来吧＠钱七，走", "你好 ：来吧 ，走", {NAMES: 3}),
        ("RT @bob: hello @alice_1", ": hello", {NAMES: 2}),
        ("写信给zhang.san@mail.example.com或来", "写信给 或来", {MAILS: 1}),
        ("mailto:a@example.cn", "", {MAILS: 1}),
        ("#三国演义#真好 #MeToo ＃话题＃", "三国演义 真好 MeToo 话题", {TOPICS: 3}),
        ("#某地身边事[超话]#", "某地身边事", {TOPICS: 1}),
        ("真好[哈哈][允悲][doge]【标题】", "真好 【标题】", {BRACKETS: 3}),
        ("转发微博", "", {PHRASES: 1}),
        ("他来了 来自iPhone客户端", "他来了", {PHRASES: 1}),
        ("他来了…展开全文", "他来了…", {PHRASES: 1}),
        ("点击查看全文 责任编辑：张三 SN123", "", {PHRASES: 2}),
        ("The end.\nRead more\nIt began.", "The end. It began.", {PHRASES: 1}),
    ],
)
def test_marks_go_and_words_stay(text, expected, counts):
    assert left(text) == expected
    assert clean_web(text)[1] == counts


def test_a_name_too_long_for_one_is_text():
    """Weibo allows 30 columns; a Latin name before Chinese text is recognised even so."""
    sentence = "今天报道了很多很多很多很多很多的事情"
    assert left(f"@人民日报{sentence}") == f"@人民日报{sentence}"
    assert left(f"@BBC{sentence}") == sentence


@pytest.mark.parametrize(
    "text, expected, tags, entities",
    [
        ("<p>中<b>国</b>人</p><p>好</p>", "中国人 好", 6, 0),
        ("<a class=\"x\" href='y>z'>去</a>", "去", 2, 0),
        ("一<script>if (a<b) { f('</p>'); }</script>二", "一 二", 2, 0),
        ("一<!-- <p>不见 -->二", "一 二", 1, 0),
        ("<!DOCTYPE html><HTML><BR/>二", "二", 3, 0),
        ("一<style>p {}", "一 p {}", 1, 0),
        ("&lt;p&gt;中&nbsp;国&amp;amp;lt;/p&amp;gt;", "中 国", 2, 5),
        ("&#20013;&#x56fd; &copy;2018 AT&amp;T", "中国 ©2018 AT&T", 0, 4),
        ("<my-box data-x='1'>二</my-box>", "二", 2, 0),
    ],
)
def test_html_becomes_text(text, expected, tags, entities):
    assert left(text) == expected
    counts = clean_web(text)[1]
    assert (counts[TAGS], counts[ENTITIES]) == (tags, entities)


_PIECES = st.sampled_from(
    [
        *"<>&;#@/:.[] \n中国ab1",
        "amp;",
        "&lt;",
        "&#97;",
        "http://",
        "t.cn/",
        "www.",
        ".com",
        "//@",
        "<b>",
        "<p ",
        "href='",
        "<!--",
        "-->",
        "<script>",
        "</script>",
        "[哈哈]",
        "转发",
        "微博",
        "点击",
        "查看",
    ]
)


@given(st.lists(_PIECES, max_size=24).map("".join))
def test_a_second_pass_finds_nothing(text):
    cleaned, counts = clean_web(text)
    assert clean_web(cleaned) == (cleaned, {})
    assert (cleaned == text) == (not counts)


def test_work_grows_with_the_text_alone():
    """Texts of one mark that never ends, on which a pattern that starts over at each would take days."""
    for mark in ("<a b='", "&amp;", "<script>", "<!--", "@", "#a", "//@a", "a.", "http://", "[哈", "x-", "<a ", "a@"):
        cleaned, _ = clean_web(mark * 30_000)
        assert len(cleaned) <= 30_000 * len(mark)
