"""Questions to a trained model on the screen: what `etm_jax.find` and `etm_jax.explain` do."""

import difflib
from collections import Counter
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from etm_jax.config.vector_sources import OF_TEXTS, context_kind
from etm_jax.corpus.given import texts_over_words
from etm_jax.corpus.recounted import CountedDocuments
from etm_jax.corpus.types import Vocabulary
from etm_jax.inference.contexts import NewContexts
from etm_jax.inference.explain import explain
from etm_jax.inference.find_topics import find_topics
from etm_jax.inference.predictor import ExportPredictor, Predictor, names_of_topics, read_predictor
from etm_jax.metrics.topics import topic_shares
from etm_jax.training.run_folder import RunFolder, exported, exported_counts
from etm_jax.util.console import note, show, table
from etm_jax.util.errors import UserError
from etm_jax.util.reading import read_bounded


def show_found(workdir: str, query: str, num: int, segmenter: str = "") -> None:
    """Print the topics that the words of a query ask for. segmenter: in place of the model's own.

    Raises UserError where the model knows none of them.
    """
    model = read_predictor(workdir)
    counts, unknown = counted_text(model, query, segmenter)
    check_known(counts, unknown, model.vocabulary, query, "--query")
    found = find_topics(model.beta, _shares(workdir, model), counts, model.vocabulary.words, num)
    names = _names(model)
    rows = [(names[t.topic], f"{t.score:.1%}", " ".join(t.words)) for t in found]
    show(table(rows, ("topic", "p(topic | query)", "words"), "<><"))
    _tell_unknown(unknown)


def show_explanation(workdir: str, text: str, file: str, num: int, segmenter: str = "") -> None:
    """Print which words of a document speak for which topic. file: that holds it, where `text` is empty.

    segmenter: in place of the model's own.
    """
    if bool(text) == bool(file):
        raise UserError("give --text=TEXT or --input=FILE, one of the two")
    document = text or _read_text(file)
    model = read_predictor(workdir)
    counts, unknown = counted_text(model, document, segmenter)
    check_known(counts, unknown, model.vocabulary, text or file, "--text" if text else "--input")
    vectors = vectors_of_text(model, document)
    found = explain(model, counts, sum(unknown.values()), posterior=True, context=vectors)
    show(found.to_table(num))
    note(
        "",
        f"{int(counts.sum()):,} words that the model knows; ± is one standard deviation of the document's posterior",
    )
    _tell_unknown(unknown)


def counted_text(
    model: Predictor | ExportPredictor, text: str, segmenter: str = ""
) -> tuple[sp.csr_matrix, Counter[str]]:
    """One text as counts over the model's words, [1, V] CSR, and the words that the model does not know."""
    unknown = Counter[str]()
    return texts_over_words([text], model.config.corpus, model.vocabulary, unknown, segmenter), unknown


def vectors_of_text(model: Predictor | ExportPredictor, text: str) -> np.ndarray | None:
    """One text's vector [1, C], where the model reads that; None where it does not. Raises UserError as `NewContexts`
    does.
    """
    if not isinstance(model, Predictor) or not model.is_given_context:
        return None
    context = model.config.model.context
    if context_kind(context) not in OF_TEXTS:
        raise UserError(
            f"the model was trained with --context={context}, which has no vector of a text that is given here; "
            "etm_jax.infer takes texts with their vectors"
        )
    none = sp.csr_matrix(np.zeros((1, len(model.vocabulary)), np.int32))
    document = CountedDocuments([""], none, np.zeros(1, np.int64), {}, [text])
    return NewContexts(context, model.context_digest).of(document)


def check_known(
    counts: sp.csr_matrix, unknown: Counter[str], vocabulary: Vocabulary, text: str, name: str
) -> None:  # fmt: skip
    """Raise UserError where a text has no word that the model knows, with words that may have been meant."""
    if counts.nnz:
        return
    close = [word for each in unknown for word in difflib.get_close_matches(each, vocabulary.words, n=2)][:3]
    meant = f"; did you mean {' or '.join(close)}?" if close else "; give words of the corpus that it was trained on"
    shown = text if len(text) <= 40 else f"{text[:40]}…"
    raise UserError(f"{name}={shown!r} has none of the model's {len(vocabulary):,} words{meant}")


def _shares(workdir: str, model: Predictor | ExportPredictor) -> np.ndarray:
    """Shares of the corpus' words by topic [K]; equal ones for a model without its run."""
    folder = RunFolder(Path(workdir).expanduser())
    if not folder.export.is_dir():
        return np.full(len(model.beta), 1 / len(model.beta))
    return topic_shares(exported(folder, "theta_train"), exported_counts(folder))


def _names(model: Predictor | ExportPredictor) -> list[str]:
    """Topics by number, and by name where they were named."""
    return [f"{k} {name}".strip() for k, name in enumerate(names_of_topics(model))]


def _read_text(file: str) -> str:
    try:
        return read_bounded(Path(file).expanduser()).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--input={file} cannot be read ({error}); give a UTF-8 text file of one document") from error


def _tell_unknown(unknown: Counter[str]) -> None:
    if unknown:
        common = " ".join(word for word, _ in unknown.most_common(5))
        note(f"{sum(unknown.values()):,} are not the model's and were left out, such as {common}")
