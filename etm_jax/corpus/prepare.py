"""The whole way from a corpus that was found to sparse counts that a model can be trained on."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.checks import check_different, check_read, warn_of_language
from etm_jax.corpus.fields import Fields, fields_of
from etm_jax.corpus.left_out import BlankRows, left_out
from etm_jax.corpus.metadata import MetaColumn, Metadata, ValueTally
from etm_jax.corpus.shards import read_corpus
from etm_jax.corpus.store.cache import load_corpus, save_corpus
from etm_jax.corpus.store.compressed import Compressor
from etm_jax.corpus.store.packed import PackedTexts, Packer
from etm_jax.corpus.store.started import Way, check_same_words, way_of
from etm_jax.corpus.types import Corpus, Document, Documents, FilterReport, Source, Vocabulary
from etm_jax.corpus.words.cleaning import Cleaning
from etm_jax.corpus.words.phrase_learning import learn_phrases
from etm_jax.corpus.words.pkuseg.files import model_folder
from etm_jax.corpus.words.ranges import TokenRanges
from etm_jax.corpus.words.script import in_script
from etm_jax.corpus.words.segment import segment_documents
from etm_jax.corpus.words.segmenters import PKUSEG, segmenter_version
from etm_jax.corpus.words.split import halves, split_documents
from etm_jax.corpus.words.stop_words import read_stop_words
from etm_jax.corpus.words.text_starts import beginning_of, commonest_words, shown_text
from etm_jax.corpus.words.tokenizer import cleaner, raw_text
from etm_jax.corpus.words.tokens import GIVEN, MergedTokens, given_warnings
from etm_jax.corpus.words.user_dict import read_user_dict, tell_found, user_dict_of
from etm_jax.corpus.words.vocabulary import (
    by_frequency,
    count_matrix,
    filter_words,
    index_tokens,
    select_stream,
    word_frequencies,
)
from etm_jax.util.arrays import canonical
from etm_jax.util.console import note, warn, working_on
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED, check_writable

_COUNTED_SEGMENTER = "none"


def prepare(
    source: Source,
    config: CorpusConfig,
    cache_dir: Path | None = None,
    expected_digest: str | None = None,
    expected_name: str = "",
    texts: bool = False,
    expected_vocabulary: Vocabulary | None = None,
) -> Corpus:
    """The corpus as `config` wants it: from the cache where it is there, else made and put there.

    cache_dir: holds one folder a prepared corpus; None keeps nothing. expected_digest, expected_name,
    expected_vocabulary: those of the corpus that a run was started with, perhaps by an earlier version or another
    Python, where words and counts have to be the same. texts: whether its documents are to have the beginnings of their
    texts, which take memory and are in the cache in any case. A folder that `etm_jax.prepare --input` made is read as
    it is, whatever `config` says. Raises UserError where the corpus, a setting or the cache folder cannot be used, or
    the corpus is another one.
    """
    if source.prepared:
        return _from_shards(source.prepared, expected_digest, expected_name, texts)
    if source.counted and config.phrases:
        raise UserError(
            f"--phrases needs running text, but {source.name} came as counts; leave it out, or give the text"
        )
    settings = resolve(config, source)
    if config.clean and not settings.clean:
        what = "counts" if source.counted else "words"
        warn(f"--clean={config.clean} changes nothing: {source.name} comes as {what}, and only text is cleaned")
    version = _COUNTED_SEGMENTER if source.counted else segmenter_version(settings.segmenter, settings.segmenter_model)
    way = Way(settings, version)
    digest = way.digest(source)
    if expected_digest not in (None, digest):
        started = way_of(expected_digest, source, way, expected_vocabulary)
        if (
            started is None
            and source.earlier
            and (started := way_of(expected_digest, source.earlier, way, expected_vocabulary))
        ):
            source = source.earlier
        if started is None:
            raise UserError(
                f"--corpus={source.name} is not what the run in --workdir was started with ({expected_name}): another "
                f"text, stop words, user dictionary, segmenter (now {version}), file of --meta or version of etm_jax; "
                "restore that, or give another --workdir"
            )
        way, digest = started, expected_digest
    folder = cache_dir / digest[:16] if cache_dir else None
    if folder and folder.exists() and not config.rebuild:
        try:
            corpus = load_corpus(folder, texts)
            note(f"corpus: prepared before, in {folder}; --rebuild prepares it again")
            return dataclasses.replace(corpus, name=source.name)
        except (*DAMAGED, UserError) as error:
            note(f"corpus: {folder} cannot be used ({error}); preparing it again")
    if cache_dir:
        # What others have prepared is read from a folder that only they can write to.
        check_writable(cache_dir, "cache_dir")
    if source.counted:
        corpus = _from_counts(source, way.config, digest)
    else:
        corpus = _from_documents(source, way.config, way.version, digest, with_texts=texts or folder is not None)
        if config.lang or not source.lang:
            read = corpus.text.words if corpus.text else corpus.vocabulary.words
            warn_of_language(corpus.vocabulary.words, read, config.lang, way.config.segmenter)
    if way.digest(source) != digest:
        raise UserError(
            f"--corpus={source.name} changed while it was read, or a file that it is prepared with did; "
            "give the command again when it is written no more"
        )
    if not way.exact:
        check_same_words(corpus.vocabulary, expected_vocabulary, source.name, version)
    if folder:
        save_corpus(corpus, folder)
    return corpus if texts else without_texts(corpus)


def without_texts(corpus: Corpus) -> Corpus:
    """The corpus without the beginnings of its documents' texts."""
    train, valid, test = (dataclasses.replace(part, texts=None) for part in (corpus.train, corpus.valid, corpus.test))
    return dataclasses.replace(corpus, train=train, valid=valid, test=test)


