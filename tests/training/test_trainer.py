"""Training in process: resuming, early stopping, annealing, diverging, and what is compiled."""

import dataclasses
import json
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp

from conftest import planted_counts
from etm_jax.config.build import make_config
from etm_jax.config.settings import RunOptions
from etm_jax.models.layers import init_variables
from etm_jax.models.objective import Sums
from etm_jax.training import trainer
from etm_jax.training.batches import Batcher
from etm_jax.training.bound import Bound
from etm_jax.training.checkpoint import Checkpoints, InMemoryCheckpoints
from etm_jax.training.ensemble import new_states, stack, train_steps, unstack
from etm_jax.training.nonfinite import NonfiniteSteps
from etm_jax.training.plateau import should_anneal
from etm_jax.training.run_folder import RunFolder, check_resumable
from etm_jax.training.run_record import RunRecord, num_epochs_for, overlap_weight_for
from etm_jax.training.steps import Spec, TrainState, abstract_state, new_state, train_step
from etm_jax.training.train_setup import TrainResult, TrainSetup
from etm_jax.training.trainer import Trainer
from etm_jax.util.errors import UserError
from programs import compiled

V, K, L, DOCS, BATCH = 24, 3, 4, 96, 32
COUNTS = planted_counts(DOCS, V, K, length=8)
NO_DOCUMENTS = sp.csr_matrix((0, V), dtype=np.int32)
TIMES = {"seconds", "docs_per_s"}


def settings(**given):
    small = {"num_topics": K, "hidden": (8,), "embed_dim": L, "checkpoint_every": 1}
    small |= {"learning_rate": 0.016, "lr_schedule": "constant"}
    return make_config("default", small | {"export_from": "best"} | given)


def batcher(counts):
    return Batcher(counts, counts.astype(np.float32), BATCH)


def train(path, epochs, planned=4, valid=COUNTS[:20], counts=COUNTS, **given) -> TrainResult:
    """Train in `path` until `epochs`, or go on there, as part of a run of `planned` epochs."""
    config = settings(**given)
    spec = Spec(config.model, config.objective, config.optimizer, V, L, 3 * planned, config.vectors.train_rho)
    path.mkdir(exist_ok=True)
    folder = RunFolder(path)
    saved = Checkpoints(folder.checkpoints).epochs()
    initial = None if saved else init_variables(jax.random.key(config.train.seed), spec.module())
    checkpoints = Checkpoints(folder.checkpoints)
    setup = TrainSetup(spec, config.train, epochs, batcher(counts), batcher(valid), initial, folder, checkpoints)
    return Trainer(setup).train()


def state(path, which="last", **given) -> TrainState:
    config = settings(**given)
    spec = Spec(config.model, config.objective, config.optimizer, V, L, 12, config.vectors.train_rho)
    return Checkpoints(path / "checkpoints").restore(abstract_state(spec), which)[0]


def rows(path) -> list[dict]:
    lines = (path / "metrics.jsonl").read_text("utf-8").splitlines()
    return [{name: v for name, v in json.loads(line).items() if name not in TIMES} for line in lines]


def bits(tree) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


def feed(monkeypatch, nelbos):
    """Let validation find these figures, one an epoch."""
    figures = iter(nelbos)
    monkeypatch.setattr(trainer, "evaluate_bound", lambda *_: Bound(next(figures), 0.0, 0.0))


WAYS = [
    {"lr_schedule": "cosine"},
    {"optimizer": "adamw", "weight_decay": 0.1, "dropout": 0.3, "clip_norm": 1.0},
    {"optimizer": "rmsprop", "train_rho": False},
    {"adam_moments": "compact", "read_rho": False, "skip": False},
]


@pytest.mark.parametrize("given", WAYS, ids=["cosine", "dropout", "fixed rho", "compact"])
def test_two_epochs_and_two_more_are_four(tmp_path, given):
    whole = train(tmp_path / "whole", 4, **given)
    train(tmp_path / "parts", 2, **given)
    parts = train(tmp_path / "parts", 4, **given)
    assert bits(parts.variables) == bits(whole.variables)
    assert bits(state(tmp_path / "parts", **given)) == bits(state(tmp_path / "whole", **given))
    assert rows(tmp_path / "parts") == rows(tmp_path / "whole")
    assert (parts.epoch, parts.last_epoch) == (whole.epoch, whole.last_epoch)


