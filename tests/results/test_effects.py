"""Effects of metadata: under known topics they are the truth, and what cannot be told is said."""

import csv
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import softmax

from conftest import SMALL, small_etm, themed_lines
from etm_jax import ETM
from etm_jax.cli import flags
from etm_jax.cli.run import run
from etm_jax.corpus.metadata import Metadata, ValueTally
from etm_jax.effects import main
from etm_jax.foundations.simulate import draw_counts
from etm_jax.models.document_posterior import blocks_of
from etm_jax.models.prior_regression import fit_prior_regression, theta_draws, theta_means
from etm_jax.models.topic_edit import TopicEdit
from etm_jax.results.effects import Effects, Measured, estimate_effects
from etm_jax.util.errors import UserError

TOPICS, VOCAB, DOCS = 3, 60, 240
MEANS = np.array([[0.0, 0, 0], [1.5, 0, -1]])


def drawn(meta: dict[str, list[str]] | None = None) -> tuple[Measured, np.ndarray]:
    """Documents of two groups, whose topics have few words in common, and their true θ."""
    rng = np.random.default_rng(5)
    beta = softmax(2.5 * rng.normal(size=(TOPICS, VOCAB)), axis=1)
    group = np.arange(DOCS) % 2
    theta = softmax(MEANS[group] + rng.normal(size=(DOCS, TOPICS)), axis=1)
    counts = draw_counts(rng, theta, beta, 30)
    fields = {"group": ["ab"[g] for g in group], "x": [str(i % 50) for i in range(DOCS)]} | (meta or {})
    metadata = Metadata(tuple(ValueTally.of(values).column(name) for name, values in fields.items()))
    names = ["sea", "hill_&_50%", "town"]
    return Measured(counts, fields, metadata, np.full((DOCS, TOPICS), 1 / 3), names, beta), theta


@pytest.fixture(scope="module")
def found() -> dict[str, Effects]:
    documents, _ = drawn()
    return {
        method: estimate_effects(documents, "~ group", method=method, draws=60)
        for method in ("composition", "bootstrap")
    }


def test_shares_of_groups_are_those_that_the_documents_were_drawn_with(found: dict[str, Effects]) -> None:
    _, theta = drawn()
    for effects in found.values():
        estimate, low, high = effects.intervals
        np.testing.assert_allclose(estimate[:2], [theta[0::2].mean(0), theta[1::2].mean(0)], atol=0.03)
        assert (low <= estimate).all()
        assert (estimate <= high).all()
        np.testing.assert_allclose(estimate[2], estimate[1] - estimate[0], atol=1e-9)
        np.testing.assert_allclose(estimate[:2].sum(axis=1), 1, atol=1e-4)


def test_both_methods_agree(found: dict[str, Effects]) -> None:
    one, other = found["composition"].intervals, found["bootstrap"].intervals
    np.testing.assert_allclose(one.estimate, other.estimate, atol=0.01)
    np.testing.assert_allclose(one.high - one.low, other.high - other.low, rtol=0.5)


def test_rows_say_which_documents(found: dict[str, Effects]) -> None:
    rows = found["composition"].rows()
    assert len(rows) == 3 * TOPICS
    assert [(row.effect, row.term, row.group, row.n) for row in rows[:3]] == [
        ("share", "group", "a", 120), ("share", "group", "b", 120), ("difference", "group", "b − a", 240),
    ]  # fmt: skip


def test_a_number_makes_a_curve_and_a_product_one_for_each_group() -> None:
    documents, _ = drawn()
    effects = estimate_effects(documents, "~ group*x", draws=5)
    by_term = {term: [one for one in effects.wanted if one.term == term] for term in ("x", "group:x")}
    assert [one.at for one in by_term["x"] if one.effect == "share"] == pytest.approx(np.linspace(0, 49, 21), abs=1e-5)
    assert {one.curve for one in by_term["group:x"]} == {"a", "b"}
    assert len(by_term["group:x"]) == 42


