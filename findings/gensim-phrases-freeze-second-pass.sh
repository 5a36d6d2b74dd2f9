#!/usr/bin/env bash
# A frozen second pass of Phrases joins other words than the pass that it was frozen from.
#
# Expected: `phrases.freeze()` gives "a more efficient model" that finds the same
# phrases: frozen[sentence] == phrases[sentence].
#
# What happens: for a second Phrases over the sentences that a first one joined,
# which is how longer phrases are made, they differ. freeze() finds its phrases by
# splitting the counted keys at the delimiter, and new_york_times, counted as the
# pair (new_york, times), is split into new, york, times; it is then scored as the
# pair (new, times) with york between, with the counts of those words, or left out
# where one of them no longer occurs alone.
#
# Seen with gensim 4.4.0.
#
# What to do: give the second pass a delimiter of its own, which no word holds, or
# keep the unfrozen Phrases.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check gensim==4.4.0

cd "$work"
"$work/venv/bin/python" - <<'PY'
from gensim import __version__
from gensim.models.phrases import Phrases

print("gensim", __version__)
sentences = [["new", "york", "times"], ["new", "york"], ["york", "x"]] * 3
sentences += [["times", "a"], ["new", "b"]] * 20 + [[f"c{i}"] for i in range(40)]


def joined_by(delimiter):
    settings = {"min_count": 2, "threshold": 0.3, "scoring": "npmi"}
    first = Phrases(sentences, **settings)
    second = Phrases([first[sentence] for sentence in sentences], delimiter=delimiter, **settings)
    found = second[["new_york", "times"]], second.freeze()[["new_york", "times"]]
    print(f"second pass with {delimiter!r}: Phrases {found[0]}, frozen {found[1]}")
    return found


same, own = joined_by("_"), joined_by("+")
assert own == (["new_york+times"], ["new_york+times"]), own
assert same == (["new_york_times"], ["new_york", "times"]), same
print("As described: frozen, the second pass loses the phrase")
PY
