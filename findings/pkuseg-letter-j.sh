#!/usr/bin/env bash
# pkuseg takes the full-width letter ｊ for no letter, and cuts words at it.
#
# Expected: pkuseg reads all full-width Latin letters as one class, so that it
# cuts ＡｊＢ公司 as it cuts ＡｋＢ公司.
#
# What happens: its list of small letters has ｇ a second time in the place of ｊ.
# ｊ is then a character that the model has hardly seen, and words are cut before
# it: Ａ/ｊＢ/公司, where ＡｋＢ/公司 stays whole.
#
# Seen with pkuseg 0.0.25.
#
# What to do: fold full-width letters to ASCII before cutting (Unicode NFKC).
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 cython==3.2.4 setuptools==80.9.0 wheel==0.45.1
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-build-isolation pkuseg==0.0.25

cd "$work"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import pkuseg
from pkuseg.feature_extractor import FeatureExtractor

print("pkuseg", version("pkuseg"))
small = [chr(code) for code in range(ord("ａ"), ord("ｚ") + 1)]
read = {letter: next(iter(FeatureExtractor.normalize_text(letter))) for letter in small}
odd = [letter for letter, symbol in read.items() if symbol != "**Letter"]
print("small full-width letters that are read as letters:", len(small) - len(odd), "of", len(small), "all but", *odd)
assert odd == ["ｊ"], "the list has changed"
cut = pkuseg.pkuseg(user_dict=[]).cut
for text in ("Ａ{}Ｂ公司", "（ｘ{}ｚ）", "ｉ{}ｋ"):
    with_j, with_k = cut(text.format("ｊ")), cut(text.format("ｋ"))
    print("/".join(with_j), "but", "/".join(with_k))
    assert len(with_j) == len(with_k) + 1, "they are cut alike now"
print("As described: words are cut before ｊ")
PY
