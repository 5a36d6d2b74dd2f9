"""What a fitted model says of its documents: groups, periods, figures, the page."""

import datetime
from pathlib import Path

import numpy as np
import pytest

from conftest import themed_lines
from etm_jax import ETM
from etm_jax.api import figures
from etm_jax.api.figures import language_of, shares_figure
from etm_jax.api.groups import periods_of, topics_of_groups
from etm_jax.api.topic_results import TopicInfo
from etm_jax.edit import main as edit_main
from etm_jax.evaluate import main as evaluate_main
from etm_jax.report import plots
from etm_jax.report.__main__ import main as report_main
from etm_jax.report.page.strings import Strings
from etm_jax.util.errors import UserError

LINES = themed_lines(60)


def test_means_shares_and_intervals_of_groups() -> None:
    theta = np.array([[0.2, 0.8], [0.4, 0.6], [1.0, 0.0], [0.5, 0.5]])
    rows = topics_of_groups(theta, np.array([1, 3, 10, 7]), ["b", "b", "a", None], ["one", "two"])
    assert [(row.topic, row.name, row.group, row.documents, row.words) for row in rows] == [
        (0, "one", "a", 1, 10), (0, "one", "b", 2, 4), (1, "two", "a", 1, 10), (1, "two", "b", 2, 4),
    ]  # fmt: skip
    of_b = rows[1]
    assert of_b.mean_theta == pytest.approx(0.3)
    assert of_b.share == pytest.approx((0.2 * 1 + 0.4 * 3) / 4)
    assert of_b.mean_theta_high - of_b.mean_theta == pytest.approx(1.959964 * np.std([0.2, 0.4], ddof=1) / np.sqrt(2))
    assert np.isnan([rows[0].mean_theta_low, rows[0].share_high]).all()
    wide = topics_of_groups(np.array([[0.0], [0.1], [1.0]]), np.ones(3), [1, 1, 1], ["one"])[0]
    high = pytest.approx(1.1 / 3 + 1.959964 * np.std([0, 0.1, 1], ddof=1) / np.sqrt(3))
    assert (wide.mean_theta_low, wide.mean_theta_high) == (0, high)
    with pytest.raises(UserError, match="3 groups for 4 documents"):
        topics_of_groups(theta, np.ones(4), ["a", "b", "c"], ["one", "two"])


def test_periods_of_dates_of_every_library() -> None:
    pandas = pytest.importorskip("pandas")
    stamp = pandas.Timestamp("2024-05-31 12:00")
    dates = ["2024-05-31", datetime.date(2024, 5, 31), np.datetime64("2024-05-31T10:00"), stamp, None, pandas.NaT, ""]
    assert periods_of(dates, "month") == ["2024-05"] * 4 + [None] * 3
    assert [periods_of(dates[:1], by) for by in ("day", "week", "quarter", "year")] == [
        ["2024-05-31"], ["2024-W22"], ["2024-Q2"], ["2024"],
    ]  # fmt: skip
    with pytest.raises(UserError, match="date 1 is 'soon', which is no date"):
        periods_of(["2024", "soon"], "year")
    with pytest.raises(UserError, match="by='hour' is not one of day"):
        periods_of(dates, "hour")


def test_the_fitted_documents_by_group_and_time(fitted_etm: ETM) -> None:
    np.testing.assert_array_equal(fitted_etm.theta_, fitted_etm.transform(LINES))
    rows = fitted_etm.topics_by([i % 3 for i in range(60)])
    assert [row.mean_theta for row in rows[::3]] == pytest.approx(
        fitted_etm.theta_[::3].mean(axis=0).tolist(), abs=1e-6
    )
    over_time = fitted_etm.topics_over_time(["2024-01-02"] * 30 + ["2024-02-02"] * 30)
    assert {(row.group, row.documents) for row in over_time} == {("2024-01", 30), ("2024-02", 30)}
    with pytest.raises(ValueError, match="2 groups for 60 documents"):
        fitted_etm.topics_by(["a", "b"])


