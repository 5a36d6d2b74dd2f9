#!/usr/bin/env bash
# gensim's LdaModel logs a "perplexity estimate" that is far too low.
#
# Expected: a model that gives each of 64 words the same probability has a
# perplexity of about 64, and the figure that gensim logs agrees with other
# tools' perplexities.
#
# What happens: log_perplexity returns a bound per word in natural logarithms,
# but the log line beside it raises 2 to that power, not e. The uniform model
# of 64 words is logged with a perplexity of 18.0. The figure looks sensible,
# so it gets quoted, and models seem much better than they are.
#
# Seen with gensim 4.4.0.
#
# What to do: don't quote the logged figure. Take exp(-lda.log_perplexity(c)),
# and use the same formula for every model in a comparison.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 gensim==4.4.0

cd "$work"
"$work/venv/bin/python" - <<'PY'
import io
import logging
import math
import re

import gensim
from gensim.models import LdaModel

print("gensim", gensim.__version__)
words = 64
corpus = [[(word, 1) for word in range(words)] for _ in range(200)]
names = {word: f"w{word}" for word in range(words)}
model = LdaModel(corpus, num_topics=1, id2word=names, passes=3, random_state=0)
topic = model.get_topics()[0]
print(f"word probabilities: {topic.min():.5f} to {topic.max():.5f} (1/64 = {1 / 64:.5f})")

said = io.StringIO()
logger = logging.getLogger("gensim")
logger.setLevel(logging.INFO)
logger.addHandler(logging.StreamHandler(said))
bound = model.log_perplexity(corpus)
line = next(l for l in said.getvalue().splitlines() if "perplexity estimate" in l)
logged = float(re.search(r"([\d.]+) perplexity estimate", line).group(1))

print("returned:", bound)
print("logged:  ", line)
print(f"exp(-returned) = {math.exp(-bound):.2f}, 2 ** -returned = {2 ** -bound:.2f}")
assert abs(topic - 1 / words).max() < 1e-3
assert 60 < math.exp(-bound) < 70, "the returned bound is in natural logarithms"
assert abs(logged - 2 ** -bound) < 0.06 and logged < 20, "gensim now logs another figure"
print("As described: perplexity 64 is logged as", logged)
PY
