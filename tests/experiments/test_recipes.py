"""The search for a recipe: what it compares settings on, and its rows."""

import csv

import numpy as np
import pytest
import scipy.sparse as sp
from test_experiments import original_format

from etm_jax.cli import flags as cli
from etm_jax.util.errors import UserError
from experiments.recipes import search
from experiments.recipes.search import halves, settings_of, whole_clusters


def test_halves_share_out_every_word_of_documents_with_two_words_or_more():
    counts = sp.csr_matrix(np.random.default_rng(1).poisson(2.0, (300, 20)).astype(np.int32))
    first, second = halves(counts)
    rows = [i for i in range(300) if counts[i].sum() > 1]
    # Only documents all of whose words fell into one half are missing.
    assert len(rows) - 5 <= first.shape[0] == second.shape[0] <= len(rows)
    assert (np.diff(first.indptr) > 0).all()
    assert (np.diff(second.indptr) > 0).all()
    whole = {row.tobytes() for row in counts.toarray()}
    assert all(row.tobytes() in whole for row in (first + second).toarray().astype(np.int32))
    assert first.sum() / (first + second).sum() == pytest.approx(0.5, abs=0.02)


def test_whole_clusters_leave_nothing_like_them():
    """Thirty groups of twelve documents that share no words: of a group, all are taken or none, but for a few."""
    rng, groups, size = np.random.default_rng(2), 30, 12
    counts = np.zeros((groups * size, groups * 8), np.int32)
    for row in range(len(counts)):
        group = row % groups
        counts[row, group * 8 : group * 8 + 8] = rng.poisson(3.0, 8) + 1
    taken = whole_clusters(sp.csr_matrix(counts), 60)
    shares = np.bincount(taken % groups, minlength=groups) / size
    assert 60 <= len(np.unique(taken)) == len(taken) < 120
    assert np.isin(shares, [0, 1]).mean() > 0.8


def test_settings_are_read_with_their_types():
    assert settings_of("rarity=0.5,num_epochs=3,hidden=64+32,skip=false,vectors=ppmi") == {
        "rarity": 0.5,
        "num_epochs": 3,
        "hidden": (64, 32),
        "skip": False,
        "vectors": "ppmi",
    }
    assert settings_of("as-is") == {}
    with pytest.raises(UserError, match="'rarity' must be settings such as"):
        settings_of("rarity")


def test_a_row_a_setting_is_printed_and_kept(tmp_path, capsys):
    folder, out = original_format(tmp_path / "ng"), tmp_path / "runs" / "rows.csv"
    settings = ["num_topics=3,num_epochs=2,embed_dim=4", "num_topics=3,num_epochs=1,embed_dim=4"]
    argv = ["search", "--corpora=20ng_apart", f"--ng20={folder}", f"--out={out}", *settings]
    assert cli.run(search.main, argv) == 0
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["settings"] for row in rows] == settings
    assert all(float(row["ppl_tok"]) > 1 and -1 <= float(row["TC_valid"]) <= 1 for row in rows)
    assert rows[0]["ppl_tok"] in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--corpora=x", "as-is"], "--corpora=x: 'x' is none of pd02, pd10, 20ng, 20ng_apart"),
        (["--corpora=20ng", "as-is"], "--corpora=20ng needs --ng20=FOLDER"),
        (["--corpora=pd02,20ng_apart", "as-is"], "--corpora=20ng_apart needs --ng20=FOLDER"),
        (["rarity=-1.0"], "--rarity=-1.0 is out of range"),
    ],
)
def test_a_mistake_is_told_before_anything_is_fitted(argv, message, capsys):
    assert cli.run(search.main, ["search", *argv]) == 2
    assert message in capsys.readouterr().err
