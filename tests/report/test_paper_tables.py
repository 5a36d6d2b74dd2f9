"""Tables of a run for a paper: their figures by hand, their escapes, and the files of a whole run."""

import csv
import re

import numpy as np
import pytest
import scipy.sparse as sp

from conftest import SMALL, themed_lines
from etm_jax.cli import flags as cli
from etm_jax.corpus.metadata import MetaColumn, Metadata, parse_date
from etm_jax.corpus.periods import fitting_periods
from etm_jax.corpus.types import Documents
from etm_jax.metrics.group_shares import Z95, grouped, shares_of
from etm_jax.metrics.relevance import relevant_words
from etm_jax.metrics.topic_tree import overlap, ward_links
from etm_jax.report.__main__ import main as report_main
from etm_jax.report.page.relations import tree_of
from etm_jax.report.tables.forms import markdown, markdown_text
from etm_jax.report.tables.latex import Table, latex, latex_text
from etm_jax.report.tables.write import excerpt, file_name, say_where_dates_are, topic_tree, topics_by
from etm_jax.train import main as train_main


def test_shares_weigh_by_words_and_intervals_narrow_with_documents():
    theta = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    found = shares_of(theta, np.array([0, 0, 1]), 3, np.array([3.0, 1.0, 7.0]))
    np.testing.assert_allclose(found.mean, [[0.75, 0.25], [0.5, 0.5], [np.nan, np.nan]])
    # Of one document, and of none, nothing is known about the next.
    assert np.isnan(found.low[1:]).all()
    assert np.isnan(found.high[1:]).all()

    rng = np.random.default_rng(0)
    many = rng.dirichlet(np.ones(3), 400)
    equal = shares_of(many, np.zeros(400, int), 1, np.ones(400))
    half = Z95 * many.std(axis=0, ddof=1) / np.sqrt(400)
    np.testing.assert_allclose(equal.high[0] - equal.mean[0], half)
    np.testing.assert_allclose(equal.mean[0] - equal.low[0], half)


def test_intervals_hold_the_share_as_often_as_they_say():
    rng = np.random.default_rng(1)
    theta, weight = rng.dirichlet([2.0, 3.0, 5.0], 60_000), rng.integers(5, 200, 60_000)
    found = shares_of(theta, np.repeat(np.arange(1000), 60), 1000, weight)
    held = (found.low <= [0.2, 0.3, 0.5]) & (found.high >= [0.2, 0.3, 0.5])
    assert (held.mean(axis=0) > 0.92).all()
    assert (held.mean(axis=0) < 0.97).all()


@pytest.mark.parametrize(
    ("values", "unit", "labels"),
    [
        (["2024Q3", "2024年第4季度", "2025Q1"], "quarter", ["2024-Q3", "2024-Q4", "2025-Q1"]),
        (["2024-W05", "2024-W40", "2025-W01"], "week", ["2024-W05", "2024-W40", "2025-W01"]),
        (["1990", "1991"], "year", ["1990", "1991"]),
        (["2024-05-31", "2024-06-01"], "day", ["2024-05-31", "2024-06-01"]),
        (["2024-05-31", "2024-09-02"], "month", ["2024-05", "2024-09"]),
        (["2001-05-31", "2024-09-02"], "year", ["2001", "2024"]),
    ],
)
def test_periods_are_what_the_dates_are(values, unit, labels):
    dates = [parse_date(value) for value in values]
    assert all(dates)
    assert fitting_periods(dates) == (unit, labels)


def test_groups_are_sorted_and_a_document_without_one_is_in_none():
    levels, place = grouped(["b", "", "a", "b"])
    assert levels == ["a", "b"]
    assert place.tolist() == [1, -1, 0, 1]
    counts = sp.csr_matrix(np.array([[1, 1], [9, 9], [0, 3], [2, 0]]))
    theta = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.0, 1.0]])
    long, wide = topics_by(theta, counts, levels, place, ["one", "two"], "source")
    rows = [dict(zip(long.header, row, strict=True)) for row in long.rows]
    of_b = next(row for row in rows if row["topic"] == 0 and row["source"] == "b")
    assert (of_b["documents"], of_b["words"], of_b["share"], of_b["mean_theta"]) == (2, 4, 0.5, 0.5)
    assert wide.header == ("topic", "name", "a\n(n = 1)", "b\n(n = 2)")
    assert wide.rows[0][2] == "50.0"


