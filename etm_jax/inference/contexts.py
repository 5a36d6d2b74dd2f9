"""The vectors of new documents, for a model that reads them (--context)."""

import numpy as np

from etm_jax.config.vector_sources import OF_TEXTS, context_kind
from etm_jax.corpus.recounted import CountedDocuments
from etm_jax.util.errors import UserError
from etm_jax.vectors.documents import TextEncoder, path_of, read_vectors, spaced, text_encoder


class NewContexts:
    """Gives documents, in the order in which they are read, the vectors that a model reads.

    trained: the --context of training; given: that of now, by default the same. digest: of what made the vectors then.
    Raises UserError where now something else would make them.
    """

    def __init__(self, trained: str, digest: str, given: str = "") -> None:
        kind, self._context = context_kind(trained), given or trained
        if context_kind(self._context) != kind:
            raise UserError(
                f"--context={given} is not what the model was trained with, --context={trained}; give the same, or "
                "leave it out"
            )
        self._used, self._rows, self._encoder = 0, None, None
        if kind in OF_TEXTS:
            self._encoder = checked_encoder(self._context, digest)
        elif not given:
            raise UserError(
                f"the model was trained with --context={trained}, which has no vectors of new documents; give theirs "
                "as --context=file:VECTORS.npy"
            )
        else:
            self._rows = read_vectors(path_of(given), f"--context={given}")

    def of(self, documents: CountedDocuments) -> np.ndarray:
        """The vectors of documents, which follow those of the last call: [D, C] float32."""
        begin, self._used = self._used, self._used + len(documents.ids)
        if self._rows is not None:
            if self._used > len(self._rows):
                raise UserError(
                    f"--context={self._context} has {len(self._rows):,} rows, and there are more documents; give a row "
                    "for each, in the order of --input"
                )
            return self._rows[begin : self._used]
        assert self._encoder is not None
        if documents.texts is None:
            raise UserError(
                f"--context={self._context} reads the documents' texts, but --input has counts alone; give the texts"
            )
        return self._encoder.encode([spaced(text) for text in documents.texts])

    def check_all_used(self) -> None:
        """Raise UserError where a file has more vectors than there were documents."""
        if self._rows is not None and self._used != len(self._rows):
            raise UserError(
                f"--context={self._context} has {len(self._rows):,} rows for {self._used:,} documents; give a row for "
                "each, in the order of --input"
            )


def checked_encoder(context: str, digest: str) -> TextEncoder:
    """The encoder of --context. Raises UserError where it is another than that of training, which has this digest."""
    if context_kind(context) == "bert" and not path_of(context).is_dir():
        raise UserError(
            f"{path_of(context)}, the folder of the model's encoder, is not there; --context=bert:FOLDER says where "
            "that is now"
        )
    encoder = text_encoder(context)
    if encoder.digest != digest:
        raise UserError(
            f"--context={context} is another encoder (digest {encoder.digest[:16]}) than that of training (digest "
            f"{digest[:16]}), and its vectors mean something else; restore that one"
        )
    return encoder
