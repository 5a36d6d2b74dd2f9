"""Topics that move, on the page, in figures and tables: against the run's own export; and runs whose topics do not."""

import csv
import json
import re

import numpy as np
import pytest

from conftest import SMALL, themed_lines
from etm_jax.cli import flags as cli
from etm_jax.report.__main__ import main as report_main
from etm_jax.report.page import moving
from etm_jax.report.plots_time import apart
from etm_jax.results.over_time import over_time, paths
from etm_jax.results.run import read_run
from etm_jax.train import main as train_main


def data_of(path) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
    return json.loads(found[1])


def read(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run over five years, of the fourth of which no document is; one document has no year."""
    folder = tmp_path_factory.mktemp("run")
    years = ["2001", "2002", "2003", "2005"]
    with (folder / "news.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [[line, years[i // 30] if i else ""] for i, line in enumerate(themed_lines())]
        csv.writer(file).writerows([["text", "year"], *rows])
    given = [f"--corpus={folder / 'news.csv'}", *SMALL, "--model=detm", "--meta_fields=year", "--time_field=year"]
    assert cli.run(train_main, ["train", *given, f"--workdir={folder / 'run'}"]) == 0
    asked = ["report", f"--workdir={folder / 'run'}", "--tables", "--page_lang=en"]
    assert cli.run(report_main, asked) == 0
    return folder / "run"


def test_the_page_has_the_words_and_shares_of_the_export(run):
    data = data_of(run / "report.html")
    shown, words, exported = data["moving"], data["words"]["text"], read(run / "export" / "topics_time.csv")
    assert shown["periods"] == ["2001", "2002", "2003", "2004", "2005"]
    assert (shown["of"], shown["documents"][3]) == (5, 0)
    assert sum(shown["documents"]) == 119
    assert "paths" not in shown
    beta = np.load(run / "export" / "beta_time.npy")
    for row in exported:
        topic, period = int(row["topic"]), shown["periods"].index(row["period"])
        of_topic = shown["topics"][topic]
        assert [words[of_topic["words"][i]] for i in of_topic["at"][period]] == row["words"].split()
        np.testing.assert_allclose(of_topic["p"][period], -np.sort(-beta[period, topic])[:10] * 1e5, atol=0.51)
        for name, column in (("share", "share"), ("low", "share_low"), ("high", "share_high")):
            if row[column]:
                assert of_topic[name][period] == pytest.approx(float(row[column]), abs=6e-6)
            else:
                assert of_topic[name][period] is None
    for row in read(run / "export" / "words_time.csv"):
        of_topic = shown["topics"][int(row["topic"])]
        assert row["word"] in [words[j] for j, *_ in of_topic[row["direction"]]]


def test_the_periods_of_the_model_are_those_of_time(run):
    """Without a field of dates, the page's section and the table by period take the model's own."""
    time = data_of(run / "report.html")["time"]
    assert (time["unit"], time["bins"]) == ("period", ["2001", "2002", "2003", "2005"])
    assert time["documents"] == [29, 30, 30, 30]
    rows = read(run / "tables" / "topics_by_period.csv")
    assert [row["period"] for row in rows[:4]] == time["bins"]
    assert rows[0]["documents"] == "29"


def test_a_table_has_the_first_middle_and_last_period(run):
    rows, exported = read(run / "tables" / "topics_over_time.csv"), read(run / "export" / "topics_time.csv")
    assert list(rows[0]) == ["topic", "name", "2001", "2003", "2005"]
    words = {(row["topic"], row["period"]): row["words"] for row in exported}
    assert all(row[year] == words[row["topic"], year] for row in rows for year in ("2001", "2003", "2005"))
    for suffix in (".tex", ".md"):
        assert (run / "tables" / f"topics_over_time{suffix}").is_file()


def test_of_many_periods_so_many_are_shown(run, monkeypatch):
    """From the first to the last."""
    found = read_run(run)
    monkeypatch.setattr(moving, "MOST_PERIODS", 3)
    moved = over_time(found.record, found.model, found.corpus)
    place = {j: j for j in range(len(found.corpus.vocabulary))}
    shown = moving.moving_of(moved, np.array([0.5, 0.3, 0.2]), found.model.own, place)
    assert (shown["periods"], shown["of"]) == (["2001", "2003", "2005"], 5)
    assert [len(shown["topics"][0][name]) for name in ("at", "p", "share")] == [3, 3, 3]
    assert set(moving.columns_of(moved).tolist()) >= {j for topic in shown["topics"] for j in topic["words"]}


def test_paths_are_the_rows_of_beta(run):
    beta, own = np.load(run / "export" / "beta_time.npy"), read_run(run).model.own
    found = paths(own, {2: [4, 1], 0: [3]})
    np.testing.assert_allclose(found[2], beta[:, 2, [4, 1]], rtol=1e-5)
    np.testing.assert_allclose(found[0], beta[:, 0, [3]], rtol=1e-5)


def test_figures_show_words_and_shares(run, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra: figures)")
    asked = ["report", f"--workdir={run}", f"--output={tmp_path / 'page.html'}", "--figures"]
    assert cli.run(report_main, asked) == 0
    for name in ("moving_words", "moving_shares"):
        assert (tmp_path / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / "figures" / f"{name}.svg").read_text("utf-8").rstrip().endswith("</svg>")


def test_names_beside_lines_stand_apart_and_in_order():
    assert apart([0.5, 0.0, 0.01], 0.1, 1.0) == pytest.approx([0.5, 0.0, 0.1])
    # What would stand above the top is moved down, with what is below it.
    assert apart([1.0, 0.99, 0.98], 0.1, 1.0) == pytest.approx([1.0, 0.9, 0.8])