def test_its_figures_page_and_table(fitted_etm: ETM, tmp_path: Path) -> None:
    evaluation = fitted_etm.evaluate()
    assert evaluation.num_topics == 3
    assert "diversity" in evaluation.to_table()
    place = fitted_etm.report(tmp_path / "page.html")
    text = place.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert fitted_etm.vocab_[0] in text
    with pytest.raises(ValueError, match="is a folder; give a file"):
        fitted_etm.report(tmp_path)
    html = fitted_etm._repr_html_()
    assert all(row.words[0] in html for row in fitted_etm.topic_info())
    assert fitted_etm._repr_mimebundle_()["text/html"] == html
    assert "ETM(" in ETM()._repr_html_()
    named = fitted_etm.edit_topics(names={1: "<sea>"})._repr_html_()
    assert named.count("&lt;sea&gt;") == 1
    assert named.replace("<td style='text-align:left'></td>", "").count("<td") == 3 * 4 + 1


def test_a_plot_is_a_figure_that_can_be_saved(fitted_etm: ETM, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figure = fitted_etm.plot_topics(3)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == [f"{row.topic}: {' '.join(row.words[:3])}" for row in fitted_etm.topic_info()]
    figure.savefig(tmp_path / "topics.svg")


def test_topics_over_time_are_a_figure_with_gaps_where_no_document_is(fitted_etm: ETM) -> None:
    pytest.importorskip("matplotlib")
    dates = ["2024-01-02"] * 20 + ["2024-02-01"] * 20 + ["2024-06-01"] * 19 + [None]
    figure = fitted_etm.plot_over_time(dates)
    panels = [axis for axis in figure.axes if axis.get_visible()]
    assert len(panels) == 3
    rows = fitted_etm.topics_over_time(dates)
    change = [float(np.ptp([row.mean_theta for row in rows if row.topic == k])) for k in range(3)]
    shown = [int(axis.get_title("left").partition(":")[0]) for axis in panels]
    assert shown == sorted(range(3), key=lambda k: -change[k])
    days, means = panels[0].lines[0].get_data()
    assert np.diff(days).tolist() == [30, 121]
    assert list(means) == [row.mean_theta for row in rows if row.topic == shown[0]]
    assert [label.get_text() for label in panels[0].get_xticklabels()] == ["2024-01", "2024-06"]
    assert figure._supxlabel.get_text() == Strings("zh")("figure.mean")
    with pytest.raises(ValueError, match="no document has a date"):
        fitted_etm.plot_over_time([None] * 60)


def test_without_a_font_for_chinese_a_plot_says_so_once(fitted_etm: ETM, tmp_path: Path, monkeypatch, capsys) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(plots, "cjk_family", lambda: None)
    monkeypatch.setattr(figures, "cjk_family", lambda: None)
    rows = [TopicInfo(0, 1.0, 0.1, ["海洋", "渔船", "渔民"])]
    shares_figure(rows, 3).savefig(tmp_path / "topics.png")
    assert capsys.readouterr().err.count("no font for Chinese is installed") == 1


def test_labels_are_in_the_language_of_the_words() -> None:
    assert [language_of(words) for words in (["海洋", "ai", "船"], ["sea", "海"], [])] == ["zh", "en", "en"]


def test_a_loaded_model_says_that_it_has_no_documents(fitted_etm: ETM, tmp_path: Path) -> None:
    fitted_etm.save(tmp_path / "model")
    loaded = ETM.load(tmp_path / "model")
    assert not hasattr(loaded, "theta_")
    for call in (loaded.evaluate, lambda: loaded.topics_by([]), lambda: loaded.report(tmp_path / "page.html")):
        with pytest.raises(ValueError, match="was loaded has no documents"):
            call()
    assert not (tmp_path / "page.html").exists()


def test_a_model_whose_topics_were_edited_is_reported_on_after_it_was_saved(fitted_etm: ETM, tmp_path: Path) -> None:
    merged = fitted_etm.merge_topics([0, 1]).name_topics(lambda topic: f"<{topic.words[0]}>")
    assert [row.name for row in sorted(merged.topic_info())] == [f"<{words[0]}>" for words in merged.topics(1)]
    merged.save(tmp_path / "model", documents=True)
    report_main(["report", f"--workdir={tmp_path / 'model'}", f"--output={tmp_path / 'page' / 'model.html'}"])
    ours = merged.report(tmp_path / "model.html").read_text("utf-8")
    assert (tmp_path / "page" / "model.html").read_text("utf-8") == ours
    with pytest.raises(UserError, match=r"a model of Python, which is edited there: model\.merge_topics"):
        edit_main(["edit", f"--workdir={tmp_path / 'model'}", f"--output={tmp_path / 'edited'}", "--drop=0"])


def test_periods_of_pandas_and_numbers_are_dates(fitted_etm: ETM) -> None:
    months = [f"2024-0{1 + i % 3}" for i in range(len(fitted_etm.theta_))]
    pandas = pytest.importorskip("pandas")
    expected = fitted_etm.topics_over_time([f"{month}-15" for month in months])
    assert fitted_etm.topics_over_time(pandas.PeriodIndex(months, freq="M")) == expected
    assert fitted_etm.topics_over_time([int(month.replace("-", "") + "02") for month in months]) == expected
    with pytest.raises(ValueError, match="there are 1 dates for 60 documents"):
        fitted_etm.topics_over_time(["2024"])
    with pytest.raises(ValueError, match=r"date 0 is 2\.5, which is no date"):
        fitted_etm.topics_over_time([2.5] * 60)


@pytest.mark.parametrize("main", [report_main, evaluate_main])
def test_commands_on_documents_refuse_a_saved_model_and_name_the_way_out(main, fitted_etm: ETM, tmp_path: Path) -> None:
    fitted_etm.save(tmp_path / "model")
    before = sorted((tmp_path / "model").iterdir())
    told = r"holds a model that Python saved without .* model\.report\('page\.html'\)"
    with pytest.raises(UserError, match=told) as error:
        main(["command", f"--workdir={tmp_path / 'model'}"])
    assert "\n" not in str(error.value)
    assert sorted((tmp_path / "model").iterdir()) == before


def test_a_model_saved_with_its_documents_is_reported_on_as_a_run(fitted_etm: ETM, tmp_path: Path, capsys) -> None:
    place = tmp_path / "model"
    fitted_etm.save(place, documents=True)
    evaluate_main(["evaluate", f"--workdir={place}"])
    assert fitted_etm.evaluate().to_table() in capsys.readouterr().out
    report_main(["report", f"--workdir={place}", f"--output={tmp_path / 'page' / 'model.html'}"])
    capsys.readouterr()
    ours = fitted_etm.report(tmp_path / "model.html").read_text("utf-8")
    assert (tmp_path / "page" / "model.html").read_text("utf-8") == ours
    loaded = ETM.load(place)
    assert loaded.topic_info() == fitted_etm.topic_info()
    with pytest.raises(ValueError, match="was loaded has no documents"):
        loaded.save(tmp_path / "other", documents=True)
    # Saved again without them, they are gone, and what others wrote stays.
    loaded.save(place)
    assert {path.name for path in place.iterdir()} == {
        "SHA256SUMS", "model.json", "weights.npz", "vocabulary.json", "metrics.json"
    }  # fmt: skip


def test_damaged_documents_of_a_saved_model_are_refused(fitted_etm: ETM, tmp_path: Path) -> None:
    fitted_etm.save(tmp_path / "model", documents=True)
    (tmp_path / "model" / "documents" / "corpus" / "train.npz").write_bytes(b"")
    with pytest.raises(UserError, match=r"documents/corpus is damaged \(train\.npz has changed\)"):
        evaluate_main(["evaluate", f"--workdir={tmp_path / 'model'}"])
