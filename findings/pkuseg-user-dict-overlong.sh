#!/usr/bin/env bash
# pkuseg's user dictionary makes words that are not in it.
#
# Expected: the longest entry that stands at a place is kept whole, and what
# follows it is cut by the model as usual.
#
# What happens: where one entry begins another, longer one, and the text departs
# from the longer one on the way, pkuseg keeps all characters that it has walked
# over, not those up to the end of the entry that it found. With 北京 and
# 北京大学生, the text 北京大学在 gives the word 北京大学, which nobody entered.
# The same text is treated rightly where it ends there: then the end of the
# entry is looked at. So a word's cut depends on whether anything follows.
#
# Seen with pkuseg 0.0.25.
#
# What to do: where one entry begins another, add the strings between them that
# are words of their own, or split the text by the longest entries yourself and
# cut only what is between them.
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

print("pkuseg", version("pkuseg"))
entries = ["北京", "北京大学生"]
cut = pkuseg.pkuseg(user_dict=entries).cut
plain = pkuseg.pkuseg(user_dict=[]).cut


def look(text):
    words = cut(text)
    print(f"entries {'/'.join(entries)}: {text} -> {'/'.join(words)}   (without them: {'/'.join(plain(text))})")
    return words


assert look("北京大学生在") == ["北京大学生", "在"]
assert look("北京人")[0] == "北京", "an entry that the longer one does not go on from"
overlong, at_the_end = look("北京大学在"), look("北京大")
assert overlong[0] == "北京大学" and "北京大学" not in entries, "the entry ends where it should now"
assert at_the_end[0] == "北京", "at the end of the text the entry is right"
assert look("北京大海")[0] == "北京大", "another string that is no entry, and no word"
print("As described: words come out that are no entries")
PY
