"""The comparison with torch: that it sees a difference, and that there is none. Most of it is skipped without torch."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from conftest import planted_counts
from etm_jax.corpus.types import Corpus, Documents, Vocabulary
from etm_jax.parity.rows import Row, compare, condensed, format_rows, worst

V = 40
SMALL = {"num_topics": 4, "hidden": (16, 16), "embed_dim": 8, "decoder_hidden": (10,), "eta_hidden_size": 6}


def row(quantity="mu", relative=0.0, case="report", **more) -> Row:
    return Row("float64", case, "torch", quantity, 0.0, relative, 1e-9, **more)


def test_differences_are_relative_to_the_largest_magnitude():
    assert compare(np.array([1.0, -4.0]), np.array([1.0, -4.5])) == (0.5, 0.125)
    assert compare(np.zeros(2), np.zeros(2)) == (0.0, 0.0)
    assert compare(np.zeros(2), np.array([0.0, 0.1])) == (0.1, float("inf"))


def test_arrays_of_other_shapes_cannot_be_compared():
    with pytest.raises(ValueError, match=r"torch has \(2,\), ours is \(1,\)"):
        compare(np.zeros(2), np.zeros(1))


def test_a_row_passes_by_its_tolerance_and_never_by_nan():
    assert row(relative=1e-9).passed
    assert not row(relative=1.1e-9).passed
    assert not row(relative=float("nan")).passed
    assert row(relative=1.0, is_absolute=True).passed
    assert "FAIL" in format_rows([row(relative=float("nan"))])


def test_gradients_are_folded_but_for_the_plain_case_and_none_is_lost():
    rows = [
        row("mu"),
        row("gradient of a", 1e-12),
        row("gradient of b", 1e-3),
        row("gradient of c (zero)", 1.0, is_absolute=True),
    ]
    assert condensed(rows) == rows
    others = [r._replace(case="report, dropout") for r in rows]
    values, folded, zero = condensed(others)
    assert values.quantity == "values (1 arrays; worst mu)"
    assert folded.quantity == "gradients (2 arrays; worst gradient of b)"
    assert not folded.passed
    assert zero == others[3]


def test_the_worst_row_is_the_one_that_is_no_number():
    assert worst([row("a", 1e-3), row("b", float("nan"))], "x").quantity == "x (2 arrays; worst b)"


@pytest.fixture(scope="module")
def material():
    """Tiny documents, one of them of a single word."""
    pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    from etm_jax.parity.cases import Material

    dense = planted_counts(60, V, 4).toarray()
    dense[7] = 2 * (np.arange(V) == 3)
    counts = sp.csr_matrix(dense)
    vocabulary = Vocabulary(
        words=[f"w{i}" for i in range(V)],
        doc_freq=np.asarray((counts > 0).sum(0)).ravel(),
        term_freq=np.asarray(counts.sum(0)).ravel(),
        num_docs=60,
        segmenter="none",
    )
    documents = Documents(counts, [""] * 60, [""] * 60)
    return Material(Corpus("tiny", "", vocabulary, documents, documents, documents, counts, counts))


def small(case):
    return case._replace(given=SMALL | case.given)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("number", range(20))
def test_every_case_agrees_with_every_judge_at_hand(material, number, dtype):
    from etm_jax.parity.cases import CASES, judges_of
    from etm_jax.parity.passes import pass_rows

    case = small(CASES[number])
    for make in judges_of(case, None):
        rows = list(pass_rows(case, make, material, dtype))
        assert len(rows) > 15
        assert [r for r in rows if not r.passed] == []


@pytest.mark.parametrize("number", [10, 11, 13, 14, 18, 19])
def test_our_rendering_agrees_with_the_live_packages(material, number):
    from etm_jax.parity.cases import CASES, judges_of
    from etm_jax.parity.passes import rendering_rows

    case = small(CASES[number])
    live = list(judges_of(case, None))[1:]
    if not live:
        pytest.skip("embedded-topic-model and topmost are not installed (make parity)")
    for make in live:
        (row,) = rendering_rows(case, make, material)
        assert row.passed
        assert "arrays" in row.quantity


def test_every_case_is_tested():
    pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    from etm_jax.parity.cases import CASES

    assert len(CASES) == 20


@pytest.fixture
def short_trainings(material, monkeypatch):
    """Trainings of ten small batches, which lack words and on which the watched loss rises."""
    from etm_jax.parity import training

    for name, value in {"COMPARED_AFTER": (1, 10), "BATCH_SIZE": 4, "ANNEAL_EVERY": 2, "ANNEAL_PATIENCE": 1}.items():
        monkeypatch.setattr(training, name, value)
    regimes = [r._replace(given=r.given | {"learning_rate": 0.5}) if r.plateau else r for r in training.REGIMES]
    monkeypatch.setattr(training, "REGIMES", regimes)
    return training


def trained(training, number, regime):
    from etm_jax.parity.cases import CASES, judges_of

    case = small(CASES[number])
    *_, make = judges_of(case, None)
    return case, training.REGIMES[regime], make


@pytest.mark.parametrize("number", [0, 4, 6, 10])
def test_training_agrees_under_every_regime(material, number, short_trainings):
    for regime, size in ((0, 2 * 4 + 3), (-1, 2 * 4 + 3)):
        rows = list(short_trainings.training_rows(*trained(short_trainings, number, regime), material))
        assert len(rows) == size
        assert [r for r in rows if not r.passed] == []


def test_the_dynamic_model_trains_alike_clipped_or_not(material, short_trainings):
    # Steps of the size that makes the watched loss rise take torch's variances beyond all numbers.
    for regime, size in ((0, 2 * 4 + 3), (2, 2 * 4)):
        rows = list(short_trainings.training_rows(*trained(short_trainings, 18, regime), material))
        assert len(rows) == size
        assert [r for r in rows if not r.passed] == []


def test_single_steps_agree_in_float32(material, short_trainings):
    case, _, make = trained(short_trainings, 0, 0)
    rows = list(short_trainings.float32_rows(case, make, material))
    assert len(rows) == 4
    assert [r for r in rows if not r.passed] == []


def planted_in_constants(patch, **off):
    """Let our Adam have another constant in both of its programs."""
    import optax

    from etm_jax.ops import fused_adam
    from etm_jax.training import optimizer

    for name, value in off.items():
        patch.setattr(fused_adam, name.upper(), value)
    patch.setitem(optimizer.RULES, "adam", optax.scale_by_adam(**off))


def planted_in_settings(patch, name):
    """Let our training have another value of a setting of the optimizer."""
    from etm_jax.parity import training

    made = training.weights_of

    def off(*given, **named):
        weights = made(*given, **named)
        settings = weights.spec.optimizer
        settings = dataclasses.replace(settings, **{name: getattr(settings, name) * OFF})
        return weights._replace(spec=weights.spec._replace(optimizer=settings))

    patch.setattr(training, "weights_of", off)


def planted_in_plateau(patch):
    from etm_jax.parity import training
    from etm_jax.training import plateau

    def off(state, config, *rest):
        config = dataclasses.replace(config, anneal_factor=config.anneal_factor * OFF)
        return plateau.anneal(state, config, *rest)

    patch.setattr(training, "anneal", off)


OFF = 1 + 1e-8
FAULTS = {
    "b1": (1, lambda patch: planted_in_constants(patch, b1=0.9 * OFF), "first moments of step 1 "),
    "b2": (1, lambda patch: planted_in_constants(patch, b2=0.999 * OFF), "second moments of step 1 "),
    "eps": (1, lambda patch: planted_in_constants(patch, eps=1e-8 * OFF), "parameters of step 1 "),
    "eps with clipping": (4, lambda patch: planted_in_constants(patch, eps=1e-8 * OFF), "parameters of step 1 "),
    "decay": (1, lambda patch: planted_in_settings(patch, "weight_decay"), "first moments of step 1 "),
    "decay with clipping": (4, lambda patch: planted_in_settings(patch, "weight_decay"), "first moments of step 1 "),
    "clipping": (2, lambda patch: planted_in_settings(patch, "clip_norm"), "first moments of step 1 "),
    "step size": (0, lambda patch: planted_in_settings(patch, "learning_rate"), "parameters of step 1 "),
    "plateau": (3, planted_in_plateau, "step size after 10"),
}
"""By the piece that is off by one part in 10⁸: the regime, how it is planted, and a row that finds it."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_one_part_in_ten_to_the_eighth_is_found(material, short_trainings, monkeypatch, fault):
    regime, plant, found = FAULTS[fault]
    plant(monkeypatch)
    rows = short_trainings.training_rows(*trained(short_trainings, 0, regime), material)
    assert [r.quantity for r in rows if not r.passed and r.quantity.startswith(found)]


