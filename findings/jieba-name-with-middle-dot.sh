#!/usr/bin/env bash
# jieba accepts a user word that it can never find.
#
# Expected: after jieba.add_word(word, freq=...) with a very high frequency, or
# the same through a user dictionary, text with the word is cut so that it stays
# whole.
#
# What happens: text is first split into runs of Chinese characters, ASCII
# letters and digits and a few signs (+ # & . _ % -); only inside a run is the
# dictionary looked at. A word with any other character in it is stored without
# complaint, and never comes out: a foreign name with the middle dot, a year
# written with the zero sign, a word with a Greek letter or a slash. Neither the
# frequency, nor suggest_freq, nor HMM=False changes that. A topic model then sees
# "马克" and "吐温" and single characters, with the added words' counts at zero.
#
# Seen with jieba 0.42.1.
#
# What to do: check each user word once by cutting it alone. For those that fall
# apart, put a stand-in sign of the allowed ones in both the word and the text
# (马克_吐温), and put the real one back afterwards.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check jieba==0.42.1

cd "$work"
"$work/venv/bin/python" - <<'PY'
import logging

import jieba

print("jieba", jieba.__version__)
jieba.setLogLevel(logging.ERROR)
with open("words.txt", "w", encoding="utf-8") as user_dictionary:
    user_dictionary.write("列夫·托尔斯泰 10000000 nr\n")
jieba.load_userdict("words.txt")
words = ["列夫·托尔斯泰", "马克·吐温", "二〇二四年", "α粒子", "T/CPU"]
for word in words:
    if word != "列夫·托尔斯泰":
        jieba.add_word(word, freq=10**7)
    jieba.suggest_freq(word, tune=True)
    text = "他说" + word + "很好"
    cuts = [jieba.lcut(text), jieba.lcut(text, HMM=False), jieba.lcut_for_search(text)]
    print(word, "in the dictionary:", word in jieba.dt.FREQ, "->", "/".join(cuts[0]))
    assert word in jieba.dt.FREQ and all(word not in cut for cut in cuts), "the word is found now"

jieba.add_word("云计算", freq=10**7)
jieba.add_word("马克_吐温", freq=10**7)
print("without such a sign:", "/".join(jieba.lcut("他说云计算很好")))
stand_in = jieba.lcut("他说马克·吐温很好".replace("·", "_"))
print("with a stand-in:    ", "/".join(token.replace("_", "·") for token in stand_in))
assert "云计算" in jieba.lcut("他说云计算很好") and "马克_吐温" in stand_in
print("As described: words with other signs are stored but never found")
PY
