"""The raw text of the experiment: its sources by their share, the same from the same seed, and cleanable."""

from collections import Counter

import pytest

from etm_jax.corpus.words.web_text import clean_web
from experiments import raw_web_text as experiment

TEXTS = [f"新闻{n}：今天的天气很好。人们都出门了。" for n in range(2000)]


def test_each_source_has_its_share_and_the_rest_is_as_it_was():
    raw = experiment.with_marks(TEXTS, seed=3)
    assert raw == experiment.with_marks(TEXTS, seed=3)
    assert raw != experiment.with_marks(TEXTS, seed=4)
    changed = sum(a != b for a, b in zip(TEXTS, raw, strict=True))
    # 960 expected, with a standard deviation of 22.
    assert 850 < changed < 1070


@pytest.mark.parametrize("source", experiment.SOURCES)
def test_cleaning_leaves_the_text_and_next_to_nothing_of_a_source(source):
    draw = experiment.random.Random(1)
    for text in TEXTS[:50]:
        cleaned, counts = clean_web(source(text, draw))
        assert counts
        assert "天气很好" in cleaned
        assert not Counter(cleaned) & Counter("<>@#[]/")
        assert clean_web(cleaned) == (cleaned, {})


def test_topics_are_shown_by_coherence():
    topics = [experiment.TopicInfo(k, 0.1 * k, npmi, ["山", "nbsp"]) for k, npmi in enumerate((0.2, 0.9, 0.5))]
    one = experiment.Compared("raw", None, topics, {0: 1, 1: 2, 2: 0})
    assert experiment.topic_rows(one, 2) == [["10.0%", "0.90", "2", "山 nbsp"], ["20.0%", "0.50", "0", "山 nbsp"]]
