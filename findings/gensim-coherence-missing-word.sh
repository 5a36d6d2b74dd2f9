#!/usr/bin/env bash
# gensim's CoherenceModel gives a hopeless topic the best score of all.
#
# Expected: a topic with a word that never occurs in the reference texts is
# scored low, or refused.
#
# What happens depends on whether the dictionary happens to know the word.
#   - Known to the dictionary but absent from the texts (the usual case when the
#     dictionary comes from the training set and the texts are another set):
#     c_npmi and c_uci of the topic are +inf, the highest there is; c_v is nan.
#     The mean over all topics turns to inf or nan with it. All one gets is
#     numpy's "divide by zero" RuntimeWarning, which names no word or topic.
#   - Unknown to the dictionary: the word is left out silently, and the score is
#     that of the remaining ones, as if the topic had been shorter.
#
# Seen with gensim 4.4.0.
#
# What to do: before scoring, check that each top word occurs in the reference
# texts, and decide for yourself (score the pair as -1, or report the topic as
# not scored). Check the result with numpy.isfinite.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 gensim==4.4.0

cd "$work"
"$work/venv/bin/python" - <<'PY'
import warnings

import gensim
import numpy as np
from gensim.corpora import Dictionary
from gensim.models.coherencemodel import CoherenceModel

print("gensim", gensim.__version__)
texts = [["rain", "wind", "snow"], ["rain", "wind"], ["wind", "snow", "bank"], ["bank", "rain"]] * 5
dictionary = Dictionary(texts + [["absent"]])


def score(topics, measure):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        model = CoherenceModel(topics=topics, texts=texts, dictionary=dictionary, coherence=measure, processes=1)
        return [float(value) for value in model.get_coherence_per_topic()], float(model.get_coherence())


good = ["rain", "wind", "snow"]
for measure in ("c_npmi", "c_uci", "c_v"):
    (with_absent, fine), mean = score([["rain", "wind", "absent"], good], measure)
    (with_unknown, shorter), _ = score([["rain", "wind", "unheard"], ["rain", "wind"]], measure)
    print(f"{measure:7} topic of known words {fine:.4f}; with an absent word {with_absent}; "
          f"with an unknown word {with_unknown:.4f}; without that word {shorter:.4f}")
    if measure == "c_v":
        assert np.isnan(with_absent)
    else:
        assert with_absent == np.inf
    assert not np.isfinite(mean), "the mean over the topics is spoiled too"
    assert np.isfinite(fine) and with_unknown == shorter
print("As described: absent words give inf or nan, unknown words are left out")
PY