def test_epochs_after_the_last_checkpoint_are_trained_again(tmp_path, monkeypatch):
    whole = train(tmp_path / "whole", 5, checkpoint_every=2)

    def stop(row):
        if row["epoch"] == 3:
            raise KeyboardInterrupt

    config = settings(checkpoint_every=2)
    spec = Spec(config.model, config.objective, config.optimizer, V, L, 12, True)
    folder = RunFolder(tmp_path / "parts")
    folder.path.mkdir()
    initial = init_variables(jax.random.key(config.train.seed), spec.module())
    data, checkpoints = (batcher(COUNTS), batcher(COUNTS[:20])), InMemoryCheckpoints()
    setup = TrainSetup(spec, config.train, 5, *data, initial, folder, checkpoints, on_epoch=stop)
    with pytest.raises(KeyboardInterrupt):
        Trainer(setup).train()
    assert [row["epoch"] for row in rows(folder.path)] == [1, 2, 3]
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 4, "step"')  # half a line
    assert bits(train(folder.path, 5, checkpoint_every=2).variables) == bits(whole.variables)
    assert rows(folder.path) == rows(tmp_path / "whole")


def test_a_finished_run_is_left_as_it_is(tmp_path, capsys):
    first = train(tmp_path, 2)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert "complete" not in capsys.readouterr().err
    jax.clear_caches()
    with compiled() as names:
        again = train(tmp_path, 2)
    assert names
    assert "_train_step" not in names
    assert bits(again.variables) == bits(first.variables)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before
    assert "was already complete, 2 epochs: nothing is trained" in capsys.readouterr().err


def test_resuming_is_said(tmp_path, capsys):
    train(tmp_path, 1)
    capsys.readouterr()
    train(tmp_path, 3)
    assert f"the run in {tmp_path} resumes after epoch 1 of 3" in capsys.readouterr().err


def test_patience_ends_a_run_once_and_for_all(tmp_path, monkeypatch):
    feed(monkeypatch, [5.0, 4.0, 4.5, 4.25, 3.0])
    fitted = train(tmp_path, 9, patience=2)
    assert (fitted.epoch, fitted.last_epoch) == (2, 4)
    again = train(tmp_path, 9, patience=2)
    assert (again.epoch, again.last_epoch) == (2, 4)
    assert [row["epoch"] for row in rows(tmp_path)] == [1, 2, 3, 4]


def test_patience_counts_on_after_a_restart(tmp_path, monkeypatch):
    feed(monkeypatch, [5.0, 4.0, 4.5, 4.25, 4.125, 3.0])
    train(tmp_path, 3, patience=3)
    fitted = train(tmp_path, 9, patience=3)
    assert (fitted.epoch, fitted.last_epoch) == (2, 5)


@pytest.mark.parametrize(
    "figures, anneal",
    [
        ([7.0, 8.0, 9.0], False),  # nothing is older than the two epochs before this one
        ([7.0, 8.0, 8.0, 9.0], True),  # 9 > 7
        ([7.0, 8.0, 8.0, 7.0], False),  # as good as the old best is not worse
        ([9.0, 6.0, 7.0, 8.0], False),  # better than 9; the best itself is too young to count
        ([7.0, 9.0, 9.0, 9.0, 8.0], True),  # falling again, but still above the old best
        ([7.0, 9.0, 9.0, 9.0, 6.0], False),
    ],
)
def test_the_rule_of_the_paper(figures, anneal):
    # adjidieng/ETM, main.py: len(all) > nonmono and newest > min(all[:-nonmono]), `all` being without the newest.
    assert should_anneal([math.inf, *figures], 2) == anneal


