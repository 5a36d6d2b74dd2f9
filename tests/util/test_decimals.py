"""Numbers as text by tables of digits are the text that a format gives."""

import numpy as np
import pytest

from etm_jax.util.decimals import six_decimals


def formatted(values: np.ndarray) -> list[str]:
    return [",".join(f"{x:.6f}" for x in row) for row in values.tolist()]


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).dirichlet(np.full(50, 0.1), 500),
        # Every share of 2^16 and of 2^20: many lie in the very middle between two texts.
        np.arange(2**16 + 1).reshape(1, -1) / 2**16,
        np.arange(0, 2**20, 7).reshape(-1, 1) / 2**20,
        # Next to the middles between texts, from both sides, as near as single precision has them.
        np.nextafter(np.arange(0.5e-6, 1, 13e-6), 0, dtype=np.float32).reshape(1, -1),
        np.nextafter(np.arange(0.5e-6, 1, 13e-6), 1, dtype=np.float32).reshape(1, -1),
        [[0.0, 1.0, 1e-45, 0.99999994, 5e-7]],
    ],
)
def test_shares_have_the_digits_of_a_format(values) -> None:
    shares = np.asarray(values, np.float32)
    assert six_decimals(shares) == formatted(shares)


@pytest.mark.parametrize(
    "values",
    [
        np.array([[0.1234565, 1 / 3]]),
        np.array([[-0.5, 2.0], [1e9, 0.0]], np.float32),
        np.array([[np.nan, np.inf]], np.float32),
        np.empty((3, 0), np.float32),
        np.empty((0, 3), np.float32),
    ],
)
def test_so_have_all_other_numbers(values: np.ndarray) -> None:
    assert six_decimals(values) == formatted(values)
