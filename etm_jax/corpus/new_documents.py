"""New documents for a trained model: read like a corpus, cut like its own, counted over its words."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.fields import NO_FIELDS, Fields, fields_of
from etm_jax.corpus.prepare import resolve
from etm_jax.corpus.readers.decode import STDIN
from etm_jax.corpus.readers.named import NAMED
from etm_jax.corpus.recounted import CountedDocuments, check_shards, recounted, recounted_shard
from etm_jax.corpus.shards.draws import PARTS
from etm_jax.corpus.sources import documents_in, file_documents, files_of, find_source
from etm_jax.corpus.types import Document, Source, TokenStream, Vocabulary
from etm_jax.corpus.words.bags import bags_of_words
from etm_jax.corpus.words.cleaning import clean_documents
from etm_jax.corpus.words.numbering import JoinedTokens, VocabularyNumbers
from etm_jax.corpus.words.phrases import join_phrases
from etm_jax.corpus.words.ranges import TokenRanges
from etm_jax.corpus.words.segment import Segmented, segment_alone, segment_documents, segment_stream
from etm_jax.corpus.words.segmenters import PKUSEG, segmenter_version
from etm_jax.corpus.words.tokenizer import cleaner, raw_text
from etm_jax.corpus.words.tokens import GIVEN, cleans_tokens
from etm_jax.corpus.words.unicode_words import segmenter_named
from etm_jax.util.console import note, silenced, track, warn
from etm_jax.util.errors import UserError

DOCUMENTS_AT_ONCE = 512


def settings_like(config: CorpusConfig, vocabulary: Vocabulary, segmenter: str = "") -> CorpusConfig:
    """How the words of the model came about, once its corpus was known: what `etm_jax.corpus.words.segment` needs.

    segmenter: in place of the model's own; `GIVEN` for lists of words. Text that people have cut, or counts, say
    nothing of how new text is to be: it is cut as that language is by default, which is said. The words that a user's
    dictionary kept whole are the model's own, whatever has become of the file.
    """
    named = [NAMED[name].lang for name in (config.corpus, config.corpus_fallback) if name in NAMED]
    was = segmenter_named(vocabulary.segmenter)
    nothing_said = was in ("gold", GIVEN, "none", "")
    source = Source("", [], lang=named[0] if named else "", segmenter="" if nothing_said else was)
    given = dataclasses.replace(
        config,
        segmenter=segmenter or source.segmenter,
        segmenter_model=config.segmenter_model if not segmenter or segmenter in PKUSEG else "",
        # New tokens are to match the model's words, whatever cuts the text now.
        clean_tokens=cleans_tokens(dataclasses.replace(config, segmenter=segmenter if was in ("none", "") else was)),
        # Of a corpus of shards the run's own settings say nothing of phrases.
        phrases=vocabulary.phrases is not None,
        user_dict="",
        user_words=vocabulary.user_words,
    )
    settings = resolve(given, source)
    if nothing_said and not segmenter:
        how = "elsewhere" if was in ("none", "") else "by people"
        note(f"the model's words were cut {how}; new text is cut by {settings.segmenter} (--segmenter chooses another)")
    return settings


def read_new(name: str, form: str, settings: CorpusConfig, vocabulary: Vocabulary) -> Iterator[CountedDocuments]:
    """The documents that `name` holds, a few at a time: in any form that a corpus may have, or `-`, standard input.

    form: as of --form; of standard input lines where it is empty. settings: of `settings_like`, with --text_field,
    --encoding, --meta_fields and --meta for this file. Each row of a table is a document, one without text too. Raises
    UserError where it cannot be read, and at the end where --meta names none of the documents.
    """
    config = dataclasses.replace(settings, corpus=name, corpus_fallback="", form=form, names_by_line=False)
    fields, joined, number, example = fields_of(config), 0, 0, ""
    for some in _read(name, form, config, vocabulary):
        if fields.file:
            joined, number = joined + sum(map(fields.has_row, some.ids)), number + len(some.ids)
            example = example or some.ids[0]
        yield some
    fields.check_joined(joined, number, example)


def read_file(path: Path, name: str, settings: CorpusConfig, vocabulary: Vocabulary) -> Iterator[CountedDocuments]:
    """The documents of one file out of several, a few at a time, the same in whatever process they are read.

    settings: as of `read_new`, with the --form of all files. name: of the file, before the
    names of documents that no --id_field names. Raises UserError where it cannot be read.
    """

    def documents() -> Iterator[Document]:
        for document in file_documents(path, settings)():
            yield document if settings.id_field else dataclasses.replace(document, id=f"{name}:{document.id}")

    cleaned = clean_documents(documents(), settings, vocabulary.advertisements)
    try:
        yield from counted(segment_alone(cleaned, settings), settings, vocabulary, fields_of(settings))
    except UserError as error:
        raise UserError(str(error).replace("--corpus", "--input")) from error


def files_of_new(name: str, settings: CorpusConfig) -> list[Path]:
    """The files that `read_new` reads documents from. Raises UserError where there are none."""
    if name == str(STDIN):
        return [Path("/dev/stdin")]
    try:
        # What form they have, `read_new` says.
        with silenced():
            return files_of(find_source(dataclasses.replace(settings, corpus=name, corpus_fallback="")))
    except UserError as error:
        raise UserError(str(error).replace("--corpus", "--input")) from error


def _read(name: str, form: str, config: CorpusConfig, vocabulary: Vocabulary) -> Iterator[CountedDocuments]:
    fields = fields_of(config)
    try:
        if name == str(STDIN):
            warn_of_version(config, vocabulary)
            documents = documents_in(STDIN, form or "lines", config)()
            shown = track(clean_documents(documents, config, vocabulary.advertisements), "documents", unit="documents")
            batches = segment_stream(shown, config, max(config.workers, 1))
            yield from counted(batches, config, vocabulary, fields)
            return
        source = find_source(config)
        if source.prepared:
            manifest = check_shards(source.prepared, fields)
            paths = [path for part in PARTS for path in manifest.paths(source.prepared, part)]
            for path in track(paths, "reading", unit="shards"):
                yield from recounted_shard(path, vocabulary, fields)
        elif source.counted:
            yield from recounted(source.counted(), vocabulary, fields)
        else:
            assert source.documents is not None
            yield from counted(segmented(source.documents, config, vocabulary), config, vocabulary, fields)
    except UserError as error:
        raise UserError(str(error).replace("--corpus", "--input")) from error


def warn_of_version(settings: CorpusConfig, vocabulary: Vocabulary) -> None:
    """Say where the segmenter that cut the model's text is here in another version. settings: of `settings_like`."""
    if settings.segmenter != segmenter_named(vocabulary.segmenter):
        return
    now = segmenter_version(settings.segmenter, settings.segmenter_model)
    if now != vocabulary.segmenter:
        warn(
            f"the model's words were cut by {vocabulary.segmenter}, and new text is cut by {now}: some words may "
            "differ; install that version to have them alike"
        )


