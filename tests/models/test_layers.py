"""Parameters say what they are: which axis is the vocabulary, and how they start."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from etm_jax.config.build import make_config
from etm_jax.models.layers import init_variables
from etm_jax.ops.mesh import NEVER
from etm_jax.training.steps import Spec, abstract_state


def spec_of(vocab_size: int, variant: str, **given) -> Spec:
    c = make_config(variant, {"num_topics": 3, "hidden": (4, 5), "decoder_hidden": (2,)} | given)
    dim = 6 if c.model.kind == "etm" else 0
    return Spec(c.model, c.objective, c.optimizer, vocab_size, dim, num_steps=1, train_rho=c.vectors.train_rho)


@pytest.mark.parametrize(
    "variant, given",
    [
        ("default", {}),
        ("default", {"read_rho": False}),
        ("report", {}),
        ("paper", {"weight_decay": 0.1}),
        ("default", {"kind": "gsm"}),
        ("report", {"kind": "gsm"}),
        ("paper", {"adam_moments": "compact"}),
        ("default", {"kind": "gsm", "adam_moments": "compact"}),
    ],
)
def test_the_axis_of_words_is_the_one_that_grows_with_the_vocabulary(variant: str, given: dict) -> None:
    small, large = spec_of(11, variant, **given), spec_of(13, variant, **given)
    grows = 0
    leaves = zip(jax.tree.leaves_with_path(abstract_state(small)), jax.tree.leaves(abstract_state(large)), strict=True)
    for (path, one), other in leaves:
        differ = [axis for axis in range(-one.ndim, 0) if one.shape[axis] != other.shape[axis]]
        found = small.vocab_axis(path)
        assert ([] if found is None else [found.axis]) == differ, path
        grows += len(differ)
    assert grows >= 3


def test_a_word_that_fills_up_a_mesh_has_no_probability_and_no_moment() -> None:
    spec = spec_of(11, "default")
    by_name = {
        jax.tree_util.keystr(path): spec.vocab_axis(path) for path, _ in jax.tree.leaves_with_path(abstract_state(spec))
    }
    background = next(axis for name, axis in by_name.items() if "background" in name)
    assert background is not None
    assert background.padding == NEVER
    of_state = [axis.padding for name, axis in by_name.items() if axis and "opt_state" in name]
    assert of_state
    assert set(of_state) == {0.0}


def test_constants_start_at_zero_and_parameters_within_torchs_range() -> None:
    variables = init_variables(jax.random.key(0), spec_of(400, "report").module())
    np.testing.assert_array_equal(variables.constants["background"], jnp.zeros(400))
    kernel = np.asarray(variables.params["hidden_0"]["kernel"])
    assert 0.99 / 20 < np.abs(kernel).max() <= 1 / 20
    assert abs(kernel.mean()) < 4 / 20 / np.sqrt(3 * kernel.size)
