"""The vectors of whole documents that `ETM` reads (context), handed over or made of texts."""

import dataclasses
from typing import Any

import numpy as np

from etm_jax.api.state import FittedState
from etm_jax.config.vector_sources import OF_TEXTS, context_kind, is_given
from etm_jax.corpus.given import as_documents
from etm_jax.corpus.types import Contexts, Corpus
from etm_jax.inference.contexts import checked_encoder
from etm_jax.util.errors import UserError
from etm_jax.vectors.documents import IN_PYTHON, checked, encoded, placed, text_encoder, texts_of, words_contexts


class ContextVectors(FittedState):
    """What `ETM` does with its parameter `context`."""

    context: Any
    lang: str
    _given_context: Any = None

    def _asked_context(self) -> Any:
        """What `fit` was given, or else the parameter. Raises UserError where both name vectors and one is no array."""
        if self._given_context is None:
            return self.context
        if isinstance(self.context, str) and self.context not in ("", IN_PYTHON):
            raise UserError("context is given twice, to the model and to fit; leave out one of them")
        return self._given_context

    def _context_setting(self) -> str:
        """The same as the setting of a run."""
        asked = self._asked_context()
        return asked if isinstance(asked, str) else IN_PYTHON

    def _fit_vectors(self, documents: list[Any]) -> np.ndarray | None:
        """Those of the documents to fit: [D, C]; None where the model is given none."""
        setting = self._context_setting()
        if context_kind(setting) == "file":
            given = self._asked_context()
            if isinstance(given, str):
                raise UserError(
                    f"context={given!r} stands for vectors of other documents; give those of these as an array, as "
                    "numpy.load reads it"
                )
            return _rows(given, len(documents))
        return self._of_texts(documents, setting, None)

    def _vectors(self, documents: list[Any], num_docs: int, given: Any) -> np.ndarray | None:
        """Those of documents for the fitted model: [D, C]; None where it is given none."""
        setting = self._trained.config.model.context
        if given is not None:
            if context_kind(setting) != "file":
                what = f"makes them itself, by context={setting!r}" if setting else "was fitted without"
                raise UserError(f"context: the model {what}; leave it out")
            return _rows(given, num_docs)
        if context_kind(setting) == "file":
            raise UserError("context is missing: the model reads a vector of each document; give them as an array")
        return self._of_texts(documents, setting, self._trained.context_digest)

    def _of_texts(self, documents: list[Any], setting: str, digest: str | None) -> np.ndarray | None:
        """digest: of the encoder that has to make them; None for any."""
        if context_kind(setting) not in OF_TEXTS:
            return None
        if not documents or isinstance(documents[0], int | np.integer):
            raise UserError(f"context={setting!r} reads texts, but counts were given; give their vectors as an array")
        encoder = text_encoder(setting) if digest is None else checked_encoder(setting, digest)
        return encoded(encoder, texts_of(as_documents(documents), self.lang or "zh"), len(documents))

    def _with_contexts(self, corpus: Corpus, vectors: np.ndarray | None) -> Corpus:
        """The corpus of documents to learn from with their vectors. vectors: [D, C], of all given documents."""
        config = self._config()
        found: Contexts | None = None
        if config.model.context and not is_given(config.model.context):
            found = words_contexts(corpus, config)
        elif vectors is not None:
            rows = {part: np.array(list(map(int, getattr(corpus, part).ids)), np.int64) for part in ("train", "valid")}
            found = placed(corpus, vectors, rows | {"test": np.zeros(0, np.int64)}, IN_PYTHON, "given")
            if context_kind(config.model.context) in OF_TEXTS:
                encoder = text_encoder(config.model.context)
                found = found._replace(digest=encoder.digest, origin=encoder.origin)
        return dataclasses.replace(corpus, contexts=found)


def _rows(given: Any, num_docs: int) -> np.ndarray:
    try:
        found = np.asarray(given)
    except ValueError as error:
        raise UserError(f"context is no array ({error}); give numbers, a row for each document") from error
    found = checked(found, "context")
    if len(found) != num_docs:
        raise UserError(f"context has {len(found):,} rows for {num_docs:,} documents; give one for each")
    return found