def _from_shards(folder: Path, expected_digest: str | None, expected_name: str, texts: bool) -> Corpus:
    corpus = read_corpus(folder, texts)
    if expected_digest not in (None, corpus.digest):
        raise UserError(
            f"--corpus={folder} is not what the run in --workdir was started with ({expected_name}), but was prepared "
            "from other text or with other settings; restore that, or give another --workdir"
        )
    return corpus


def resolve(config: CorpusConfig, source: Source) -> CorpusConfig:
    """`config` with `lang`, `segmenter`, `lowercase`, `min_token_len` and `user_words` decided, as new documents will
    need them. Raises UserError where the file of --user_dict cannot be used.
    """
    lang = config.lang or source.lang or "zh"
    english = lang == "en"
    segmenter = config.segmenter or source.segmenter or ("words" if english else "pkuseg")
    lowercase = english if config.lowercase is None else config.lowercase
    user_words = config.user_words
    if config.user_dict and not user_words:
        user_words = read_user_dict(config.user_dict, dataclasses.replace(config, lowercase=lowercase)).to_text()
    if config.segmenter_model and segmenter not in PKUSEG:
        raise UserError(
            f"--segmenter_model is for --segmenter={PKUSEG[0]} and its like; --segmenter={segmenter} takes no model; "
            "leave it out"
        )
    if user_words and segmenter == "words":
        raise UserError(
            "--user_dict is for words that text does not part by spaces, and --segmenter=words parts it there; leave "
            "--user_dict out, or give another --segmenter"
        )
    asked = fields_of(config).names if source.fields else ()
    return dataclasses.replace(
        config,
        meta_fields=",".join(dict.fromkeys((*asked, *source.fields))) or config.meta_fields,
        # There is no text to clean in counts, nor in what came as words.
        clean="" if source.counted or segmenter in ("gold", GIVEN) else config.clean,
        lang=lang,
        segmenter=segmenter,
        segmenter_model=str(model_folder(config.segmenter_model)) if config.segmenter_model else "",
        lowercase=lowercase,
        min_token_len=config.min_token_len or (2 if english else 1),
        user_words=user_words,
    )