def test_annealing_divides_the_rate_and_is_remembered(tmp_path, monkeypatch):
    given = {"anneal_lr": True, "anneal_patience": 1, "anneal_factor": 4.0}
    figures = [5.0, 6.0, 7.0, 4.0, 8.0, 3.0]  # epochs 3 and 5 are above the best figure more than an epoch old
    feed(monkeypatch, figures)
    whole = train(tmp_path / "whole", 6, **given)
    feed(monkeypatch, figures)
    train(tmp_path / "parts", 3, **given)
    parts = train(tmp_path / "parts", 6, **given)
    expected = [0.016, 0.016, 0.016, 0.004, 0.004, 0.001]
    for path in ("whole", "parts"):
        assert [row["lr"] for row in rows(tmp_path / path)] == pytest.approx(expected, rel=1e-6)
    assert bits(parts.variables) == bits(whole.variables)


def test_annealing_stops_at_the_least_rate(tmp_path, monkeypatch):
    feed(monkeypatch, [1.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    train(tmp_path, 6, anneal_lr=True, anneal_patience=1, anneal_factor=1000.0)
    # Annealed after epochs 3 and 4; 1.6e-8 is no longer above 1e-5.
    assert [row["lr"] for row in rows(tmp_path)] == pytest.approx([1.6e-2] * 3 + [1.6e-5] + [1.6e-8] * 2, rel=1e-6)


LARGEST = np.finfo(np.float32).max
HOSTILE = COUNTS.astype(np.float32)
HOSTILE.data[HOSTILE.indptr[5] : HOSTILE.indptr[6]] = LARGEST  # What scikit-learn's users may give for counts.


def test_a_step_that_is_not_finite_changes_nothing_but_the_others_do(tmp_path, capsys):
    fitted = train(tmp_path, 2, counts=HOSTILE, valid=NO_DOCUMENTS)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(fitted.variables))
    found = rows(tmp_path)
    assert [row["skipped_steps"] for row in found] == [1, 1]
    assert all(np.isfinite(row["nelbo"]) for row in found)
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert [line.partition(" of epoch ")[0] for line in warnings] == ["warning: 1 of the 3 steps"] * 2
    assert re.search(r"1 were not applied: in the last, the .* of document 5 was not finite$", warnings[0])


def test_without_the_others_steps_a_run_stops_and_names_the_document(tmp_path):
    counts = HOSTILE[:BATCH]
    with pytest.raises(UserError, match=r"epoch 1: none of its 1 steps was applied: in the last, the .* of document 5"):
        train(tmp_path, 9, counts=counts, valid=NO_DOCUMENTS)
    kept = state(tmp_path)
    assert int(kept.step) == 0


def test_many_steps_in_a_row_that_are_not_finite_end_a_run_on_the_last_good_state(tmp_path):
    train(tmp_path, 1)
    before = bits(state(tmp_path))
    bad = sp.csr_matrix((np.full(COUNTS.nnz, LARGEST), COUNTS.indices, COUNTS.indptr), COUNTS.shape)
    many = sp.vstack([bad] * 12).tocsr()
    with pytest.raises(
        UserError, match=r"1\d steps in a row were not applied: in the last, the .* documents, the first"
    ):
        train(tmp_path, 2, counts=many)
    assert bits(state(tmp_path)) == before


def test_a_step_that_is_not_applied_leaves_every_bit(tmp_path):
    for given in ({}, {"optimizer": "rmsprop", "clip_norm": 1.0}):
        config = settings(**given)
        spec = Spec(config.model, config.objective, config.optimizer, V, L, 12, train_rho=True)
        before_any = new_state(init_variables(jax.random.key(1), spec.module()), spec)
        good, bad = (batcher(counts).take(np.arange(BATCH)) for counts in (COUNTS, HOSTILE))
        state, sums = train_step(before_any, good, jax.random.key(2), spec)
        assert np.isfinite(sums.recon)
        before = bits(state._replace(step=0))
        state, sums = train_step(state, bad, jax.random.key(2), spec)
        assert np.isnan(sums.recon)
        assert bits(state._replace(step=0)) == before


def test_of_several_models_one_may_stand_still(tmp_path):
    config = settings(num_seeds=2)
    spec = Spec(config.model, config.objective, config.optimizer, V, L, 12, train_rho=True)
    members = [init_variables(jax.random.key(seed), spec.module()) for seed in (1, 2)]
    members[1].params["alpha"] = members[1].params["alpha"].at[0, 0].set(jnp.inf)
    state = new_states(stack(members), spec)
    before = jax.tree.map(np.array, unstack(state.variables, 2))
    state, sums = train_steps(state, batcher(COUNTS).take(np.arange(BATCH)), jax.random.split(jax.random.key(1)), spec)
    after = unstack(state.variables, 2)
    assert np.isfinite(np.asarray(sums.recon)).tolist() == [True, False]
    assert bits(after[1]) == bits(before[1])
    assert bits(after[0]) != bits(before[0])


def test_the_model_that_stands_still_is_the_one_that_is_looked_into():
    skipped = NonfiniteSteps()
    sums = [Sums(np.array(recon), np.ones(2), np.ones(2)) for recon in ([1.0, 2.0], [3.0, math.nan], [4.0, 5.0])]
    skipped.check(sums, lag=3)
    assert skipped.num_skipped == 0  # None is old enough.
    skipped.check(sums)
    assert (skipped.last, skipped.member, skipped.num_skipped, skipped.in_a_row) == (1, 1, 1, 1)
    assert [np.asarray(step.recon).tolist() for step in skipped.applied(sums)] == [[1.0, 2.0], [3.0, 0.0], [4.0, 5.0]]
    assert skipped.applied(sums)[1].docs.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("next_epoch, too_many", [([math.nan], True), ([1.0], False)])
def test_steps_in_a_row_are_counted_across_epochs_until_one_is_applied(next_epoch, too_many):
    def of(recons):
        return [Sums(np.float32(recon), np.ones(()), np.ones(())) for recon in recons]

    skipped = NonfiniteSteps()
    skipped.check(of([1.0] + [math.nan] * 9))
    assert not skipped.too_many
    skipped.start_epoch()
    assert not skipped.too_many
    skipped.check(of(next_epoch))
    assert skipped.too_many == too_many
    assert skipped.last == (0 if too_many else -1)


def test_divergence_names_the_way_out(tmp_path):
    with pytest.raises(UserError, match=r"diverged in epoch \d.*--learning_rate=1e\+06.*--clip_norm=1") as error:
        train(tmp_path, 30, learning_rate=1e6)
    assert f"epoch {Checkpoints(tmp_path / 'checkpoints').epochs()[-1]} stays" in str(error.value)
    assert np.isfinite(np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(state(tmp_path))])).all()


