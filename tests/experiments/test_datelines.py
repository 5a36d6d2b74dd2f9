"""The days of undated paragraphs, from the datelines of some."""

import datetime
import itertools

import pytest

from etm_jax.corpus.types import Document
from experiments.datelines import FIRST, dateline, printed


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("新华社北京１月１４日电（记者甲）今天", datetime.date(1998, 1, 14)),
        ("本报北京12月31日讯 新年将至", datetime.date(1997, 12, 31)),
        ("会议将于1月14日召开", None),
        ("甲" * 40 + "1月14日电", None),
        ("新华社北京1月34日电", None),
    ],
)
def test_a_dateline_is_a_day_before_the_word_for_a_dispatch(text: str, date: datetime.date | None) -> None:
    assert dateline(text) == date


def test_days_never_fall_and_a_slip_moves_none() -> None:
    texts = [f"新华社北京1月{day}日电" if i % 4 == 0 else "无" for day in range(1, 11) for i in range(40)]
    texts[44] = "新华社北京1月28日电"
    found = list(printed(Document(str(i), text) for i, text in enumerate(texts)).values())
    assert all(a <= b for a, b in itertools.pairwise(found))
    apart = [abs((date - FIRST).days - (1 + i // 40)) for i, date in enumerate(found)]
    assert max(apart) <= 1