def test_relevance_prefers_words_of_the_topic_and_at_1_is_probability():
    beta = np.array([[0.5, 0.3, 0.1, 0.1], [0.5, 0.1, 0.3, 0.1]])
    frequency = np.array([50, 20, 20, 10])
    assert relevant_words(beta, frequency, 4, 1.0).tolist() == [[0, 1, 2, 3], [0, 2, 1, 3]]
    assert relevant_words(beta, frequency, 2, 0.0).tolist() == [[1, 0], [2, 0]]


def test_the_tree_says_what_the_page_draws():
    beta = np.array([[0.6, 0.4, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0.6, 0.4], [0, 0, 0.3, 0.7]])
    rows = topic_tree(beta).rows
    assert [row[0] for row in rows] == [4, 5, 6]
    assert {frozenset(row[1:3]) for row in rows} == {frozenset({0, 1}), frozenset({2, 3}), frozenset({4, 5})}
    assert [row[4] for row in rows] == [2, 2, 4]
    tops = sorted(max(heights) for _, heights in tree_of(ward_links(overlap(beta))).joints)
    assert [row[3] for row in rows] == pytest.approx(tops, abs=1e-6)
    assert topic_tree(beta[:1]).rows == []


def test_an_excerpt_stands_around_the_topics_words():
    assert excerpt(["one ", "two", "\nthree"]) == "one two three"
    parts = ["a far ", "bank", " " + "filler " * 60, "river", " and ", "bank", " of the " + "end " * 60]
    found = excerpt(parts)
    assert "river and bank" in found
    assert "far" not in found
    assert found.startswith("…filler")
    assert found.endswith("end…")
    chinese = excerpt(["无" * 300, "台湾", "与", "大陆", "无" * 300])
    assert "台湾与大陆" in chinese
    assert len(chinese) <= 162
    assert excerpt(["x" * 500]) == "x" * 160 + "…"


def test_text_in_latex_and_markdown_is_text():
    assert latex_text("50% of A&B_c \\input{x}\n$2^3$") == (
        r"50\% of A\&B\_c \textbackslash{}input\{x\} \$2\textasciicircum{}3\$"
    )
    assert "--" not in latex_text("a ---- b")
    assert markdown_text("a|b *c* <img> [x](y)\n# z") == r"a\|b \*c\* \<img\> \[x\](y) # z"
    table = Table(("word", "n"), [["[a]", -2.5], ["b|&", 3]])
    # A bracket after \\ would be taken for its argument.
    assert latex(table).splitlines()[4:7] == ["\\midrule", "{[}a{]} & $-2.5$ \\\\", "b\\textbar{}\\& & 3 \\\\"]
    assert latex(table).splitlines()[1] == r"\begin{tabular}{lr}"
    assert markdown(table).splitlines() == ["| word | n |", "| --- | --: |", r"| \[a\] | -2.5 |", r"| b\|\& | 3 |"]
    assert file_name("来源/a b") == "来源_a_b"
    assert file_name("Period", {"period", "period_"}) == "Period__"


