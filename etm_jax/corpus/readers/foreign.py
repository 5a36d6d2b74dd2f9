"""Folders in the formats of other programs, which are no folders of texts: what each is, and how it is given here."""

from pathlib import Path

_AS_COUNTS = "read it in Python by gensim.corpora.{reader} and gensim.matutils.corpus2csc, for ETM.fit(counts, vocab=…)"
_FORMATS = (
    (
        "OCTIS (corpus.tsv, vocabulary.txt)",
        ("corpus.tsv", "vocabulary.txt"),
        "put the line text<TAB>part<TAB>label before the first of corpus.tsv and give --corpus={folder}/corpus.tsv "
        "--segmenter=whitespace --meta_fields=label",
    ),
    (
        "TopMost (train_texts.txt, vocab.txt)",
        ("train_texts.txt", "vocab.txt"),
        "give --corpus={folder}/train_texts.txt --segmenter=whitespace",
    ),
    (
        "UCI's bags of words (docword.*.txt, vocab.*.txt)",
        ("docword.*", "vocab.*"),
        _AS_COUNTS.format(reader="UciCorpus"),
    ),
    ("lda-c (*.dat, vocab.txt)", ("*.dat", "vocab.txt"), _AS_COUNTS.format(reader="BleiCorpus")),
)
"""A name, the files that such a folder has, and the way to give it."""


def foreign_format(folder: Path) -> str:
    """What a folder of another program's format is and how to give it, for a message; empty for any other folder."""
    for name, files, cure in _FORMATS:
        if all(any(folder.glob(pattern)) for pattern in files):
            return f"is a corpus in the format of {name}, not a folder of texts; {cure.format(folder=folder)}"
    return ""