def segmented(
    documents: Callable[[], Iterator[Document]], settings: CorpusConfig, vocabulary: Vocabulary
) -> Iterator[Segmented]:
    """Documents and their words, cleaned and cut as the model's text was. settings: of `settings_like`."""
    warn_of_version(settings, vocabulary)
    return segment_documents(lambda: clean_documents(documents(), settings, vocabulary.advertisements), settings)


def words_like(tokens: TokenRanges, settings: CorpusConfig, vocabulary: Vocabulary) -> TokenStream:
    """The words of documents as those of the model came about, its phrases joined. settings: of `settings_like`."""
    joined = JoinedTokens(cleaner(settings))
    joined.add(tokens)
    return join_phrases(joined.stream(), vocabulary.phrases)


def unknown_words(batches: Iterable[Segmented], settings: CorpusConfig, vocabulary: Vocabulary) -> Counter[str]:
    """The words that the model does not know, and how often they occur. settings: of `settings_like`."""
    known, found = frozenset(vocabulary.words), Counter[str]()
    for some in batches:
        stream = words_like(some.tokens, settings, vocabulary)
        times = np.bincount(stream.ids, minlength=len(stream.words)).tolist()
        found.update({word: n for word, n in zip(stream.words, times, strict=True) if word not in known})
    return found


def counted(
    batches: Iterator[Segmented], settings: CorpusConfig, vocabulary: Vocabulary, fields: Fields = NO_FIELDS
) -> Iterator[CountedDocuments]:
    """Documents and their words, a few at a time, as counts over the words of the model. settings: they were cut by."""
    numbering = VocabularyNumbers(vocabulary.words, cleaner(settings))
    column = {word: j for j, word in enumerate(vocabulary.words)} if vocabulary.phrases else {}
    for documents, tokens in batches:
        if vocabulary.phrases:
            stream = words_like(tokens, settings, vocabulary)
            columns = np.array([column.get(word, -1) for word in stream.words], np.int32)[stream.ids]
            starts, words = stream.starts, np.diff(stream.starts)
        else:
            columns, is_word = numbering.columns(tokens)
            starts, words = tokens.documents, np.diff(np.concatenate([[0], np.cumsum(is_word)])[tokens.documents])
        ids = [document.id for document in documents]
        own = {name: [document.meta.get(name, "") for document in documents] for name in fields.names}
        counts = bags_of_words(starts, columns, len(vocabulary))
        texts = [raw_text(document, settings.lang) for document in documents]
        yield CountedDocuments(ids, counts, words, fields.columns(own, ids), texts)
