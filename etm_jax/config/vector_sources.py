"""The sources of word vectors by name. Loads no JAX: flags and help are made from it."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class VectorSource:
    """Where word vectors come from.

    name: as --vectors has it. about: a phrase for --help. module: has `check` and `make`, as `etm_jax.vectors.base`
    says. argument: what follows the name and a colon, as PATH in file:PATH; empty for a name alone. own_length: whether
    the vectors have a length of their own, which --emb_dim need not give.
    """

    name: str
    about: str
    module: str
    argument: str = ""
    own_length: bool = False

    @property
    def shown(self) -> str:
        """The name with its argument."""
        return f"{self.name}:{self.argument}" if self.argument else self.name


VECTOR_SOURCES = {
    source.name: source
    for source in (
        VectorSource("ppmi", "from the documents' words alone", "etm_jax.vectors.ppmi"),
        VectorSource("skipgram", "word2vec, from running text", "etm_jax.vectors.word2vec"),
        VectorSource("cbow", "word2vec, from running text", "etm_jax.vectors.word2vec"),
        VectorSource("use", "a sentence encoder (extra: use)", "etm_jax.vectors.use", own_length=True),
        VectorSource("random", "as torch's Linear starts", "etm_jax.vectors.random"),
        VectorSource("file", "word2vec's formats or GloVe's", "etm_jax.vectors.file", argument="PATH", own_length=True),
        VectorSource(
            "bert",
            "words in their contexts, by an encoder of the BERT family (extra: bert)",
            "etm_jax.vectors.bert.words",
            argument="FOLDER",
            own_length=True,
        ),
    )
}

JOINED = VectorSource("A+B", "several of them side by side, reduced to --emb_dim", "etm_jax.vectors.joined")
"""Of a value such as ppmi+bert:FOLDER."""


def joined_sources(value: str) -> list[str]:
    """The sources that a value joins by `+`, or the one that it is.

    A `+` is one between sources only where the name of one follows, so that paths may have others.
    """
    names = "|".join(f"{s.name}:" if s.argument else rf"{s.name}(?=\+|$)" for s in VECTOR_SOURCES.values())
    return re.split(rf"\+(?={names})", value)


def vector_source(value: str) -> VectorSource | None:
    """The source that a value of --vectors names; None where there is none, or one of several is none."""
    if len(parts := joined_sources(value)) > 1:
        return JOINED if all(map(vector_source, parts)) else None
    name, colon, argument = value.partition(":")
    source = VECTOR_SOURCES.get(name)
    return source if source and bool(source.argument) == bool(colon and argument) else None


CONTEXT_SOURCES = {
    "use": "a sentence encoder of 16 languages (extra: use)",
    "bert:FOLDER": "a BERT in safetensors",
    "file:VECTORS.npy": "a row for each document as they are read",
    "ppmi": "the mean of its words' PPMI vectors",
}
"""Where vectors of whole documents come from, as --context has them, with a phrase for each."""

OF_TEXTS = ("use", "bert")
"""Those that read a document's text."""


def context_kind(value: str) -> str:
    """The name of the source that a value of --context names, as file of file:PATH; empty where there is none."""
    return value.partition(":")[0]


def is_given(context: str) -> bool:
    """Whether documents have to bring their vectors of this --context, which the model does not make of counts."""
    return context_kind(context) not in ("", "ppmi")