def test_divergence_in_the_only_step_is_seen_too(tmp_path):
    # The loss of an epoch's only step is that of the parameters before it.
    with pytest.raises(UserError, match=r"diverged in epoch 1"):
        train(tmp_path, 1, learning_rate=1e38, rho_lr=100.0, counts=COUNTS[:BATCH], valid=NO_DOCUMENTS)
    assert Checkpoints(tmp_path / "checkpoints").epochs() == [0]


def test_what_is_remembered_is_what_is_kept(tmp_path, monkeypatch):
    for which in ("best", "last"):
        fitted = []
        for checkpoints in (Checkpoints(tmp_path / which), InMemoryCheckpoints()):
            feed(monkeypatch, [5.0, 3.0, 4.0, 2.0, 6.0])
            config = settings(export_from=which, checkpoint_every=3)
            spec = Spec(config.model, config.objective, config.optimizer, V, L, 15, config.vectors.train_rho)
            initial = init_variables(jax.random.key(1), spec.module())
            folder = RunFolder(tmp_path)
            data = batcher(COUNTS), batcher(COUNTS)
            setup = TrainSetup(spec, config.train, 5, *data, initial, folder, checkpoints)
            fitted.append(Trainer(setup).train())
        kept, remembered = fitted
        assert kept.epoch == remembered.epoch == {"best": 3, "last": 5}[which]
        assert bits(kept.variables) == bits(remembered.variables)