def test_a_wide_table_is_set_in_parts_and_a_long_one_over_pages():
    months = [f"2024-{m:02d}\n(n = {m})" for m in range(1, 13)]
    wide = Table(("topic", "name", *months), [[k, "海洋 鱼", *["12.5 (10.0–15.0)"] * 12] for k in range(3)], stub=2)
    set_wide = latex(wide)
    parts = re.findall(r"\\begin\{tabular\}.*?\\end\{tabular\}", set_wide, re.DOTALL)
    assert len(parts) > 1
    assert [re.findall(r"2024-\d\d", part) for part in parts] == [
        [f"2024-{m:02d}" for m in months_of] for months_of in np.array_split(range(1, 13), len(parts))
    ]
    for part in parts:
        rows = [line for line in part.splitlines() if " & " in line]
        assert all(row.startswith(("topic & name & ", "0 & 海洋 鱼 & ", "1 & ", "2 & ")) for row in rows)
        assert len({row.count(" & ") for row in rows}) == 1
    assert r"\shortstack[r]{2024-01\\(n = 1)}" in set_wide
    assert "2024-01 (n = 1)" in markdown(wide)
    # Text is set in lines whose widths are together at most that of the page.
    quotes = latex(Table(("document", "title", "excerpt"), [[f"A{i}", "标题" * 20, "正文" * 60] for i in range(40)]))
    given = [float(width) for width in re.findall(r"p\{([.\d]+)\\linewidth\}", quotes)]
    assert len(given) == 2
    assert 0.7 < sum(given) < 0.95
    assert given[0] < given[1]
    assert quotes.count(r"\begin{longtable}") == quotes.count(r"\endhead") == 1
    assert latex(Table(("a", "b"), [["x", 1]])).count("tabular") == 2


def test_where_dates_are_that_no_table_has_is_told(capsys):
    fields = Metadata(
        (MetaColumn("when", "number"), MetaColumn("once", "category", ("2024",)), MetaColumn("n", "number"))
    )
    meta = {"when": ["20240315", "20240401", "7"], "once": ["2024", "2024", ""], "n": ["1", "2", "1500"]}
    say_where_dates_are(Documents(sp.csr_matrix((3, 1)), ["1", "2", "3"], [""] * 3, meta), fields)
    assert capsys.readouterr().err.splitlines() == [
        "--tables: no table by period: --date_field=when would read 2 of 3 values as dates",
        "--tables: no table by period: field 'once' has one date alone, 2024-01-01",
    ]


def test_a_run_gives_its_tables(tmp_path, capsys):
    with (tmp_path / "news.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "day", "source"])
        for i, line in enumerate(themed_lines()):
            writer.writerow([line, f"2024-0{1 + 2 * (i % 3)}-11", ("=daily", "weekly", "")[i % 3]])
    run = [f"--corpus={tmp_path / 'news.csv'}", *SMALL, "--meta_fields=day,source", f"--workdir={tmp_path / 'run'}"]
    assert cli.run(train_main, ["train", *run, "--model=lda", "--lda_iterations=2"]) == 0
    assert f"etm_jax.report --workdir={tmp_path / 'run'} shows" in capsys.readouterr().err
    assert cli.run(report_main, ["report", f"--workdir={tmp_path / 'run'}", "--tables"]) == 0
    names = ("branches", "quotes", "similar_topics", "topic_tree", "topics", "topics_by_period", "topics_by_source")
    files = {path.name for path in (tmp_path / "run" / "tables").iterdir()}
    assert {f"{name}{suffix}" for name in names for suffix in (".csv", ".tex", ".md")} <= files

    def read(name):
        with (tmp_path / "run" / "tables" / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))

    num_topics = len(read("topics"))
    by_source, by_period = read("topics_by_source"), read("topics_by_period")
    assert {row["source"] for row in by_source} == {"'=daily", "weekly"}
    assert [row["month"] for row in by_period[:3]] == ["2024-01", "2024-03", "2024-05"]
    for rows, field in ((by_source, "source"), (by_period, "month")):
        for level in {row[field] for row in rows}:
            some = [row for row in rows if row[field] == level]
            assert len(some) == num_topics
            assert some[0]["documents"] == "40"
            assert sum(float(row["share"]) for row in some) == pytest.approx(1, abs=1e-4)
            assert all(float(row["share_low"]) <= float(row["share"]) <= float(row["share_high"]) for row in some)
    branches = read("branches")
    assert sum(float(row["share"]) for row in branches) == pytest.approx(1, abs=1e-5)
    assert sorted(k for row in branches for k in row["topics"].split()) == list(map(str, range(num_topics)))
    quotes = read("quotes")
    assert len(quotes) == 3 * num_topics
    assert all(row["excerpt"].strip("…") in " ".join(themed_lines()) for row in quotes)