def test_merged_topics_have_the_sum(found: dict[str, Effects]) -> None:
    documents, _ = drawn()
    edit = TopicEdit.of(np.full(3, 1 / 3), merge=[[0, 2]])
    merged = documents._replace(edit=edit, names=["both", "hill"], theta=np.full((DOCS, 2), 0.5))
    for method, whole in found.items():
        effects = estimate_effects(merged, "~ group", method=method, draws=60)
        np.testing.assert_allclose(
            effects.intervals.estimate[:, 0], whole.intervals.estimate[:, [0, 2]].sum(axis=1), atol=1e-5
        )


def test_dropped_topics_take_the_composition() -> None:
    documents, _ = drawn()
    edit = TopicEdit.of(np.full(3, 1 / 3), drop=[1])
    dropped = documents._replace(edit=edit, names=["sea", "town"], theta=np.full((DOCS, 2), 0.5))
    effects = estimate_effects(dropped, "~ group", draws=5)
    np.testing.assert_allclose(effects.intervals.estimate[:2].sum(axis=1), 1, atol=1e-4)
    with pytest.raises(UserError, match="composition"):
        estimate_effects(dropped, "~ group", method="bootstrap")


def test_without_topics_of_words_the_proportions_count_as_known() -> None:
    documents, theta = drawn()
    effects = estimate_effects(documents._replace(beta=None, theta=theta), "~ group", draws=5)
    np.testing.assert_allclose(effects.intervals.estimate[0], theta[0::2].mean(0), atol=1e-9)


def test_documents_that_lack_a_value_are_left_out() -> None:
    documents, theta = drawn({"group": ["" if i < 40 else "ab"[i % 2] for i in range(DOCS)]})
    known = documents._replace(beta=None, theta=theta)
    effects = estimate_effects(known, "~ group", draws=3)
    np.testing.assert_allclose(effects.intervals.estimate[0], theta[40::2].mean(0), atol=1e-9)
    assert [one.n for one in effects.wanted] == [100, 100, 200]


