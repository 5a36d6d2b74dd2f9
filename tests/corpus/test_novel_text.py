"""What --clean=novel drops from a novel's lines, and what it takes for the story."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etm_jax.corpus.words.novel_text import (
    ADVERTISEMENTS,
    FURNITURE,
    HEADINGS,
    INDENTED,
    REPEATS,
    advertisement_key,
    clean_novel,
    repeated_advertisements,
)


@pytest.mark.parametrize(
    "line",
    [
        "第一章",
        "第12回",
        "第１２章　夜行",
        "第三章 你是谁？",
        "第一百二十回 荐杜预老将献新谋　降孙皓三分归一统",
        "第二卷 第三章 归来",
        "正文 第三百章 终",
        "卷三 山雨",
        "第五节 雪",
        "第一章总则",
        "楔子",
        "番外 一",
        "（全书完）",
        "Chapter 3",
        "CHAPTER XII. The Road",
        "Book One: The End",
        "Epilogue",
    ],
)
def test_headings(line):
    assert clean_novel(f"起\n{line}\n终") == ("起\n终", {HEADINGS: 1})
    assert clean_novel(line) == ("", {HEADINGS: 1})


@pytest.mark.parametrize(
    "line",
    [
        "12",
        "- 12 -",
        "第3页 共20页",
        "Page 3 of 20",
        "——————",
        "* * *",
        "上一页 目录 下一页",
        "上一章 | 返回目录 | 下一章",
        "（本章完）",
        "未完待续……",
        "PS：今天三更，求月票！",
        "to be continued...",
    ],
)
def test_page_furniture(line):
    assert clean_novel(f"起\n{line}\n终") == ("起\n终", {FURNITURE: 1})


@pytest.mark.parametrize(
    "line",
    [
        "「好。」",
        "手机响了。",
        "第一回见到他，是在北京。",
        "第一回见面",
        "第二集团军司令部",
        "第一回合",
        "第三部分是结论",
        "第三节课开始了",
        "第一章节的内容",
        "他说：第三章",
        "第二天",
        "Chapter one of his life began.",
        "Part of me died.",
        "P.S. I love you",
        "目",
        "完",
        "……",
        "上一页写着他的名字。",
        "请收藏本站",
    ],
)
def test_the_story_stays(line):
    text = f"起\n{line}\n终"
    assert clean_novel(text) == (text, {})


def test_indentation_goes_and_parts_paragraphs_that_were_joined():
    assert clean_novel("\u3000\u3000他走了。\n她来了。") == ("\n他走了。\n她来了。", {INDENTED: 1})
    joined = "第一回\u3000桃园\u3000\u3000话说天下大势。\u3000\u3000（本章完）"
    assert clean_novel(joined) == ("话说天下大势。", {HEADINGS: 1, INDENTED: 2, FURNITURE: 1})


def test_advertisements_are_lines_that_look_like_one_and_repeat():
    """Not what people in the story say again and again, nor what looks like one but stands once."""
    ad, once = "手机用户请到ｗｗｗ.example.com阅读，第{}次更新。", "他把网址www.other.com写在纸上。"
    chapters = [f"「好。」\n第{n}天，他走了。\n{ad.format(n)}" for n in range(REPEATS)]
    found = repeated_advertisements([*chapters, once])
    assert found == {advertisement_key(ad)}
    assert advertisement_key("「好。」") == ""
    assert clean_novel(chapters[0], found) == ("「好。」\n第0天，他走了。", {ADVERTISEMENTS: 1})
    assert clean_novel(once, found) == (once, {})
    assert repeated_advertisements(chapters[1:]) == frozenset()
    # In one long document as in many short ones.
    assert repeated_advertisements(["\n".join(chapters)]) == found


_LINES = st.sampled_from(
    [
        "第一章",
        "12",
        "——",
        "他走了。",
        "\u3000\u3000",
        "\u3000",
        " ",
        "\n",
        "\u00a0 ",
        "上一页",
        "PS：求票",
        "请收藏",
        "",
    ]
)


@given(st.lists(_LINES, max_size=16).map("".join))
def test_a_second_pass_finds_nothing(text):
    cleaned, counts = clean_novel(text)
    assert clean_novel(cleaned) == (cleaned, {})
    assert (cleaned == text) == (not counts)


def test_work_grows_with_the_text_alone():
    for mark in ("\u3000", " \u3000", "\u00a0 ", "第", "上一页", "\n"):
        cleaned, _ = clean_novel(mark * 30_000)
        assert len(cleaned) <= 30_000 * len(mark)