def test_a_wrong_weight_is_seen(material, monkeypatch):
    from etm_jax.parity import passes
    from etm_jax.parity.cases import CASES, judges_of
    from etm_jax.parity.ours import weights_of

    def wrong(*arguments, **named):
        weights = weights_of(*arguments, **named)
        params = weights.variables.params
        alpha = params["alpha"].at[0, 0].add(1e-7)
        return weights._replace(variables=weights.variables._replace(params=params | {"alpha": alpha}))

    monkeypatch.setattr(passes, "weights_of", wrong)
    case = small(CASES[0])
    make = next(iter(judges_of(case, None)))
    failed = {r.quantity for r in passes.pass_rows(case, make, material, "float64") if not r.passed}
    assert {"beta", "log p(x) at the nonzeros", "gradient of rho"} <= failed
    assert "mu" not in failed


def test_curves_are_drawn_and_written(material, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra: figures)")
    from etm_jax.parity.cases import CASES, judges_of
    from etm_jax.parity.curves import draw, train_both, write_csv

    case = small(CASES[10])
    curves = train_both(case, next(iter(judges_of(case, None))), material, 3, "float64")
    for theirs, ours in curves.epochs:
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    write_csv(tmp_path / "curves.csv", [curves])
    lines = (tmp_path / "curves.csv").read_text("utf-8").splitlines()
    assert len(lines) == 1 + 3
    assert lines[0].startswith("variant,against,epoch,loss_torch,loss_jax,")
    draw(tmp_path / "curves.png", [curves])
    assert (tmp_path / "curves.png").stat().st_size > 10_000


def parity(*flags, code="", cwd) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", f"{code}\nimport runpy; runpy.run_module('etm_jax.parity', run_name='__main__')"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run([*command, *flags], capture_output=True, text=True, cwd=cwd, env=environment, check=False)


WITHOUT_TORCH = """
import importlib.util as u
find = u.find_spec
u.find_spec = lambda name, *rest: None if name == "torch" else find(name, *rest)
"""


def test_without_torch_it_says_what_to_install(tmp_path):
    done = parity(code=WITHOUT_TORCH, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: etm_jax.parity needs torch, which is not installed; pip install 'etm_jax[torch]'\n"
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_clone_is_refused(tmp_path):
    pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra: figures)")
    done = parity("--ntm=nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: --ntm=nowhere holds no models/vae.py")
    assert not list(tmp_path.iterdir())


def test_help_and_mistakes(tmp_path):
    helped = parity("--help", cwd=tmp_path)
    assert helped.returncode == 0
    assert "--ntm" in helped.stdout
    wrong = parity("--epochs=none", cwd=tmp_path)
    assert wrong.returncode == 2
    assert len(wrong.stderr.splitlines()) == 1
    assert not list(Path(tmp_path).iterdir())