def test_the_best_or_the_last_epoch_is_exported(tmp_path, monkeypatch):
    feed(monkeypatch, [5.0, 3.0, 4.0])
    best = train(tmp_path, 3, temperature=1.0)
    last = train(tmp_path, 3, temperature=1.0, export_from="last")
    assert (best.epoch, last.epoch) == (2, 3)
    assert bits(best.variables) == bits(state(tmp_path, "best").variables)
    assert bits(last.variables) == bits(state(tmp_path, "last").variables)
    assert bits(best.variables) != bits(last.variables)


def test_without_validation_documents_the_training_nelbo_decides(tmp_path):
    fitted = train(tmp_path, 3, valid=NO_DOCUMENTS)
    nelbos = [row["nelbo"] for row in rows(tmp_path)]
    assert "valid_nelbo" not in rows(tmp_path)[0]
    assert fitted.epoch == 1 + int(np.argmin(nelbos))


def test_a_run_compiles_one_program_for_each_size_and_function(tmp_path):
    dropout = 0.125  # of no other test
    with compiled() as names:
        train(tmp_path, 2, dropout=dropout)
    assert [names.count(name) for name in ("_train_step", "eval_step")] == [1, 1]
    with compiled() as names:
        train(tmp_path, 4, dropout=dropout)
    assert names.count("_train_step") <= 1


@pytest.mark.parametrize(
    ("docs", "words", "per_doc", "epochs"),
    [
        # Each word in 16 documents: 60·√16 = 240 steps of 256 documents are 6 passes over 10,240.
        (10_240, 6_400, 10, 6),
        # In 64, twice the steps.
        (10_240, 1_600, 10, 12),
        # No less than 4 and no more than 60.
        (102_400, 640_000, 10, 4),
        (256, 160, 10, 60),
    ],
)
def test_automatic_epochs_grow_with_the_root_of_the_documents_of_a_word(docs, words, per_doc, epochs):
    cols = np.arange(docs * per_doc) % words
    starts = np.arange(docs + 1) * per_doc
    counts = sp.csr_matrix((np.ones(docs * per_doc, np.int32), cols, starts), shape=(docs, words))
    assert num_epochs_for(make_config().train, *counts.shape, counts.nnz, 256) == epochs
    assert num_epochs_for(settings(num_epochs=7).train, *counts.shape, counts.nnz, 256) == 7


@pytest.mark.parametrize(
    ("words_a_document", "weight"),
    [(5, 0.6 / 16), (10, 0.15), (20, 0.6), (40, 0.6 * 2 ** (1 / 3)), (1000, 1.0)],
)
def test_automatic_weight_of_the_overlap_grows_with_the_words_of_a_document(words_a_document, weight):
    objective = make_config().objective
    assert overlap_weight_for(objective, 300, 300 * words_a_document, 15) == pytest.approx(weight)
    # Half the documents that a topic should have, half the weight.
    assert overlap_weight_for(objective, 300, 300 * words_a_document, 30) == pytest.approx(weight / 2)
    given = dataclasses.replace(objective, overlap_weight=0.3)
    assert overlap_weight_for(given, 300, 300 * words_a_document, 30) == 0.3


def record(config) -> RunRecord:
    return RunRecord(
        config, "", "lines.txt", "d", "h", V, DOCS, L, BATCH, num_epochs_for(config.train, DOCS, V, COUNTS.nnz, BATCH)
    )


def test_a_longer_run_resumes_where_the_rate_is_constant(tmp_path):
    before = settings(num_epochs=2)
    longer = settings(num_epochs=4)
    check_resumable(record(before), longer, RunOptions(), tmp_path)
    train(tmp_path / "parts", 2, planned=2)
    parts = train(tmp_path / "parts", 4)
    whole = train(tmp_path / "whole", 4)
    assert bits(parts.variables) == bits(whole.variables)


@pytest.mark.parametrize("before, now, schedule", [(2, 4, "cosine"), (4, 2, "constant")])
def test_another_number_of_epochs_is_refused_where_it_changes_the_first(tmp_path, before, now, schedule):
    started, given = (settings(num_epochs=n, lr_schedule=schedule) for n in (before, now))
    with pytest.raises(UserError, match=rf"has --num_epochs={now}, but .* started with --num_epochs={before}"):
        check_resumable(record(started), given, RunOptions(), tmp_path)