def _from_documents(source: Source, config: CorpusConfig, version: str, digest: str, with_texts: bool) -> Corpus:
    assert source.documents is not None
    stopwords, merged = read_stop_words(config), MergedTokens(config, cleaner(config))
    fields = fields_of(config)
    kept = _Kept(Packer(), Packer(), tuple(Packer() for _ in fields.names), Compressor() if with_texts else None)
    blank = BlankRows(source.documents)
    cleaning = Cleaning(blank.others, config)
    stream = index_tokens(_tokens_noting(cleaning.documents, config, fields, kept), merged.clean)
    cleaning.tally.give_hint()
    phrases = None
    if config.phrases:
        phrases, stream = learn_phrases(stream, config, stopwords)
    with working_on("counting the words"):
        frequencies = word_frequencies(stream)
        ids, first_words = kept.ids.packed(), kept.first_words.packed()
        texts = kept.texts.compressed() if kept.texts else None
        meta = dict(zip(fields.names, (values.packed() for values in kept.meta), strict=True))
        check_read(source.name, config, len(ids), len(stream.ids), len(blank.found))
        if config.id_field:
            check_different(ids, config.id_field)
        fields.check_joined(sum(map(fields.has_row, ids)), len(ids), ids[0])
        all_words = frozenset(stream.words)
        words_before, stopwords_found = len(all_words), len(stopwords & all_words)
        if config.user_words:
            tell_found(user_dict_of(config.user_words), in_script(config.script), all_words)
        if told := merged.message():
            note(told)
        for warning in given_warnings(stream.words, config):
            warn(warning)

        words = filter_words(frequencies, config, stopwords)
        counts = count_matrix(stream, words)
        train, valid, test = split_documents(_lengths(counts), config.valid_share, config.test_share, config.split_seed)

        # A word of no training document could be learnt from nothing. Leaving it out may empty a document.
        columns = by_frequency(_doc_freq(counts, train), words)
        counts = sp.csr_matrix(counts[:, columns])
        counts.sort_indices()
        lengths = _lengths(counts)
        valid, test = valid[lengths[valid] >= 1], test[lengths[test] >= 2]

        left = np.concatenate([train, valid, test])
        rows_of = {"train": train, "valid": valid, "test": test, "": np.setdiff1d(np.arange(len(lengths)), left)}
        places, tokens = blank.places_of_others(len(lengths)), np.diff(stream.starts)
        parts = {
            name: Documents(
                counts[rows],
                ids.take(rows),
                first_words.take(rows),
                {field: values.take(rows) for field, values in meta.items()},
                texts.take(rows) if texts else None,
                places[rows],
                tokens[rows],
            )
            for name, rows in rows_of.items()
        }
        # Millions of documents are held once.
        del counts, ids, first_words, meta
        test_h1, test_h2 = halves(parts["test"].counts, config.split_seed)
        return Corpus(
            name=source.name,
            digest=digest,
            vocabulary=_vocabulary(
                [words[j] for j in columns],
                parts["train"].counts,
                version,
                advertisements=tuple(sorted(cleaning.advertisements)),
                phrases=phrases,
                user_words=config.user_words,
            ),
            train=parts["train"],
            valid=parts["valid"],
            test=parts["test"],
            test_h1=test_h1,
            test_h2=test_h2,
            text=select_stream(stream, train),
            report=FilterReport(
                docs_before=len(lengths),
                docs_after=len(left),
                tokens_before=len(stream.ids),
                tokens_after=int(lengths[left].sum()),
                words_before=words_before,
                words_after=len(columns),
                median_length_before=float(np.median(np.diff(stream.starts))),
                median_length_after=float(np.median(lengths[left])),
                cleaned=cleaning.tally.by_rule,
                stopwords=len(stopwords),
                stopwords_found=stopwords_found,
            ),
            metadata=metadata_of({n: ValueTally.of(values) for n, values in parts["train"].meta.items()}, fields.title),
            left=left_out(parts[""], blank.found, fields),
        )


