"""Topics whose words differ by group of documents: by hand, against every word of every group, and in a whole run."""

import csv
import json
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp

import etm_jax
from conftest import SMALL, draw_noise
from etm_jax.cli import flags as cli
from etm_jax.config.build import make_config
from etm_jax.corpus.metadata import MetaColumn, Metadata
from etm_jax.edit import main as edit_main
from etm_jax.effects import main as effects_main
from etm_jax.evaluate import main as evaluate_main
from etm_jax.inference.predictor import read_predictor
from etm_jax.interop import read_saved_model
from etm_jax.interop.native_files import from_safetensors, to_safetensors
from etm_jax.metrics.perplexity import completion_perplexity, perplexity_of
from etm_jax.metrics.word_shifts import WordShifts
from etm_jax.models import content
from etm_jax.models.etm import ETM
from etm_jax.models.layers import Variables, init_variables
from etm_jax.ops.mesh import MeshLayout
from etm_jax.report.__main__ import main as report_main
from etm_jax.results.run import read_run
from etm_jax.train import main as train_main
from etm_jax.training.batches import Batcher
from etm_jax.training.steps import Spec, batch_loss, beta_step, eval_step, theta_step

V, K, L, DOCS, GROUPS = 14, 4, 5, 6, 3
CODES = np.array([0, 1, 2, 1, -1, 0], np.int32)
SOURCE = MetaColumn("source", "category", ("a", "b", "c"))


def spec_of(variant: str = "default", **given: object) -> Spec:
    given = {"num_topics": K, "hidden": (7, 6), "embed_dim": L, "content": "source"} | given
    config = make_config(variant, given)
    metadata = Metadata((SOURCE,)) if config.model.content else Metadata()
    return Spec(config.model, config.objective, config.optimizer, V, L, 10, True, metadata=metadata)


def batch_of(counts: np.ndarray, codes: np.ndarray = CODES, dtype: type = np.float64, layout: MeshLayout | None = None):
    matrix = sp.csr_matrix(counts.astype(float))
    inputs = matrix.copy()
    inputs.data = np.log1p(inputs.data)
    batcher = Batcher(matrix, inputs, len(counts), dtype=dtype, layout=layout, extras={"source": codes})
    return batcher.take(np.arange(len(counts)))


def drawn_counts() -> np.ndarray:
    return np.random.default_rng(0).poisson(0.8, (DOCS, V))


def random_variables(spec: Spec) -> Variables:
    shapes = jax.eval_shape(lambda: init_variables(jax.random.key(0), spec.module()))
    rng = np.random.default_rng(1)
    values = jax.tree.map(lambda leaf: jnp.asarray(0.5 * rng.normal(size=leaf.shape)), shapes)
    return Variables(values.params, values.constants | {"group_share": jnp.array([0.5, 0.3, 0.2])})


def explicit(spec: Spec, variables: Variables) -> np.ndarray:
    """softmax_v(ρ_v·α_k + b_v + s_gv), the topics themselves last: [G + 1, K, V]."""
    params, share = variables.params, np.asarray(variables.constants["group_share"])
    stored = np.asarray(params["group_words"])
    counted = np.sign(stored) * np.maximum(np.abs(stored) - content.DEAD_ZONE, 0)
    both = np.asarray(params["rho"] @ params["group_alpha"].T) + counted
    shifts = np.vstack([(both - (both @ share)[:, None]).T, np.zeros(V)])
    logits = np.asarray(params["alpha"] @ params["rho"].T) + np.asarray(variables.constants["background"])
    logits = logits[None] + shifts[:, None]
    return np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)


def test_two_groups_and_three_words_by_hand():
    """β = (½, ¼, ¼), s = (log 2, 0, −log 2) and its opposite: (8, 2, 1)/11 and (2, 2, 4)/8."""
    shifts = WordShifts("source", ("a", "b"), np.log([[2, 1, 0.5], [0.5, 1, 2]]))
    beta = np.array([[0.5, 0.25, 0.25]])
    np.testing.assert_allclose(shifts.totals(beta), [[11 / 8, 1]])
    np.testing.assert_allclose(shifts.beta(beta, 0), [[8 / 11, 2 / 11, 1 / 11]])
    np.testing.assert_allclose(shifts.beta(beta, 1), [[2 / 8, 2 / 8, 4 / 8]])
    counts, theta = sp.csr_matrix(np.array([[0, 1, 2], [1, 0, 0], [0, 1, 0]])), np.ones((3, 1))
    found = shifts.log_px(theta, beta, counts, {"source": ["a", "b", "elsewhere"]})
    np.testing.assert_allclose(found, np.log([2 / 11, 1 / 11, 1 / 4, 1 / 4]), atol=1e-9)
    # What is most, against 8/11 − ½ of the first word: the weights of its change are β̄ log(β_g / β).
    ((of_a, of_b),) = shifts.marked(beta, 2)
    assert (of_a.top, of_a.more, of_a.less) == ([0, 1], [0], [2, 1])
    assert (of_b.top, of_b.more, of_b.less) == ([2, 0], [2], [0])


