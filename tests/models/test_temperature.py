"""What the topics' logits are divided by once they are trained."""

import json
from pathlib import Path

import numpy as np
import pytest

from conftest import SMALL
from etm_jax import evaluate, train
from etm_jax.cli import flags as cli
from etm_jax.config.build import make_config
from etm_jax.interop.native_files import read_run_weights
from etm_jax.models.etm import ETM
from etm_jax.models.layers import Variables
from etm_jax.training.checkpoint import Checkpoints
from etm_jax.training.ensemble import abstract_states
from etm_jax.training.run_folder import RunFolder
from etm_jax.training.steps import Spec, beta_step
from etm_jax.util.errors import UserError

P = np.array([1 / 2, 1 / 4, 1 / 4], np.float32)
ROOTS = [0.41421356, 0.29289322, 0.29289322]
"""√P over its sum, 1 / √2 + 1."""


def spec_of(vocab_size: int) -> Spec:
    c = make_config("default", {"num_topics": 2, "skip": False})
    return Spec(c.model, c.objective, c.optimizer, vocab_size, embed_dim=vocab_size, num_steps=1, train_rho=True)


@pytest.mark.parametrize("by", ["alpha", "background"])
def test_at_two_topics_are_of_the_roots_of_their_probabilities(by: str) -> None:
    alpha = np.tile(np.log(P) if by == "alpha" else np.zeros(3, np.float32), (2, 1))
    background = np.log(P) if by == "background" else np.zeros(3, np.float32)
    hot = ETM.tempered(Variables({"rho": np.eye(3, dtype=np.float32), "alpha": alpha}, {"background": background}), 2.0)
    np.testing.assert_allclose(beta_step(hot, spec_of(3)), [ROOTS, ROOTS], rtol=1e-6)


def test_at_one_nothing_is_touched() -> None:
    variables = Variables({"alpha": np.ones((2, 3))}, {"background": np.ones(3)})
    assert ETM.tempered(variables, 1.0) is variables


@pytest.mark.parametrize(("variant", "kind"), [("ntm", "etm"), ("paper", "etm"), ("default", "gsm")])
def test_what_is_published_has_none(variant: str, kind: str) -> None:
    assert make_config(variant, {"kind": kind}).model.temperature == 1


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_it_is_above_zero(value: float) -> None:
    with pytest.raises(UserError, match=r"--temperature=.* above 0"):
        make_config("default", {"temperature": value})


@pytest.mark.parametrize("num_seeds", [1, 2])
def test_whatever_reads_a_run_finds_the_topics_that_it_exported(
    num_seeds: int, lines_file: Path, tmp_path: Path
) -> None:
    workdir = tmp_path / "run"
    command = ["train", f"--corpus={lines_file}", f"--workdir={workdir}", *SMALL, f"--num_seeds={num_seeds}"]
    assert cli.run(train.main, [*command, "--temperature=2"]) == 0
    exported = np.load(workdir / "export" / "beta.npy")

    folder = RunFolder(workdir)
    record = folder.record()
    assert record is not None
    state, _ = Checkpoints(folder.checkpoints).restore(abstract_states(record.spec(), num_seeds))
    rho, alpha = np.asarray(state.variables.params["rho"]), np.asarray(state.variables.params["alpha"])
    logits = rho @ np.swapaxes(alpha, -1, -2) + np.asarray(state.variables.constants["background"])[:, None]
    halved = np.exp(logits / 2) / np.exp(logits / 2).sum(-2, keepdims=True)
    each = np.swapaxes(halved, -1, -2).reshape(num_seeds, *exported.shape)
    assert min(np.abs(one - exported).max() for one in each) < 1e-6

    trained = read_run_weights(str(workdir))
    np.testing.assert_array_equal(beta_step(trained.variables, record.spec()), exported)
    assert cli.run(evaluate.main, ["evaluate", f"--workdir={workdir}"]) == 0
    assert json.loads((workdir / "metrics.json").read_text("utf-8"))

    # Trained to the end already: what is exported anew is not tempered twice.
    assert cli.run(train.main, [*command, "--temperature=2"]) == 0
    np.testing.assert_array_equal(np.load(workdir / "export" / "beta.npy"), exported)
