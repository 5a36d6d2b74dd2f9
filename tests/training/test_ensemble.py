"""Several seeds in one program: each as if it were alone; the best exported, the spread and the stability reported."""

import csv
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from conftest import SMALL, planted_counts, themed_lines
from etm_jax.cli import flags as cli
from etm_jax.config.build import make_config
from etm_jax.config.corpus_settings import MAX_SEED
from etm_jax.interop import read_saved_model
from etm_jax.metrics.perplexity import Perplexity
from etm_jax.metrics.stability import matched_overlap, stability
from etm_jax.models.layers import Variables, init_variables
from etm_jax.ops import csr, sparse
from etm_jax.results.seed_comparison import compare_seeds, seed_table
from etm_jax.train import main
from etm_jax.training import trainer
from etm_jax.training.batches import Batcher
from etm_jax.training.bound import Bound
from etm_jax.training.checkpoint import Checkpoints, InMemoryCheckpoints
from etm_jax.training.ensemble import abstract_states, new_states, stack, train_steps, unstack
from etm_jax.training.run_folder import RunFolder
from etm_jax.training.steps import Spec, new_state, train_step
from etm_jax.training.tensorboard import tensorboard_writer
from etm_jax.training.train_setup import TrainResult, TrainSetup
from etm_jax.training.trainer import Trainer
from etm_jax.util.errors import UserError

V, K, L, DOCS, BATCH = 24, 3, 4, 96, 32
COUNTS = planted_counts(DOCS, V, K, length=8)


def train(*argv: object) -> int:
    return cli.run(main, ["train", *map(str, argv)])


def spec_of(**given) -> Spec:
    config = make_config("default", {"num_topics": K, "hidden": (8,), "embed_dim": L} | given)
    return Spec(config.model, config.objective, config.optimizer, V, L, 12, True)


def batcher(counts, dtype=np.float32) -> Batcher:
    return Batcher(counts, counts.astype(dtype), BATCH, dtype=dtype)


# Stability


def test_the_same_topics_in_another_order_are_wholly_stable():
    words = np.arange(12).reshape(3, 4)
    assert stability([words, words[[2, 0, 1], ::-1]]) == 1
    np.testing.assert_array_equal(matched_overlap(words, words[[2, 0, 1]]), 1)


def test_topics_without_a_word_in_common_are_not_stable():
    assert stability([np.arange(6).reshape(2, 3), np.arange(6, 12).reshape(2, 3)]) == 0


def test_topics_are_matched_for_the_largest_sum():
    # Words in common: 3 and 2 of the first topic, 2 and 0 of the second. The nearest pair first would give 3 + 0.
    ours = np.array([[0, 1, 2, 3], [0, 1, 8, 9]])
    theirs = np.array([[0, 1, 2, 7], [2, 3, 5, 6]])
    np.testing.assert_allclose(matched_overlap(ours, theirs), [2 / 4, 2 / 4])


def test_stability_is_the_mean_over_pairs():
    a, b = np.array([[0, 1], [2, 3]]), np.array([[4, 5], [6, 7]])
    assert stability([a, a, b]) == pytest.approx((1 + 0 + 0) / 3)


# Sparse products of several members


@pytest.mark.parametrize(
    "kernel, batched", [("native", (0, None)), ("native", (None, 0)), ("native", (0, 0)), ("gather", (0, 0))]
)
def test_mapped_products_equal_those_one_by_one(kernel, batched, monkeypatch):
    if kernel == "gather":
        monkeypatch.setattr(csr, "product", csr.gather)
    batch, rng = batcher(COUNTS[:7]).take(np.arange(7)), np.random.default_rng(0)
    values = rng.normal(size=(4, *batch.counts.shape)).astype(np.float32)
    values[:, batch.pattern.row_starts[-1] :] = 1e6  # padding, which must not be read
    dense = rng.normal(size=(4, V, 5)).astype(np.float32)
    cotangent = rng.normal(size=(BATCH, 5)).astype(np.float32)

    def both_ways(values, dense):
        out, pullback = jax.vjp(lambda d: sparse.spmm(values, batch.pattern, d), dense)
        return out, pullback(cotangent)[0]

    args = [x if axis == 0 else x[0] for x, axis in zip((values, dense), batched, strict=True)]
    found = jax.vmap(both_ways, batched)(*args)
    for i in range(4):
        alone = both_ways(*(x[i] if axis == 0 else x for x, axis in zip(args, batched, strict=True)))
        for ours, theirs in zip(found, alone, strict=True):
            np.testing.assert_allclose(ours[i], theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="only jaxlib's CPU has the native kernel")