@pytest.mark.parametrize("variant", ["default", "paper"])
def test_the_likelihood_is_that_of_every_word_of_every_group(variant, float64):
    spec = spec_of(variant, refine_steps=0, likelihood_eps=0.0)
    variables, counts = random_variables(spec), drawn_counts()
    batch, noise = batch_of(counts), draw_noise(jax.random.key(2), spec.module(), DOCS)
    model = spec.with_variables(variables)
    out = model.forward(model.read(batch, noise), batch, noise)
    of_words = np.einsum("bk,bkv->bv", np.asarray(out.theta), explicit(spec, variables)[CODES])
    np.testing.assert_allclose(model.reconstruction(out, batch, noise), -(counts * np.log(of_words)).sum(1), rtol=1e-9)
    np.testing.assert_allclose(np.asarray(beta_step(variables, spec)), explicit(spec, variables)[-1], rtol=1e-9)
    shifts = WordShifts("source", SOURCE.levels, np.asarray(model.word_shifts()).T)
    for group in range(GROUPS):
        np.testing.assert_allclose(
            shifts.beta(np.asarray(out.beta), group), explicit(spec, variables)[group], rtol=1e-9
        )


def test_newton_steps_climb_by_the_words_of_the_group(float64):
    """Many steps end where the posterior by the explicit topics of each document's group has no slope."""
    spec = spec_of(infer_steps=2000, infer_sif=0.0, prior_variance=5.0)
    variables, counts = random_variables(spec), drawn_counts()
    batch, topics = batch_of(counts), jnp.asarray(explicit(spec, variables)[CODES])
    model = spec.with_variables(variables)
    centre = model.encode(model.read(batch)).mu
    theta = theta_step(variables, batch, spec)

    def height(delta: jax.Array) -> jax.Array:
        px = jnp.einsum("bk,bkv->bv", jax.nn.softmax(delta), topics)
        return (counts * jnp.log(px)).sum() - ((delta - centre) ** 2).sum() / (2 * spec.model.infer_variance)

    # δ of θ up to a constant of each document, which the prior decides: its residuals sum to 0.
    delta = jnp.log(theta)
    delta = delta + (centre - delta).mean(axis=1, keepdims=True)
    np.testing.assert_allclose(jax.grad(height)(delta), 0, atol=1e-5)


def test_a_document_of_no_group_has_the_topics_themselves(float64):
    spec, plain = spec_of(), spec_of(content="")
    variables, counts = random_variables(spec), drawn_counts()
    own = {name: value for name, value in variables.params.items() if not name.startswith("group_")}
    without = Variables(own, {"background": variables.constants["background"]})
    unknown = batch_of(counts, np.full(DOCS, -1, np.int32))
    np.testing.assert_allclose(theta_step(variables, unknown, spec), theta_step(without, unknown, plain), rtol=1e-12)
    assert not np.allclose(theta_step(variables, batch_of(counts), spec), theta_step(without, unknown, plain))