@pytest.mark.parametrize(
    ("formula", "meta", "said"),
    [
        ("~ nothing", {}, "their fields are group, x"),
        ("~ same", {"same": ["a"] * DOCS}, "in all documents"),
        ("~ day", {"day": ["2024-05-31"] * DOCS}, "the same in all documents"),
        ("~ empty", {"empty": [""] * DOCS}, "has no values"),
        ("~ group + copy", {"copy": ["ab"[i % 2] for i in range(DOCS)]}, "only 2 can be told"),
        ("~ id", {"id": [f"d{i}" for i in range(DOCS)]}, "more than 200"),
        ("~ few:x", {"few": [f"d{i % 199}" for i in range(DOCS)]}, "coefficients"),
        ("~ group +", {}, "is missing at its end"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_said_in_one_line(formula: str, meta: dict[str, list[str]], said: str) -> None:
    documents, theta = drawn(meta)
    with pytest.raises(UserError, match=said) as told:
        estimate_effects(documents._replace(beta=None, theta=theta), formula, draws=2)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("flag", ["--formula", "formula"])
def test_one_draw_has_no_interval(flag: str) -> None:
    documents, _ = drawn()
    with pytest.raises(UserError, match=f"^{flag.replace('formula', 'draws')}=1 is too few for an interval"):
        estimate_effects(documents, "~ group", draws=1, flag=flag)


def test_a_block_holds_each_document_once() -> None:
    counts = sp.random(70, 400, density=0.1, random_state=0, format="csr")
    counts = sp.csr_matrix((np.ones_like(counts.data), counts.indices, counts.indptr), counts.shape)
    blocks = list(blocks_of(counts, 3))
    assert sorted(np.concatenate([block.rows for block in blocks]).tolist()) == list(range(70))
    for block in blocks:
        np.testing.assert_array_equal(block.counts.sum(axis=1)[: len(block.rows)], np.diff(counts.indptr)[block.rows])
        assert block.counts[len(block.rows) :].sum() == 0


def test_means_of_posteriors_are_those_of_their_draws() -> None:
    documents, _ = drawn()
    columns = np.stack([np.ones(DOCS), np.arange(DOCS) % 2 - 0.5], axis=1)
    assert documents.beta is not None
    fitted = fit_prior_regression(documents.counts, documents.beta, columns)
    means, step = theta_means(fitted, 1)
    assert step.shape == (2 * (TOPICS - 1), 2 * TOPICS)
    np.testing.assert_allclose(theta_draws(fitted, 1, 0, 200).mean(axis=(0, 1)), means.mean(axis=0), atol=0.01)
    # What moves the prior moves shares, which go on summing to 1.
    np.testing.assert_allclose(step.reshape(-1, 2, TOPICS).sum(axis=2), 0, atol=1e-6)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("effects")
    with (folder / "docs.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "theme", "date"])
        rows.writerows([x, "海山城"[i % 3], f"2024-05-{1 + i % 30:02}"] for i, x in enumerate(themed_lines()))
    given = [f"--corpus={folder / 'docs.csv'}", "--text_field=text", "--meta_fields=theme,date", *SMALL]
    run(*flags.parse(["train", *given, "--num_epochs=30", "--prevalence=~ theme", f"--workdir={folder / 'run'}"]))
    return folder / "run"


def test_the_command_writes_tables_and_pictures(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["effects", f"--workdir={workdir}", "--draws=10"])
    assert "difference" in capsys.readouterr().out
    with (workdir / "effects" / "effects.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["topic", "name", "effect", "term", "group", "estimate", "low", "high", "n"]
    shares = {(row["topic"], row["group"]): float(row["estimate"]) for row in rows if row["effect"] == "share"}
    for theme in "海山城":
        assert sum(shares[str(k), theme] for k in range(3)) == pytest.approx(1, abs=1e-3)
    assert (workdir / "effects" / "effects_theme.png").stat().st_size > 1000
    assert r"\begin{" in (workdir / "effects" / "effects.tex").read_text("utf-8")


def test_another_formula_and_the_same_bytes_twice(workdir: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        main(["effects", f"--workdir={workdir}", "--formula=~ s(date, 3)", "--draws=5", f"--output={tmp_path / name}"])
    for file in ("effects.csv", "effects.tex", "effects_date.svg"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()


def test_python_fits_with_metadata_saves_and_loads(tmp_path: Path) -> None:
    meta = {"theme": ["海山城"[i % 3] for i in range(60)], "length": np.arange(60.0)}
    settings = {"hidden": (16,), "embed_dim": 8, "batch_size": 32, "prevalence": "~ theme + length"}
    model = small_etm(settings=settings).fit(themed_lines(60), meta=meta)
    effects = model.effects(draws=5)
    assert len(effects.rows) == 3 * len(effects.effects.wanted)
    assert ("difference" in repr(effects) and "tabular" in effects.to_latex()) or "longtable" in effects.to_latex()
    assert len(effects.plot("length").axes) >= 3
    theta = model.transform(
        themed_lines(6, seed=1), meta={"theme": list("海山城海山城"), "length": [1, 2, 3, 4, 5, None]}
    )
    model.save(tmp_path / "model", documents=True)
    loaded = ETM.load(tmp_path / "model")
    again = loaded.transform(
        themed_lines(6, seed=1), meta={"theme": list("海山城海山城"), "length": [1, 2, 3, 4, 5, None]}
    )
    np.testing.assert_array_equal(theta, again)
    with pytest.raises(ValueError, match="has no documents"):
        loaded.effects()
    with pytest.raises(ValueError, match="59 values for 60"):
        small_etm().fit(themed_lines(60), meta={"x": [1] * 59})


def test_latex_is_escaped() -> None:
    from etm_jax.report.effects import effect_tables
    from etm_jax.report.tables.latex import latex

    documents, _ = drawn()
    text = latex(effect_tables(estimate_effects(documents, "~ group", draws=3))[1])
    assert r"hill\_\&\_50\%" in text
    assert "hill_&" not in text
