"""The strings of the page and of the figures: each in both languages, none missing, none unused."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

from etm_jax.report.page.strings import LANGUAGES, PLACE, Strings, page_language, table
from etm_jax.util.errors import UserError

PACKAGE = Path(str(files("etm_jax")))
PAGE = PACKAGE / "report" / "page"
SOURCES = {
    path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8")
    for path in [*PAGE.parent.rglob("*.py"), *PAGE.rglob("*.js"), PACKAGE / "api" / "figures.py"]
}
TEMPLATE = (PAGE / "page.html").read_text("utf-8")

LOOKED_FOR = ("metric.", "told.")
"""Beginnings of keys whose strings are found by their English words."""


def used_keys() -> set[str]:
    """The keys that the code and the template ask for by name; of names made by the script, all that begin so."""
    code = "\n".join(SOURCES.values())
    named = set(re.findall(r'\b(?:say|_strings\(contents\))\(\s*"([^"]+)"', code))
    begun = set(re.findall(r"\bsay\(\s*`([\w.]+\.)\$\{", code))
    named |= {key for key in table() if key.startswith(tuple(begun))}
    return named | {key for key in re.findall(r"\{\{([^}]+)\}\}", TEMPLATE) if "." in key}


def test_no_string_is_missing_and_none_unused():
    assert used_keys() == {key for key in table() if not key.startswith(LOOKED_FOR)}


def test_a_string_is_in_every_language_with_the_same_places():
    for key, texts in table().items():
        assert list(texts) == list(LANGUAGES), key
        assert all(texts.values()), key
        places = [sorted(PLACE.findall(text)) for text in texts.values()]
        assert places[0] == places[1], key


def test_chinese_strings_are_chinese():
    """But for those that are names in either language."""
    same = {key for key, texts in table().items() if texts["en"] == texts["zh"]}
    assert same <= {"training.kl"}
    without = {key for key, texts in table().items() if not re.search(r"[\u4e00-\u9fff。]", texts["zh"])}
    assert without <= {"training.kl", "curve.point", "metric.of"}


def test_every_abbreviation_is_somewhere_on_the_page():
    script = "".join(text for name, text in SOURCES.items() if name.endswith(".js"))
    measures = "UMass C_V C_UCI C_NPMI C_W2V NMI PPMI"  # of rows of metrics that are not translated
    for lang in LANGUAGES:
        said = " ".join(texts[lang] for key, texts in table().items() if not key.startswith("term."))
        for key in table():
            if key.startswith("term."):
                assert key.removeprefix("term.") in f"{said} {script} {measures}", (lang, key)


def test_no_words_of_the_script_are_outside_the_table():
    """Literals with a capital and a blank, which is what a sentence or a title looks like."""
    for name, text in SOURCES.items():
        if name.endswith(".js"):
            code = "\n".join(line.partition("//")[0] for line in text.splitlines())
            assert not re.findall(r'["`][A-Z][a-z]+ [a-z][^"`]*["`]', code), name


def test_values_stand_in_their_places():
    say = Strings("zh")
    assert say("topics.topic", k=3) == "主题 3"
    assert say("map.disc", k="{words}", words="$1 {k}") == "主题 {words}：$1 {k}"


@pytest.mark.parametrize(
    "english, chinese",
    [
        (
            "bags of words of 90 test documents; whole documents; top 9 words",
            "90 篇测试文档的词袋；整篇文档；前 9 个词",
        ),
        ("PPMI vectors of the running text of 90 test documents", "90 篇测试文档的连续文本的 PPMI 向量"),
        ("14 of 15", "14 / 15"),
        ("test has changed since the run", "test 在运行之后有改动"),
        ("no such phrase", "no such phrase"),
    ],
)
def test_rows_of_metrics_are_translated_part_by_part(english, chinese):
    assert Strings("zh").translated(english) == chinese
    assert Strings("en").translated(english) == english


def test_the_page_speaks_the_language_of_its_corpus():
    assert [page_language("", lang) for lang in ("zh", "en", "de", "")] == ["zh", "en", "en", "en"]
    assert page_language("en", "zh") == "en"
    with pytest.raises(UserError, match="the page is in en or zh"):
        page_language("de", "zh")