@pytest.mark.parametrize("variant", ["default", "paper"])
def test_it_starts_as_the_model_without_groups(variant):
    spec, plain = spec_of(variant), spec_of(variant, content="")
    variables, without = (init_variables(jax.random.key(3), each.module()) for each in (spec, plain))
    for name, values in without.params.items():
        jax.tree.map(np.testing.assert_array_equal, values, variables.params[name])
    batch = batch_of(drawn_counts(), dtype=np.float32)
    found, expected = (
        eval_step(each, batch, jax.random.key(4), of) for each, of in ((variables, spec), (without, plain))
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_deviations_within_the_dead_zone_are_none_and_still_move():
    stored = jnp.array([0.0, 0.04, -0.05, 0.25, -1.05])
    np.testing.assert_allclose(content.deviations(stored), [0, 0, 0, 0.2, -1], atol=1e-7)
    assert (np.asarray(content.deviations(stored))[:3] == 0).all()
    gradient = jax.grad(lambda x: (3 * content.deviations(x)).sum())(stored)
    np.testing.assert_array_equal(gradient, np.full(5, 3.0))
    np.testing.assert_allclose(content.deviations(content.stored_deviations(np.array([0.0, 0.2, -1.0]))), [0, 0.2, -1])


def test_topics_of_groups_are_tempered_as_the_topics_are(float64):
    spec = spec_of()
    variables = random_variables(spec)
    powers = explicit(spec, variables) ** (1 / 1.5)
    found = explicit(spec, ETM.tempered(variables, 1.5))
    np.testing.assert_allclose(found, powers / powers.sum(axis=2, keepdims=True), rtol=1e-9)


def test_gradients_equal_finite_differences(float64):
    """Of the directions, and of deviations outside the dead zone, whose slope is that of what they count for."""
    spec = spec_of(refine_steps=0)
    variables, batch = random_variables(spec), batch_of(drawn_counts())
    constants = variables.constants | {"group_spread": jnp.ones((V, GROUPS)), "group_docs": jnp.asarray(7.0)}
    noise, step = draw_noise(jax.random.key(2), spec.module(), DOCS), 1e-6
    outside = jnp.abs(variables.params["group_words"]) > content.DEAD_ZONE + 1e-3
    loss = jax.jit(lambda params: batch_loss(params, constants, batch, noise, spec)[0])
    gradients = jax.grad(loss)(variables.params)
    for name, kept in (("group_alpha", 1.0), ("group_words", outside)):
        direction = jnp.asarray(np.random.default_rng(3).normal(size=gradients[name].shape)) * kept
        up, down = (
            float(loss(variables.params | {name: variables.params[name] + sign * step * direction})) for sign in (1, -1)
        )
        assert (up - down) / (2 * step) == pytest.approx(float((gradients[name] * direction).sum()), rel=1e-6)


# A run


def write_corpus(path: Path, num_docs: int = 360) -> Path:
    """Documents of two topics and three sources; b says yacht for boat, whatever the topic, and c is like a."""
    rng = np.random.default_rng(5)
    themes = [["sea", "wave", "harbour", "boat", "sailor", "tide"], ["hill", "forest", "path", "boat", "river", "deer"]]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "source", "length", "one"])
        for i in range(num_docs):
            source = "abc"[i % 3] if i % 10 else ""
            words = [*rng.choice(themes[i % 2], 14), *rng.choice(["day", "man", "old"], 3)]
            said = ["yacht" if word == "boat" and source == "b" else word for word in words]
            writer.writerow([" ".join(said), source, i, "same"])
    return path


FLAGS = [*SMALL, "--n_topic=2", "--num_epochs=12", "--no_above=1", "--meta_fields=source,length,one"]


