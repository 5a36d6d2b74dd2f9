"""Whether text is cut into the words that pkuseg itself gives, token by token.

    python -m experiments.same_words [--characters=100000]

All of the People's Daily, 三国演义 and inews, each document as one text, and drawn mixtures of Han, Latin, digits,
full-width forms, rare planes and spaces, of 1 to 1,000 characters. Prints a line for each, and exits with 1 where a
word differs.

Needs:   pkuseg, compiled, and the packages of the corpora (BUILD.md)
Runtime: four minutes on one core, nearly all of them pkuseg's
"""

import argparse
import random
import sys
import time
from collections.abc import Iterator, Sequence

from etm_jax.cli import flags as cli
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.sources import find_source
from etm_jax.corpus.words.pkuseg.decoder import Decoder
from etm_jax.corpus.words.pkuseg.files import find_model
from etm_jax.corpus.words.pkuseg.tables_file import load_tables
from etm_jax.util.console import track
from experiments.tables import markdown

CORPORA = ("peoples_daily", "sanguo", "inews", "drawn")
DRAWN = 6000

BLOCKS = [
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x41, 0x5A), (0x61, 0x7A), (0x30, 0x39), (0xFF01, 0xFF5E),
    (0x3000, 0x303F), (0x2000, 0x206F), (0x1F300, 0x1F64F), (0xE000, 0xE0FF), (0xAC00, 0xAD00), (0x21, 0x2F),
]  # fmt: skip
ODD = [
    "1998年",
    "３５．５％",
    "ＧＤＰ",
    "a.b.c",
    "*_*",
    "---",
    "http://x.cn/a?b=1",
    "5G",
    "Ｃ＋＋",
    "二十三",
    "**Num",
    "ｊ",
]


def drawn_texts(number: int, seed: int) -> list[str]:
    """Mixtures of Han, Latin, digits, full-width forms, rare planes and spaces, of 1 to 1,000 characters."""
    draw = random.Random(seed)
    common = "的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下而过天去能对小"
    common += "多然于心学"
    common += "北京大学计算机科学技术研究所发展中国社会主义市场经济体制改革人民日报记者摄影报道公司总经理"
    texts = []
    for _ in range(number):
        length, parts, size = int(10 ** draw.uniform(0, 3)), [], 0
        while size < length:
            kind = draw.random()
            if kind < 0.5:
                part = "".join(draw.choice(common) for _ in range(draw.randint(1, 20)))
            elif kind < 0.6:
                part = draw.choice(ODD)
            elif kind < 0.65:
                part = draw.choice([" ", "　", "\t", "\n", " \u2003"])
            else:
                low, high = draw.choice(BLOCKS)
                part = "".join(chr(draw.randint(low, high)) for _ in range(draw.randint(1, 6)))
            parts.append(part)
            size += len(part)
        texts.append("".join(parts)[:length])
    return texts


def texts_of(name: str) -> Iterator[str]:
    """The documents of a corpus, each as one text."""
    if name == "drawn":
        yield from drawn_texts(DRAWN, seed=0)
        return
    documents = find_source(CorpusConfig(corpus=name, segmenter="pkuseg")).documents
    assert documents is not None
    yield from (document.text for document in documents())


def main(argv: Sequence[str]) -> int:
    """Compare, and print."""
    parser = argparse.ArgumentParser(
        "python -m experiments.same_words", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--characters", type=int, default=sys.maxsize, help="of each corpus, at most (default: all)")
    given = parser.parse_args(argv[1:])
    import pkuseg

    ours, theirs = Decoder(load_tables(find_model())).cut, pkuseg.pkuseg().cut
    rows, different = [], 0
    for name in CORPORA:
        texts = characters = words = wrong = 0
        seconds = [0.0, 0.0]
        for text in track(texts_of(name), name, unit="texts"):
            started = time.process_time()
            own = ours(text)
            between = time.process_time()
            reference = theirs(text)
            seconds = [seconds[0] + between - started, seconds[1] + time.process_time() - between]
            texts, characters, words = texts + 1, characters + len(text), words + len(reference)
            wrong += own != reference
            if characters >= given.characters:
                break
        rows.append([name, f"{texts:,}", f"{characters:,}", f"{words:,}", f"{wrong:,}", *(f"{s:.1f}" for s in seconds)])
        different += wrong
    header = ["corpus", "texts", "characters", "words", "texts cut otherwise", "our s, a text at a time", "pkuseg's s"]
    print(markdown(rows, header, "<>>>>>>"))
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
