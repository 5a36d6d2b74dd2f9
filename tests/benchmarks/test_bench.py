"""The bench itself: sides that run in turn, each in its own process, and a table that says what it found. No times."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import before, gpu
from benchmarks import run as bench
from benchmarks.coherence import same_values
from benchmarks.compare import Measured, Row, Side, measure, ratios
from benchmarks.quality import as_good
from benchmarks.training import DISTINCT_WORDS, drawn_counts
from etm_jax.cli import flags as cli
from etm_jax.util.errors import UserError

HERE = Path(__file__)


def writes(name: str, file: str) -> Any:
    """A side: each call adds a line, its name and its process, to the file."""

    def timed() -> dict[str, int]:
        with Path(file).open("a") as out:
            print(name, os.getpid(), file=out)
        print("what a side prints is no answer")
        return {"pid": os.getpid()}

    return timed


def given_seconds(seconds: float) -> Any:
    return lambda: {"seconds": seconds}


def holds(mebibytes: int) -> Any:
    held = np.ones(mebibytes * 2**17)
    return lambda: {"sum": float(held.sum())}


def lacks_a_package() -> Any:
    import no_such_package  # noqa: F401

    return None


def breaks() -> Any:
    sys.exit(3)


def where() -> Any:
    return lambda: {"jax": os.environ.get("JAX_PLATFORMS"), "cuda": os.environ.get("CUDA_VISIBLE_DEVICES")}


def side(name: str, function: str, /, **settings: Any) -> Side:
    return Side(name, f"test_bench:{function}", settings)


@pytest.fixture(autouse=True)
def sides_can_be_imported(monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE.parent), str(HERE.parents[2])]))


def row(*sides: Side, **more: Any) -> Row:
    return Row("0 test", "a row", "call", sides[0], sides[1:], **more)


def test_sides_run_in_turn_each_in_one_process(tmp_path: Path) -> None:
    file = tmp_path / "calls"
    sides = (side(name, "writes", name=name, file=str(file)) for name in "ABC")
    measured = measure(row(*sides, repetitions=3), tmp_path / "log")
    calls = [line.split() for line in file.read_text().splitlines()]
    assert [name for name, _ in calls] == list("ABC") * 3
    assert len({pid for _, pid in calls}) == 3
    assert [len(found.seconds) for found in measured] == [3, 3, 3]
    assert (tmp_path / "log").read_text().count("no answer") == 9


def test_memory_is_each_sides_own(tmp_path: Path) -> None:
    small, large = measure(row(side("a", "holds", mebibytes=1), side("b", "holds", mebibytes=300)), tmp_path / "log")
    # What importing numpy takes for a moment is part of both peaks; only the small side's could exceed what it holds.
    assert 200 <= large.peak_mib - small.peak_mib <= 310


def test_every_side_runs_where_it_is_told(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    on_gpu = side("b", "where")._replace(device="gpu")
    cpu, other = measure(row(side("a", "where"), on_gpu, repetitions=1), tmp_path / "log")
    assert {name: cpu.figures[0][name] for name in ("jax", "cuda")} == {"jax": "cpu", "cuda": ""}
    assert {name: other.figures[0][name] for name in ("jax", "cuda")} == {"jax": "cuda", "cuda": None}


def test_without_a_gpu_its_row_says_so(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    (only,) = gpu.rows()
    assert bench.lines_of(only, measure(only, tmp_path / "log"))[0][3].startswith("not run: no GPU at hand")
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    rows = gpu.rows()
    assert [row.key for row in rows] == [f"9 {key}" for key in gpu.REPEATED]
    assert {side.device for row in rows for side in (row.ours, *row.others)} == {"gpu"}


def test_a_ratio_is_theirs_over_ours_and_the_median_is_shown() -> None:
    ours, other = Measured("ours", [1.0, 2.0, 4.0], [], 100.0), Measured("b", [10.0, 2.0, 12.0], [], 400.0)
    assert ratios(ours, other) == [10, 1, 3]
    lines = bench.lines_of(row(side("a", ""), side("b", ""), least=(2.0,), aim=(4.0,), memory=(0.5,)), [ours, other])
    assert lines[0] == ["0 test", "a row", "call", "2 s", "", "", "", "", "100"]
    assert lines[1][1:] == ["b", "", "10 s", "3×", "1 to 10", "2×: yes", "4×: no", "400; ours 0.25 of it, ≤ 0.5: yes"]


def test_what_is_missing_is_said_in_its_row(tmp_path: Path) -> None:
    measured = measure(row(side("a", "given_seconds", seconds=2.0), side("b", "lacks_a_package")), tmp_path / "log")
    assert measured[0].seconds == [2.0] * 5
    assert "no_such_package" in measured[1].not_run
    lines = bench.lines_of(row(side("a", ""), side("b", "")), measured)
    assert lines[1][3].startswith("not run: No module named")


def test_a_side_that_breaks_ends_the_bench(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"b ended with status 3; .*log has its words"):
        measure(row(side("a", "given_seconds", seconds=1.0), side("b", "breaks")), tmp_path / "log")


def test_a_row_that_is_not_there_is_refused(capsys) -> None:
    assert cli.run(bench.main, ["run", "--only=77"]) == 2
    assert "1 step" in capsys.readouterr().err


def test_a_run_prints_the_table_and_keeps_every_repetition(tmp_path: Path, monkeypatch, capsys) -> None:
    rows = [row(side("ours", "given_seconds", seconds=1.0), side("other", "given_seconds", seconds=7.0))]
    monkeypatch.setattr(bench, "all_rows", lambda *_: rows)
    monkeypatch.chdir(tmp_path)
    assert cli.run(bench.main, ["run", "--only=0", f"--out={tmp_path / 'results'}"]) == 0
    assert "7×" in capsys.readouterr().out
    (kept,) = (tmp_path / "results").iterdir()
    found = json.loads(kept.read_text("utf-8"))
    assert [side["seconds"] for side in found["rows"]["0 test"]] == [[1.0] * 5, [7.0] * 5]
    (row_kept,) = found["rows"]
    assert row_kept == "0 test"


def test_the_commit_that_ours_is_compared_with_is_the_one_asked_for(tmp_path: Path, monkeypatch) -> None:
    rows = [row for row in bench.all_rows("", "HEAD") if any("ours at" in side.name for side in row.others)]
    assert {side.settings["commit"] for row in rows for side in row.others} == {"HEAD"}
    assert [row.key for row in rows if row.ours.settings.get("kept")] == ["10 warm"]
    if subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE.parent, capture_output=True).returncode:
        pytest.skip("not a clone of the repository")
    monkeypatch.chdir(HERE.parents[2])
    monkeypatch.setattr(before, "KEPT", tmp_path)
    assert "--n_topic" in before.call("HEAD", "etm_jax.train", "--help")
    (build,) = tmp_path.glob("build-*")
    assert (build / "experiments" / "peoples_daily.flags").is_file()
    with pytest.raises(UserError, match="--base=nothing is no commit"):
        before.package_at("nothing")


def test_rows_measured_before_on_that_day_are_kept_and_the_page_waits_for_all(tmp_path: Path, monkeypatch) -> None:
    def one(key: str, seconds: float) -> Row:
        sides = side("ours", "given_seconds", seconds=seconds), side("other", "given_seconds", seconds=7.0)
        return row(*sides)._replace(key=key)

    page = tmp_path / "docs" / "performance.md"
    monkeypatch.setattr(bench, "all_rows", lambda *_: [one("1 first", 1.0), one("2 second", 2.0)])
    monkeypatch.chdir(tmp_path)
    out = f"--out={tmp_path / 'results'}"
    assert cli.run(bench.main, ["run", "--only=2", out]) == 0
    assert not page.exists()
    assert cli.run(bench.main, ["run", "--only=1", out]) == 0
    text = page.read_text("utf-8")
    assert text.index("1 first") < text.index("2 second")
    assert "3.5×" in text


@pytest.mark.parametrize(
    ("seconds", "shown"), [(12.34, "12.3 s"), (0.05, "50 ms"), (3.21e-5, "32.1 µs"), (2e-9, "2 ns")]
)
def test_times_have_three_figures(seconds: float, shown: str) -> None:
    assert bench.time_of(seconds) == shown


def test_drawn_documents_have_a_hundred_different_words_by_zipf() -> None:
    counts = drawn_counts(5_000, 400)
    np.testing.assert_array_equal(np.diff(counts.indptr), DISTINCT_WORDS)
    assert counts.has_canonical_format
    assert counts.data.min() == 1
    documents = np.bincount(counts.indices, minlength=5_000)
    # Of rare words, how often one is met goes with its weight: 1 / (r + 2.7).
    near, far = documents[500:1000].sum(), documents[2500:5000].sum()
    assert near / far == pytest.approx(np.log(1002.7 / 502.7) / np.log(5002.7 / 2502.7), rel=0.1)


def test_time_to_quality_is_the_first_epoch_as_good_as_lda() -> None:
    epochs = {"epochs": [(2.0, 0.1), (3.0, 0.2), (4.0, 0.3)]}
    ours, lda = (
        Measured("ours", [4.0, 4.0], [epochs, epochs], 1.0),
        Measured("lda", [9.0, 9.0], [{"quality": 0.2}, {"quality": 0.15}], 1.0),
    )
    assert as_good([ours, lda])[0].seconds == [3.0, 3.0]
    better = lda._replace(figures=[{"quality": 0.4}, {"quality": 0.2}])
    assert "not reached" in as_good([ours, better])[0].not_run


def test_sides_that_found_different_things_have_no_ratio() -> None:
    ours, other = (Measured(name, [1.0], [{"value": value}], 1.0) for name, value in (("ours", 0.5), ("gensim", 0.6)))
    assert same_values([ours, other], tolerance=0.2) == [ours, other]
    assert "the values differ by 0.1" in same_values([ours, other], tolerance=1e-9)[0].not_run


def test_growth_is_the_power_of_v() -> None:
    by_size = {
        size: [Measured("ours", [0.1 * size**0.25], [], 3.0), Measured("torch", [2.0 * size], [], size**0.5)]
        for size in (10, 1_000, 50_000)
    }
    ours, torch = bench.growth_lines(by_size)
    assert (ours[3], torch[3]) == ("0.25", "1.00")
    assert (float(ours[8]), float(torch[8])) == (0.0, 0.5)
    assert ours[6:8] == ["< 0.6: yes", "< 0.5: yes"]
