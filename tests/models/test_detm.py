"""The dynamic embedded topic model: its walks, its topics by period, and whole runs of it."""

import csv
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import log_softmax, softmax

from conftest import SMALL, draw_noise
from etm_jax.cli import flags as cli
from etm_jax.cli.run import run
from etm_jax.config.build import make_config
from etm_jax.corpus.metadata import MetaColumn, Metadata
from etm_jax.inference.infer import Reading, infer
from etm_jax.models.layers import Variables, init_variables
from etm_jax.models.walk import walk_loss, with_mean
from etm_jax.training.batches import Batcher
from etm_jax.training.steps import Spec, batch_loss, beta_step, log_px_nonzero_step, prior_step, theta_step
from etm_jax.util.errors import UserError

V, K, L, T, D = 30, 3, 6, 4, 24
YEARS = np.repeat([2000.0, 2001.0, 2003.0, np.nan], D // 4)
METADATA = Metadata((MetaColumn("year", "number"),)).of_model(["year"], {"year": ["2000", "2001", "2003"]})


def spec_of(kind: str = "detm", **given: object) -> Spec:
    small = {"kind": kind, "num_topics": K, "hidden": (8,), "embed_dim": L, "overlap_weight": 0.3, "thinning": 0.0}
    own = {"time_field": "year"} if kind == "detm" else {}
    config = make_config("default", small | own | given)
    read = METADATA if kind == "detm" else Metadata()
    return Spec(config.model, config.objective, config.optimizer, V, L, num_steps=10, train_rho=True, metadata=read)


def variables_of(spec: Spec, seed: int = 0) -> Variables:
    """Everything drawn, the drift and the prior means too, which start at 0."""
    params, constants = init_variables(jax.random.key(seed), spec.module())
    rng = np.random.default_rng(seed)
    for name in ("drift", "eta"):
        if name in params:
            params[name] = jnp.asarray(rng.normal(size=params[name].shape), jnp.float32)
    return Variables(params, constants | ({"num_docs": jnp.float32(D)} if "num_docs" in constants else {}))


COUNTS = sp.csr_matrix(np.random.default_rng(3).poisson(0.7, (D, V)).astype(np.float32))


def batcher_of(spec: Spec, batch_size: int = D) -> Batcher:
    extras = {"year": YEARS.astype(np.float32)}
    groups = type(spec.module()).group_of(spec.model, spec.metadata, extras)
    return Batcher(COUNTS, np.log1p(COUNTS), batch_size, extras=extras, groups=groups)


def test_the_loss_of_a_walk_by_hand() -> None:
    points = jnp.asarray([[[0.0, 0.0]], [[1.0, 2.0]], [[1.0, 0.0]]])
    assert walk_loss(points, np.array([0.5, 1.5]), 2.0) == pytest.approx(0.5 * ((1 + 4) / 0.5 + 4 / 1.5) / 2)
    np.testing.assert_allclose(with_mean(points)[3], [[2 / 3, 2 / 3]])


def test_topics_of_a_period_by_hand() -> None:
    spec = spec_of()
    variables = variables_of(spec)
    p = jax.tree.map(lambda x: np.asarray(x, np.float64), variables.params)
    model = spec.with_variables(variables)
    alpha = p["alpha"] + np.concatenate([p["drift"], p["drift"].mean(axis=0, keepdims=True)])
    expected = softmax(alpha @ p["rho"].T, axis=-1)
    np.testing.assert_allclose(model.beta_at(jnp.arange(T + 1)), expected, rtol=2e-5)
    np.testing.assert_allclose(beta_step(variables, spec), expected[T], rtol=2e-5)
    np.testing.assert_allclose(prior_step(variables, spec), softmax(p["eta"].mean(axis=0)), rtol=1e-5)


def test_a_word_has_the_probability_of_its_documents_period() -> None:
    spec = spec_of()
    variables, batch = variables_of(spec), batcher_of(spec).take(np.arange(D))
    theta = np.random.default_rng(5).dirichlet(np.ones(K), D).astype(np.float32)
    model = spec.with_variables(variables)
    beta = np.asarray(model.beta_at(jnp.arange(T + 1)), np.float64)
    period = np.repeat([0, 1, 3, T], D // 4)
    px = np.einsum("dk,dkv->dv", theta, beta[period])
    entries = COUNTS.tocoo()
    found = np.asarray(log_px_nonzero_step(variables, theta, batch, spec))[: COUNTS.nnz]
    np.testing.assert_allclose(found, np.log(px[entries.row, entries.col]), rtol=2e-5, atol=2e-5)
    rows = np.asarray(model.word_rows(model.beta_of(batch), batch))[: COUNTS.nnz]
    np.testing.assert_allclose(rows[:, :K], beta[period[entries.row], :, entries.col], rtol=2e-5)


@pytest.mark.parametrize("batch_size", [5, 12, 24])
def test_theta_does_not_depend_on_the_batches(batch_size: int) -> None:
    spec = spec_of()
    variables = variables_of(spec)
    found = np.empty((D, K), np.float32)
    batcher = batcher_of(spec, batch_size)
    for rows in batcher.parts():
        found[rows] = np.asarray(theta_step(variables, batcher.take(rows), spec))[: len(rows)]
    whole = np.asarray(theta_step(variables, batcher_of(spec).take(np.arange(D)), spec))
    np.testing.assert_allclose(found, whole[:D], rtol=1e-4, atol=1e-6)
    assert np.abs(whole[:6] - whole[6:12]).max() > 0.01


def test_without_drift_it_is_the_static_model() -> None:
    dynamic, static = spec_of(), spec_of("etm")
    variables = variables_of(dynamic)
    still = variables.params | {name: jnp.zeros_like(variables.params[name]) for name in ("drift", "eta")}
    own = {name: value for name, value in still.items() if name not in ("drift", "eta")}
    batch = batcher_of(dynamic).take(np.arange(D))
    noise = draw_noise(jax.random.key(2), static.module(), D)
    value, _ = batch_loss(still, variables.constants, batch, noise, dynamic)
    expected, _ = batch_loss(own, {"background": variables.constants["background"]}, batch, noise, static)
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_where_nothing_has_moved_only_the_period_of_the_batch_is_pulled() -> None:
    spec = spec_of(overlap_weight=0.0)
    variables = variables_of(spec)
    still = variables.params | {name: jnp.zeros_like(variables.params[name]) for name in ("drift", "eta")}
    batcher = batcher_of(spec, 6)
    batch = batcher.take(np.arange(6))
    np.testing.assert_array_equal(batch.present, [0])
    noise = draw_noise(jax.random.key(2), spec.module(), 6)
    grads = jax.grad(lambda params: batch_loss(params, variables.constants, batch, noise, spec)[0])(still)
    pulled = np.abs(np.asarray(grads["drift"])).max(axis=(1, 2)) > 0
    np.testing.assert_array_equal(pulled, [True, False, False, False])


def test_a_document_without_words_has_the_prior_of_its_period() -> None:
    spec = spec_of()
    variables = variables_of(spec)
    empty = sp.csr_matrix((4, V), dtype=np.float32)
    extras = {"year": np.float32([2000, 2003, 1990, np.nan])}
    groups = type(spec.module()).group_of(spec.model, spec.metadata, extras)
    batch = Batcher(empty, empty, 4, extras=extras, groups=groups).take(np.arange(4))
    eta = np.asarray(variables.params["eta"])
    expected = softmax(np.stack([eta[0], eta[3], eta[0], eta.mean(axis=0)]), axis=1)
    np.testing.assert_allclose(theta_step(variables, batch, spec), expected, rtol=1e-5)


# Whole runs.


def dated_lines(folder: Path, num_docs: int = 160) -> Path:
    """Two themes, of which one changes its words halfway, and the other becomes rarer."""
    rng = np.random.default_rng(0)
    path = folder / "dated.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text", "date"])
        for i in range(num_docs):
            month = i * 8 // num_docs
            words = "abcdefgh" if rng.random() < 0.8 - month / 16 else ("stuvwxyz" if month >= 4 else "klmnopqr")
            table.writerow([" ".join(f"{c}{c}" for c in rng.choice(list(words), 12)), f"2024-{month + 1:02}-15"])
    return path