def test_members_keep_the_native_kernel():
    spec = spec_of()
    states = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), abstract_states(spec, 3))
    batch, key = batcher(COUNTS).take(np.arange(BATCH)), jax.random.key(0)
    alone = new_state(unstack(states.variables, 3)[0], spec)
    calls = [
        step.lower(state, batch, keys, spec).as_text().count("csr_sparse_dense")
        for step, state, keys in ((train_step, alone, key), (train_steps, states, jax.random.split(key, 3)))
    ]
    assert calls[0] == calls[1] > 0


# Training


@pytest.mark.parametrize(
    "given",
    [
        {"clip_norm": 1.0},
        {"read_rho": False, "skip": False},
        {"read_rho": False, "skip": False, "adam_moments": "compact"},
    ],
)
def test_each_member_is_what_it_would_be_alone(given, float64):
    spec, keys = spec_of(dropout=0.25, **given), jax.random.split(jax.random.key(7), 3)
    members = [init_variables(jax.random.key(i), spec.module()) for i in range(3)]
    batches = list(batcher(COUNTS, np.float64).epoch(np.arange(DOCS)))
    states = new_states(stack(members), spec)
    sums = []
    for batch in batches:
        states, of_step = train_steps(states, batch, keys, spec)
        sums.append(of_step)
    assert int(states.step) == len(batches)
    for i, together in enumerate(unstack(states.variables, 3)):
        alone = new_state(members[i], spec)
        for batch, of_all in zip(batches, sums, strict=True):
            alone, of_step = train_step(alone, batch, keys[i], spec)
            np.testing.assert_allclose([x[i] for x in of_all], of_step, rtol=1e-12)
        for ours, theirs in zip(*map(jax.tree.leaves, (together, alone.variables)), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_stacks_come_apart_again():
    spec = spec_of()
    members = [init_variables(jax.random.key(i), spec.module()) for i in range(3)]
    for there, back in zip(members, unstack(stack(members), 3), strict=True):
        assert jax.tree.structure(there) == jax.tree.structure(back)
        assert all(map(np.array_equal, jax.tree.leaves(there), jax.tree.leaves(back)))
    assert stack(members[:1]) is members[0]


def fit_seeds(path, epochs, num_seeds=3, **given) -> TrainResult:
    settings = {"num_topics": K, "hidden": (8,), "embed_dim": L, "checkpoint_every": 1, "num_seeds": num_seeds}
    config = make_config("default", settings | given).train
    spec, path = spec_of(), path / str(num_seeds)
    path.mkdir(exist_ok=True)
    saved = Checkpoints(path / "checkpoints").epochs()
    members = [init_variables(jax.random.key(config.seed + i), spec.module()) for i in range(num_seeds)]
    initial = None if saved else stack(members)
    data, checkpoints = (batcher(COUNTS), batcher(COUNTS[:20])), Checkpoints(path / "checkpoints")
    return Trainer(TrainSetup(spec, config, epochs, *data, initial, RunFolder(path), checkpoints)).train()


def rows(path) -> list[dict]:
    found = map(json.loads, (path / "metrics.jsonl").read_text("utf-8").splitlines())
    return [{name: v for name, v in row.items() if name not in ("seconds", "docs_per_s")} for row in found]


def bits(fitted: TrainResult) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(fitted.members)]