def _from_counts(source: Source, config: CorpusConfig, digest: str) -> Corpus:
    """A corpus that brings counts and split keeps both, its columns, and the names and metadata that it has."""
    assert source.counted is not None
    given, fields = source.counted(), fields_of(config)

    def part(name: str, matrix: sp.csr_matrix) -> Documents:
        counts = canonical(matrix, np.int32)
        ids = PackedTexts.of(given.names.get(name) or (f"{name}-{i}" for i in range(counts.shape[0])))
        columns = fields.columns(given.meta.get(name, {}), list(ids))
        meta = {field: PackedTexts.of(values) for field, values in columns.items()}
        return Documents(counts, ids, PackedTexts.of(commonest_words(counts, given.words)), meta)

    train, valid = part("train", given.train), part("valid", given.valid)
    if not train.counts.nnz:
        raise UserError(f"{source.name}: no document to train on holds a word; there is nothing to learn from")
    test = part("test", given.test_h1 + given.test_h2)
    ids = [name for documents in (train, valid, test) for name in documents.ids]
    fields.check_joined(sum(map(fields.has_row, ids)), len(ids), ids[0] if ids else "")
    return Corpus(
        name=source.name,
        digest=digest,
        vocabulary=_vocabulary(given.words, train.counts, _COUNTED_SEGMENTER),
        train=train,
        valid=valid,
        test=test,
        test_h1=canonical(given.test_h1, np.int32),
        test_h2=canonical(given.test_h2, np.int32),
        metadata=metadata_of({n: ValueTally.of(values) for n, values in train.meta.items()}, fields.title),
    )


class _Kept(NamedTuple):
    """What is kept of documents while they are segmented. meta: for each field."""

    ids: Packer
    first_words: Packer
    meta: tuple[Packer, ...]
    texts: Compressor | None


def _tokens_noting(
    documents: Callable[[], Iterator[Document]], config: CorpusConfig, fields: Fields, kept: _Kept
) -> Iterator[TokenRanges]:
    """The documents' tokens; all else that is kept of the documents is collected on the way."""
    for some in segment_documents(documents, config):
        for document in some.documents:
            text = raw_text(document, config.lang)
            kept.ids.add(document.id)
            kept.first_words.add(beginning_of(text))
            for packer, value in zip(kept.meta, fields.values(document.meta, document.id), strict=True):
                packer.add(value)
            if kept.texts:
                kept.texts.add(shown_text(text))
        yield some.tokens


def metadata_of(tallies: Mapping[str, ValueTally], title: str = "") -> Metadata:
    """What fields are, by their values in the documents to train on; what is not to be expected of them is said.

    title: the field of titles, which are text whatever they are.
    """
    for name, tally in tallies.items():
        for warning in tally.warnings(name) if name != title else []:
            warn(warning)
    columns = (MetaColumn(name, "text") if name == title else tally.column(name) for name, tally in tallies.items())
    return Metadata(tuple(columns))


def _vocabulary(words: list[str], train: sp.csr_matrix, segmenter: str, **how: Any) -> Vocabulary:
    """how: what else of `Vocabulary` says how the words came about."""
    if len(words) < 2:
        raise UserError(f"the training documents hold {len(words)} words, and topics need at least 2; give more text")
    term_freq = np.asarray(train.sum(axis=0, dtype=np.int64)).ravel()
    return Vocabulary(words, _doc_freq(train), term_freq, train.shape[0], segmenter, **how)


def _doc_freq(counts: sp.csr_matrix, rows: np.ndarray | None = None) -> np.ndarray:
    """Documents that hold each word: [V] int64. rows: of these alone."""
    indices = counts.indices
    if rows is not None:
        chosen = np.zeros(counts.shape[0], bool)
        chosen[rows] = True
        indices = indices[np.repeat(chosen, np.diff(counts.indptr))]
    return np.bincount(indices, minlength=counts.shape[1]).astype(np.int64)


def _lengths(counts: sp.csr_matrix) -> np.ndarray:
    return np.asarray(counts.sum(axis=1, dtype=np.int64)).ravel()