FLAGS = (
    "--model=detm",
    "--time_field=date",
    "--time_bin=month",
    "--text_field=text",
    "--meta_fields=date",
    "--lang=en",
)


def trained(folder: Path, *more: str) -> Path:
    corpus = dated_lines(folder)
    run(*cli.parse(["train", f"--corpus={corpus}", *SMALL, *FLAGS, f"--workdir={folder / 'run'}", *more]))
    return folder / "run"


@pytest.fixture(scope="module")
def moving_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("moving")
    return trained(folder, "--n_topic=2", "--num_epochs=30", "--no_above=1.0", "--drift_lr=2", "--drift_variance=1")


def test_new_documents_have_the_topics_of_their_dates(
    moving_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, dates = "kk ss aa bb", ["2024-01-15", "2024-08-15", "1990-01-01", "2030-01-01", "", "soon"]
    given, plain = tmp_path / "new.csv", tmp_path / "new.txt"
    given.write_text("text,date\n" + "".join(f"{text},{date}\n" for date in dates), "utf-8")
    plain.write_text(f"{text}\n", "utf-8")
    infer(str(moving_run), str(given), str(tmp_path / "dated.npy"), Reading())
    told = capsys.readouterr().err
    assert "--meta_fields=date" in told
    assert "1 values of the fields that the model reads are none that training had" in told
    assert "2 numbers or dates lie beyond those of training" in told
    infer(str(moving_run), str(plain), str(tmp_path / "plain.npy"), Reading())
    assert "reads date of a document" in capsys.readouterr().err
    theta, undated = np.load(tmp_path / "dated.npy"), np.load(tmp_path / "plain.npy")
    np.testing.assert_allclose(theta[[2, 3, 4, 5]], [theta[0], theta[1], undated[0], undated[0]], atol=1e-5)
    assert np.abs(theta[0] - theta[1]).max() > 0.01


def test_weights_of_other_periods_or_of_another_model_do_not_fit(moving_run: Path, tmp_path: Path) -> None:
    same = ("--n_topic=2", "--no_above=1.0", f"--ckpt={moving_run}")
    for name, flags, says in (
        ("quarters", ("--time_bin=quarter",), "documents of other periods or categories"),
        ("static", ("--model=etm", "--time_field="), "was trained with --model=detm"),
    ):
        (tmp_path / name).mkdir()
        with pytest.raises(UserError, match=says):
            trained(tmp_path / name, *same, *flags)
        assert not (tmp_path / name / "run" / "config.json").exists()


def test_a_run_shows_what_moves(moving_run: Path) -> None:
    export = moving_run / "export"
    beta_time = np.load(export / "beta_time.npy", mmap_mode="r")
    vocab = (export / "vocab.txt").read_text("utf-8").split()
    assert beta_time.shape == (8, 2, len(vocab))
    np.testing.assert_allclose(beta_time.sum(axis=2), 1, rtol=1e-4)
    alpha, rho, background = (np.load(export / f"{name}.npy") for name in ("alpha_time", "rho", "background"))
    np.testing.assert_allclose(np.log(beta_time[5]), log_softmax(alpha[5] @ rho.T + background, axis=1), atol=1e-3)
    # The theme whose words change: those of its second half are more probable at the end than at the beginning.
    second = [j for j, word in enumerate(vocab) if word[0] in "stuvwxyz"]
    assert (beta_time[7][:, second].sum(axis=1) - beta_time[0][:, second].sum(axis=1)).max() > 0.05
    with (export / "topics_time.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [row["period"] for row in rows[:8]] == [f"2024-{month:02}" for month in range(1, 9)]
    assert sum(float(row["share"]) for row in rows if row["period"] == "2024-03") == pytest.approx(1, abs=1e-5)
    with (export / "words_time.csv").open(encoding="utf-8-sig") as file:
        moving = list(csv.DictReader(file))
    assert {row["direction"] for row in moving} == {"rises", "falls"}
    assert all((float(row["late"]) > float(row["early"])) == (row["direction"] == "rises") for row in moving)


def test_a_run_that_goes_on_ends_with_the_same_bytes(tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = trained(tmp_path / "whole", "--num_epochs=4", "--lr_schedule=constant")
    trained(tmp_path / "parts", "--num_epochs=2", "--lr_schedule=constant")
    parts = trained(tmp_path / "parts", "--num_epochs=4", "--lr_schedule=constant")
    for name in ("beta", "beta_time", "theta_train", "eta"):
        assert (whole / "export" / f"{name}.npy").read_bytes() == (parts / "export" / f"{name}.npy").read_bytes()
    record = json.loads((whole / "config.json").read_text("utf-8"))["run"]
    assert record["metadata"][0]["name"] == "date"


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--time_field=", "--meta_fields=date"), "--time_field"),
        (("--time_field=day",), "reads the metadata field 'day', which the documents do not have"),
        (("--time_bin=year",), "of one period, 2024"),
        (("--time_bin=5",), "is not one of auto, day, week"),
    ],
)
def test_what_has_no_time_is_one_line(tmp_path: Path, flags: tuple[str, ...], says: str) -> None:
    with pytest.raises(UserError, match=says):
        trained(tmp_path, *flags)
    assert not (tmp_path / "run" / "config.json").exists()
