"""Several numbers of topics in one command: runs that are like any other, a table, a suggestion, and resuming."""

import csv
import dataclasses
import math

import numpy as np
import pytest

from conftest import SMALL, themed_lines
from etm_jax import vectors
from etm_jax.cli import flags as cli
from etm_jax.cli import search as searching
from etm_jax.metrics.exclusivity import exclusivity
from etm_jax.prepare import main as prepare_main
from etm_jax.results.k_search import Candidate, search_table, suggested
from etm_jax.results.run import read_run
from etm_jax.train import main
from etm_jax.util.digests import file_digests
from etm_jax.util.errors import UserError


def train(*argv: object) -> int:
    return cli.run(main, ["train", *map(str, argv)])


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """Models of two and of three topics, two seeds of each, and what was made only once."""
    folder = tmp_path_factory.mktemp("search 搜索")
    (folder / "lines.txt").write_text("\n".join(themed_lines()) + "\n", encoding="utf-8")
    flags = [
        f"--corpus={folder / 'lines.txt'}",
        *SMALL,
        "--n_topic=2,3",
        "--num_seeds=2",
        f"--workdir={folder / 'all'}",
    ]
    made = []
    with pytest.MonkeyPatch.context() as patch:
        load = vectors._load

        class Counted:
            def __init__(self, source):
                self.check = source.check
                self.make = lambda *given: made.append(1) or source.make(*given)

        patch.setattr(vectors, "_load", lambda config: Counted(load(config)))
        assert train(*flags) == 0
    return folder / "all", flags, made


def rows_of(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_each_model_is_a_run_on_one_preparation(searched):
    folder, _, made = searched
    assert len(made) == 1
    assert sorted(path.name for path in folder.iterdir() if not path.name.startswith("search")) == [
        "K2",
        "K3",
        "corpus",
    ]
    assert len([path for path in (folder / "corpus").iterdir() if path.is_dir()]) == 1
    for k in (2, 3):
        assert not (folder / f"K{k}" / "corpus").exists()
        assert len(read_run(folder / f"K{k}").model.beta) == k


def test_the_table_has_the_runs_own_figures(searched):
    folder, *_ = searched
    rows = {int(row["n_topic"]): row for row in rows_of(folder / "search.csv")}
    assert [row["suggested"] for row in rows.values()].count("yes") == 1
    for k, row in rows.items():
        seeds = rows_of(folder / f"K{k}" / "export" / "seeds.csv")
        for name in ("coherence", "diversity", "perplexity"):
            assert float(row[name]) == pytest.approx(np.mean([float(seed[name]) for seed in seeds]), abs=2e-6)
        # Two seeds are one pair: its agreement is the overlap of the one that is not the best.
        assert float(row["stability"]) == pytest.approx(min(float(seed["overlap"]) for seed in seeds), abs=1e-6)
        assert float(row["quality"]) == pytest.approx(float(row["coherence"]) * float(row["diversity"]), abs=2e-6)
        assert row["folder"] == f"K{k}"
    if (folder / "search.png").exists():
        assert (folder / "search.png").read_bytes().startswith(b"\x89PNG")


def test_a_search_goes_on_where_it_was_stopped(searched, tmp_path, monkeypatch, capsys):
    """Killed after the first model, and then given again."""
    _, flags, _ = searched
    flags = [*(flag for flag in flags if not flag.startswith("--workdir")), f"--workdir={tmp_path / 'all'}"]
    flags += ["--num_epochs=1", "--num_seeds=1"]
    fit, fitted = searching.fit, []

    def stopped(*given):
        if fitted:
            raise KeyboardInterrupt
        fitted.append(1)
        return fit(*given)

    monkeypatch.setattr(searching, "fit", stopped)
    assert train(*flags) == 130
    monkeypatch.setattr(searching, "fit", lambda *given: fitted.append(2) or fit(*given))
    first = file_digests(tmp_path / "all" / "K2")
    assert train(*flags) == 0
    assert fitted == [1, 2]
    assert file_digests(tmp_path / "all" / "K2") == first
    said = capsys.readouterr()
    assert "K2 is done" in said.err
    assert "stability" not in said.out
    # Figures that are not of this export are measured again.
    (tmp_path / "all" / "search.json").write_text("{}")
    assert train(*flags) == 0
    assert fitted == [1, 2, 2, 2]


def test_what_is_there_is_left_alone(searched, tmp_path, capsys):
    folder, flags, _ = searched
    before = file_digests(folder / "K2")
    assert train(*flags, f"--workdir={folder / 'K2'}") == 2
    assert "holds a run" in capsys.readouterr().err
    (tmp_path / "thesis.txt").write_text("mine")
    assert train(*flags, f"--workdir={tmp_path}") == 2
    assert "holds files but no search, such as thesis.txt" in capsys.readouterr().err
    assert train(*flags, "--seed=7") == 2
    assert "--seed=7" in capsys.readouterr().err
    assert file_digests(folder / "K2") == before


def test_a_folder_of_a_search_names_a_run_in_it(searched):
    folder, _, _ = searched
    with pytest.raises(UserError, match=r"holds no run; give one of the \d in it, such as .*K2"):
        read_run(folder)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--n_topic=2,1"], "--n_topic=1 is out of range"),
        (["--n_topic=2,x"], "--n_topic='x' must be a whole number"),
        (["--n_topic=2,2"], "--n_topic=2,2 has a value twice"),
        (["--n_topic=2,3", "--ckpt=model"], "--ckpt=model has one number of topics"),
    ],
)
def test_mistakes_get_one_line(lines_file, tmp_path, capsys, flags, message):
    assert train(f"--corpus={lines_file}", f"--workdir={tmp_path / 'run'}", *flags) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "run").exists()


def test_other_commands_take_one_number(lines_file, capsys):
    assert cli.run(prepare_main, ["prepare", f"--corpus={lines_file}", "--n_topic=2,3"]) == 2
    assert "is for etm_jax.train" in capsys.readouterr().err


ONE = Candidate(10, 0.2, 0.9, 0.18, 0.02, 900.0, 10, 0.7, 0.8)


def candidates(*rows):
    return [dataclasses.replace(ONE, n_topic=k, quality=quality, perplexity=ppl) for k, quality, ppl in rows]


def test_the_rule_takes_the_best_predictor_among_equally_good_topics():
    assert suggested(candidates((10, 0.18, 900), (20, 0.165, 800), (50, 0.1, 600))).n_topic == 20
    assert suggested(candidates((10, 0.18, math.nan), (20, 0.19, math.nan))).n_topic == 10
    assert suggested(candidates((10, 0.1, 500), (20, 0.18, 900))).n_topic == 20


def test_figures_that_nothing_has_are_no_column():
    rows = [dataclasses.replace(ONE, n_topic=k, stability=math.nan) for k in (10, 20)]
    table = search_table(rows)
    assert "stability" not in table
    assert "* 10" in table
    assert Candidate.from_json(ONE.to_json()) == ONE
    assert math.isnan(Candidate.from_json(rows[0].to_json()).stability)


def test_exclusivity_is_the_share_of_a_word_that_a_topic_has():
    beta = np.array([[0.5, 0.5, 0.0], [0.0, 0.25, 0.75]])
    words = np.array([[0, 1], [2, 1]])
    assert exclusivity(beta, words).tolist() == pytest.approx([(1 + 2 / 3) / 2, (1 + 1 / 3) / 2])
    assert exclusivity(beta[[0, 0]], words[[0, 0]]).tolist() == [0.5, 0.5]