def train(folder: Path, name: str, *more: str) -> int:
    flags = [f"--corpus={folder / 'news.csv'}", f"--workdir={folder / name}", *FLAGS, *more]
    return cli.run(train_main, ["train", *flags])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Of a run with groups."""
    folder = tmp_path_factory.mktemp("content")
    write_corpus(folder / "news.csv")
    assert train(folder, "run", "--content=source", "--content_lr=10") == 0
    return folder


def test_the_word_that_a_group_has_for_another_is_found_and_others_stay_at_0(folder):
    run = read_run(folder / "run")
    words, values = run.corpus.vocabulary.words, run.model.shifts.values
    boat, yacht = words.index("boat"), words.index("yacht")
    assert values[1, yacht] - values[0, yacht] > 0.5
    assert values[1, boat] <= values[0, boat]
    variables = read_saved_model(str(folder / "run")).variables
    counted = np.asarray(content.deviations(variables.params["group_words"]))
    assert {words[j] for j in np.flatnonzero(counted.any(axis=1))} <= {"boat", "yacht"}
    assert (counted == 0).mean() > 0.8
    with (folder / "run" / "export" / "content_words.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["group"] for row in rows] == ["a", "b", "c"] * 2
    for row in rows:
        assert row["more"].split() == (["yacht"] if row["group"] == "b" else row["more"].split()[:1])
        assert "yacht" not in row["less" if row["group"] == "b" else "more"].split()


def test_perplexity_is_by_the_words_of_each_documents_group(folder, capsys):
    run = read_run(folder / "run")
    corpus, model = run.corpus, run.model
    assert cli.run(evaluate_main, ["evaluate", f"--workdir={folder / 'run'}"]) == 0
    entries = corpus.test_h2.tocoo()
    codes = model.shifts.codes(corpus.test.meta, len(corpus.test))
    topics = [model.shifts.beta(model.beta, g) for g in range(3)] + [model.beta]
    px = [float(model.theta_test_h1[d] @ topics[codes[d]][:, w]) for d, w in zip(entries.row, entries.col, strict=True)]
    expected = perplexity_of(np.log(px), corpus.test_h2)
    assert f"{expected.by_document:,.1f}" in capsys.readouterr().out
    plain = completion_perplexity(model.theta_test_h1, model.beta, corpus.test_h2)
    assert expected.by_document < plain.by_document


def test_new_documents_have_the_words_of_their_group(folder):
    predictor = read_predictor(str(folder / "run"))
    counts = sp.csr_matrix(np.eye(len(predictor.vocabulary.words), dtype=np.int32)[[2, 2, 2]])
    known, unknown, missing = predictor.theta(counts, {"source": ["b", "elsewhere", ""]})
    np.testing.assert_array_equal(unknown, missing)
    assert not np.array_equal(known, unknown)
    empty = predictor.theta(sp.csr_matrix((1, counts.shape[1]), dtype=np.int32), {"source": ["b"]})
    np.testing.assert_allclose(empty[0], predictor.prior, rtol=1e-6)


def test_effects_say_which_topics_they_go_by(folder, capsys):
    where = [f"--workdir={folder / 'run'}", f"--output={folder / 'effects'}"]
    assert cli.run(effects_main, ["effects", *where, "--formula=~ source", "--draws=10"]) == 0
    told = capsys.readouterr()
    assert "effects go by the topics that all have in common" in told.err + told.out


def test_the_page_sets_groups_side_by_side(folder):
    page = folder / "page.html"
    assert cli.run(report_main, ["report", f"--workdir={folder / 'run'}", f"--output={page}"]) == 0
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    data = json.loads(found[1])
    assert data["content"] == {"field": "source", "levels": ["a", "b", "c"]}
    for topic in data["topics"]:
        more = [{data["words"]["text"][j] for j in row[1]} for row in topic["by_group"]]
        assert ["yacht" in words for words in more] == [False, True, False]


def test_python_has_the_topics_of_groups(folder):
    model = etm_jax.ETM.load(folder / "run")
    topics = model.topics_by_group()
    assert list(topics) == ["a", "b", "c"]
    yacht = model.vocab_.index("yacht")
    assert (topics["b"][:, yacht] > topics["a"][:, yacht]).all()
    np.testing.assert_allclose(topics["c"].sum(axis=1), 1)


def test_a_file_of_the_weights_comes_back_bit_for_bit(folder, tmp_path):
    trained = read_saved_model(str(folder / "run"))
    to_safetensors(tmp_path / "model.safetensors", trained)
    back = from_safetensors(tmp_path / "model.safetensors")
    jax.tree.map(np.testing.assert_array_equal, back.variables, jax.tree.map(np.asarray, trained.variables))
    assert back.spec().metadata == trained.spec().metadata


def test_merged_topics_keep_the_words_of_groups(folder):
    out = folder / "merged"
    assert cli.run(edit_main, ["edit", f"--workdir={folder / 'run'}", f"--output={out}", "--merge=0,1"]) == 0
    with (out / "export" / "content_words.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["more"].split()[:1] == ["yacht"] for row in csv.DictReader(file)] == [False, True, False]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--content=length"], "--content=length is to be a field of categories"),
        (["--content=one"], "--content=one is 'same' in all documents"),
        (["--content=paper"], "'paper', which the documents do not have"),
        (["--content=source", "--criterion=bce_softmax"], "give --criterion=cross_entropy"),
        (["--content=source", "--renormalize"], "give --norenormalize"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(folder, capsys, flags, told):
    assert train(folder, "refused", *flags) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if told in line]
    assert len(said) == 1


def test_more_groups_than_can_be_compared_are_refused():
    many = MetaColumn("town", "category", tuple(f"{i:02}" for i in range(content.MOST_GROUPS + 1)))
    with pytest.raises(content.UserError, match="has 21 groups, and at most 20"):
        content.check_groups(many)