def test_figures_are_means_and_the_first_seed_is_the_run_of_one(tmp_path):
    three, one = fit_seeds(tmp_path, 3), fit_seeds(tmp_path, 3, num_seeds=1)
    for row, alone in zip(rows(tmp_path / "3"), rows(tmp_path / "1"), strict=True):
        for name in ("nelbo", "valid_nelbo"):
            assert row[name] == pytest.approx(np.mean(row[f"{name}_seeds"]))
            assert row[f"{name}_seeds"][0] == pytest.approx(alone[name], rel=1e-5)
            assert len(set(row[f"{name}_seeds"])) == 3
        assert row.keys() - alone.keys() == {"nelbo_seeds", "valid_nelbo_seeds"}
        assert (row["step"], row["lr"]) == (alone["step"], alone["lr"])
    assert three.nelbos == rows(tmp_path / "3")[three.epoch - 1]["valid_nelbo_seeds"]
    assert three.nelbos[three.best] == min(three.nelbos)
    for ours, theirs in zip(*map(jax.tree.leaves, (three.members[0], one.variables)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_two_epochs_and_two_more_are_four(tmp_path):
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = fit_seeds(tmp_path / "whole", 4)
    fit_seeds(tmp_path / "parts", 2)
    parts = fit_seeds(tmp_path / "parts", 4)
    assert bits(parts) == bits(whole)
    assert rows(tmp_path / "parts" / "3") == rows(tmp_path / "whole" / "3")
    assert (parts.nelbos, parts.epoch) == (whole.nelbos, whole.epoch)


def test_epochs_are_compared_by_the_best_member(tmp_path, monkeypatch):
    # The mean is lowest in epoch 1; the lowest of all is the first seed's in epoch 2; two epochs later patience ends.
    figures = iter([5.0, 5.0, 5.0, 3.0, 9.0, 9.0, 4.0, 3.5, 4.0, 4.0, 3.25, 4.0])
    monkeypatch.setattr(trainer, "evaluate_bound", lambda *_: Bound(next(figures), 0.0, 0.0))
    best = fit_seeds(tmp_path, 9, patience=2, export_from="best")
    last = fit_seeds(tmp_path, 9, patience=2, export_from="last")
    assert (best.epoch, best.last_epoch, best.best) == (2, 4, 0)
    assert (last.epoch, last.last_epoch, last.best) == (4, 4, 1)
    assert bits(best) != bits(last)


def test_a_member_that_diverges_ends_the_run(tmp_path):
    spec, folder = spec_of(), RunFolder(tmp_path)
    members = [init_variables(jax.random.key(i), spec.module()) for i in range(2)]
    broken = Variables(members[1].params | {"alpha": jnp.full((K, L), jnp.nan)}, members[1].constants)
    config = make_config("default", {"num_seeds": 2}).train
    both, checkpoints = stack([members[0], broken]), InMemoryCheckpoints()
    setup = TrainSetup(spec, config, 2, batcher(COUNTS), batcher(COUNTS[:20]), both, folder, checkpoints)
    with pytest.raises(UserError, match="diverged in epoch 1"):
        Trainer(setup).train()


# What a run shows and leaves


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeds")
    (folder / "lines.txt").write_text("\n".join(themed_lines()) + "\n", encoding="utf-8")
    flags = (f"--corpus={folder / 'lines.txt'}", *SMALL, "--seed=5", "--num_seeds=3")
    assert train(*flags, f"--workdir={folder / 'three'}") == 0
    return folder


def test_the_best_seed_is_exported_and_all_are_listed(finished):
    with (finished / "three" / "export" / "seeds.csv").open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["seed"] for row in found] == ["5", "6", "7"]
    last = rows(finished / "three")[int(found[0]["epoch"]) - 1]
    np.testing.assert_allclose([float(row["nelbo"]) for row in found], last["valid_nelbo_seeds"], atol=1e-6)
    best = int(np.argmin(last["valid_nelbo_seeds"]))
    assert float(found[best]["overlap"]) == 1

    trained = read_saved_model(str(finished / "three"))
    assert trained.origin.startswith(f"{finished / 'three'} after epoch {found[0]['epoch']} of seed {5 + best}")
    rho = np.load(finished / "three" / "export" / "rho.npy", allow_pickle=False)
    np.testing.assert_array_equal(trained.variables.params["rho"], rho)


def test_a_complete_run_of_several_seeds_is_shown_again(finished, capsys):
    table = (finished / "three" / "export" / "seeds.csv").read_bytes()
    flags = (f"--corpus={finished / 'lines.txt'}", *SMALL, "--seed=5", "--num_seeds=3")
    assert train(*flags, f"--workdir={finished / 'three'}") == 0
    shown = capsys.readouterr()
    assert "nothing is trained" in shown.err
    assert "seeds.csv" in shown.err
    assert "stability" in shown.out
    assert "mean of 3 pairs" in shown.out
    assert (finished / "three" / "export" / "seeds.csv").read_bytes() == table


def test_tensorboard_has_a_curve_for_each_seed(tmp_path, monkeypatch):
    writers = pytest.importorskip("tensorboardX", reason="tensorboardX is not installed (extra: tensorboard)")
    written = []
    monkeypatch.setattr(writers.SummaryWriter, "add_scalar", lambda _, *scalar: written.append(scalar))
    tensorboard_writer(tmp_path)({"epoch": 1, "valid_nelbo": 1.5, "valid_nelbo_seeds": [1.0, 2.0]})
    assert written == [("valid_nelbo", 1.5, 1), ("valid_nelbo_seeds/0", 1.0, 1), ("valid_nelbo_seeds/1", 2.0, 1)]


def test_other_seeds_do_not_go_on_there(finished, capsys):
    flags = (f"--corpus={finished / 'lines.txt'}", *SMALL, "--seed=5", "--num_seeds=2")
    assert train(*flags, f"--workdir={finished / 'three'}") == 2
    assert "has --num_seeds=2, but the run" in capsys.readouterr().err


def test_models_without_embeddings_have_seeds_too(finished, capsys):
    flags = (f"--corpus={finished / 'lines.txt'}", *SMALL, "--model=gsm", "--num_seeds=2", "--test_share=0")
    assert train(*flags, f"--workdir={finished / 'gsm'}", "--num_epochs=1") == 0
    shown = capsys.readouterr().out
    # There is nothing to complete without test documents.
    assert "perplexity  overlap" not in shown
    assert "stability" in shown
    with (finished / "gsm" / "export" / "seeds.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["perplexity"] for row in csv.DictReader(file)] == ["", ""]


@pytest.mark.parametrize(
    "given, said",
    [
        (["--num_seeds=0"], "--num_seeds=0 is out of range; give at least 1"),
        ([f"--seed={MAX_SEED}", "--num_seeds=2"], f"give less, so that the last seed is at most {MAX_SEED}"),
        (["--num_seeds=2", "--model=lda"], "--num_seeds=2 is not for --model=lda"),
        (["--num_seeds=2", "--ckpt=other"], "--ckpt=other gives all of --num_seeds=2 the same weights"),
    ],
)
def test_what_several_seeds_cannot_be_given_with(lines_file, tmp_path, capsys, given, said):
    assert train(f"--corpus={lines_file}", *SMALL, f"--workdir={tmp_path / 'run'}", *given) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_table_by_hand():
    # Two topics over 25 words; the second seed has them in the other order, the third has one of them twice.
    a, b = np.arange(25.0)[::-1] + 1, np.arange(25.0) + 1
    betas = [np.stack(topics) / 325 for topics in ((a, b), (b, a), (a, a))]
    perplexities = [Perplexity(1.0, by_token) for by_token in (1000.0, 1100.0, 1200.0)]
    compared = compare_seeds(range(8, 11), 4, [2.0, 1.0, 3.0], betas, perplexities, planted_counts(50, 25, 5))
    assert (compared.best, [row.seed for row in compared.rows]) == (1, [8, 9, 10])
    # The top 10 words of a and of b have none in common.
    assert [row.overlap for row in compared.rows] == [1, 1, 0.5]
    assert compared.stability == pytest.approx((1 + 0.5 + 0.5) / 3)
    lines = [line.split() for line in seed_table(compared).splitlines()]
    assert lines[3][:3] == ["*", "9", "1.00"]
    assert (lines[5][1], lines[5][4], lines[5][5]) == ("2.00", "1,100", "0.75")
    # Sample standard deviation: of 1, 2, 3 it is 1, of 1000, 1100, 1200 it is 100.
    assert (lines[6][1], lines[6][4]) == ("1.00", "100")
    assert "stability 0.667" in seed_table(compared)
