"""Corpora in the forms of other programs, against the programs that own them or what these write."""

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.new_documents import read_new, settings_like
from etm_jax.corpus.prepare import prepare
from etm_jax.corpus.readers.count_files import read_market
from etm_jax.corpus.shard_writing.job import make_job
from etm_jax.corpus.shard_writing.prepare import prepare_shards
from etm_jax.corpus.sources import as_prepared, find_source
from etm_jax.util.errors import UserError

WORDS = ["银行", "market", "team", "coach"]
COUNTS = sp.csr_matrix(np.random.default_rng(1).poisson(1.0, (30, 4)) + np.array([1, 1, 0, 0]), dtype=np.int64)
BAGS = [[(int(j), int(row[j])) for j in np.flatnonzero(row)] for row in COUNTS.toarray()]
CASES = Path(__file__).parents[3] / "shared" / "cases"


def corpus_of(path, **settings):
    config = CorpusConfig(corpus=str(path), no_below=1, no_above=1.0, **settings)
    return prepare(find_source(config), config)


def counts_of(corpus):
    """All documents in the order of their names."""
    parts = (corpus.train, corpus.valid, corpus.test)
    order = np.argsort([int(name) for part in parts for name in part.ids])
    return sp.vstack([part.counts for part in parts]).toarray()[order]


def write_words(path):
    path.write_text("\n".join(WORDS) + "\n", encoding="utf-8")


def write_uci(folder):
    from gensim.corpora import UciCorpus

    UciCorpus.save_corpus(str(folder / "docword.toy.txt"), BAGS, id2word=dict(enumerate(WORDS)))
    write_words(folder / "vocab.toy.txt")
    (folder / "docword.toy.txt.vocab").unlink(missing_ok=True)
    return folder / "docword.toy.txt"


def write_ldac(folder):
    from gensim.corpora import BleiCorpus

    BleiCorpus.save_corpus(str(folder / "toy.dat"), BAGS, id2word=dict(enumerate(WORDS)))
    return folder / "toy.dat"


def write_market(folder):
    from gensim.corpora import Dictionary, MmCorpus

    MmCorpus.serialize(str(folder / "toy.mm"), BAGS)
    dictionary = Dictionary()
    dictionary.token2id = {word: j for j, word in enumerate(WORDS)}
    dictionary.num_docs = len(BAGS)
    dictionary.save_as_text(str(folder / "toy.dict.txt"))
    return folder / "toy.mm"


def write_terms_by_documents(folder):
    from scipy.io import mmwrite

    mmwrite(folder / "toy.mtx", COUNTS.T.tocoo(), field="integer")
    write_words(folder / "toy.txt")
    return folder / "toy.mtx"


@pytest.mark.parametrize("write", [write_uci, write_ldac, write_market, write_terms_by_documents])
def test_counts_as_the_tools_that_own_a_form_write_them(tmp_path, write, capsys):
    path = write(tmp_path)
    corpus = corpus_of(path, split_seed=3)
    assert corpus.vocabulary.words == WORDS
    np.testing.assert_array_equal(counts_of(corpus), COUNTS.toarray())
    assert (len(corpus.valid), len(corpus.test)) == (2, 3)
    assert (corpus.test_h1 + corpus.test_h2 != corpus.test.counts).nnz == 0
    assert "is read as --form=" in capsys.readouterr().err
    if write is not write_terms_by_documents:
        assert corpus_of(tmp_path).vocabulary.words == WORDS, "the folder, not the file"
    assert corpus_of(path, split_seed=4).digest != corpus.digest


R_COUNTS = [[2, 0, 1], [0, 3, 0], [1, 1, 0], [0, 4, 100_000]]
"""Documents by words, as R's Matrix::writeMM has them below: column after column, numbered from 1."""

R_FILES = {
    "integer": "%%MatrixMarket matrix coordinate integer general\n4 3 7\n"
    "1 1 2\n3 1 1\n2 2 3\n3 2 1\n4 2 4\n1 3 1\n4 3 100000\n",
    "real": "%%MatrixMarket matrix coordinate real general\n4 3 7\n"
    "1 1 2\n3 1 1\n2 2 3\n3 2 1\n4 2 4\n1 3 1\n4 3 1e+05\n",
    "turned": "%%MatrixMarket matrix coordinate integer general\n3 4 7\n"
    "1 1 2\n3 1 1\n2 2 3\n1 3 1\n2 3 1\n2 4 4\n3 4 100000\n",
    "pattern": "%%MatrixMarket matrix coordinate pattern general\n4 3 7\n1 1\n3 1\n2 2\n3 2\n4 2\n1 3\n4 3\n",
}


@pytest.mark.parametrize("kind", R_FILES)
def test_what_rs_write_mm_writes(tmp_path, kind):
    (tmp_path / "dtm.mtx").write_text(R_FILES[kind])
    (tmp_path / "dtm.vocab").write_text("银行\nmarket\nteam\n", encoding="utf-8")
    config = CorpusConfig(corpus=str(tmp_path / "dtm.mtx"))
    read = read_market(tmp_path / "dtm.mtx", tmp_path / "dtm.vocab", config)
    expected = np.minimum(R_COUNTS, 1) if kind == "pattern" else np.array(R_COUNTS)
    np.testing.assert_array_equal(read.counts.toarray(), expected)
    assert read.words == ["银行", "market", "team"]
    assert find_source(config).form == "mm"


def test_counts_that_contradict_their_head_or_vocabulary_are_refused(tmp_path):
    path = write_uci(tmp_path)
    lines = path.read_text().split("\n")
    for content, told in [
        (lines[:-3], "it may be cut off"),
        ([*lines[:3], "31 1 1", *lines[4:]], "outside of"),
        ([*lines[:3], "1 1 0.5", *lines[4:]], "not counts"),
        ([*lines[:3], "1 one 1", *lines[4:]], "in the .* lines from 4"),
        (["9" * 18, *lines[1:]], "correct its head"),
        (["30", "5", *lines[2:]], "not of the same corpus"),
    ]:
        path.write_text("\n".join(content) + "\n")
        with pytest.raises(UserError, match=told):
            corpus_of(path, form="uci")
    (tmp_path / "vocab.toy.txt").unlink()
    with pytest.raises(UserError, match=r"no vocabulary beside it; .* as .*vocab\.toy\.txt"):
        corpus_of(path)


def write_octis(folder):
    texts = [" ".join(WORDS[j] for j, n in bag for _ in range(n)) for bag in BAGS]
    parts = ["train"] * 20 + ["val"] * 4 + ["test"] * 6
    rows = [f"{text}\t{part}\tL{i % 2}" for i, (text, part) in enumerate(zip(texts, parts, strict=True))]
    (folder / "corpus.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    write_words(folder / "vocabulary.txt")


def write_topmost(folder):
    texts = [" ".join(WORDS[j] for j, n in bag for _ in range(n)) for bag in BAGS]
    for part, rows in (("train", range(24)), ("test", range(24, 30))):
        (folder / f"{part}_texts.txt").write_text("".join(texts[i] + "\n" for i in rows), encoding="utf-8")
        (folder / f"{part}_labels.txt").write_text("".join(f"{i % 2}\n" for i in rows))
    sp.save_npz(folder / "train_bow.npz", COUNTS[:24])
    write_words(folder / "vocab.txt")


@pytest.mark.parametrize(("write", "label"), [(write_octis, "L{}"), (write_topmost, "{}")])
def test_folders_bring_words_parts_and_labels(tmp_path, write, label):
    write(tmp_path)
    corpus = corpus_of(tmp_path)
    assert corpus.vocabulary.words == WORDS
    assert len(corpus.train) + len(corpus.valid) == 24
    np.testing.assert_array_equal(corpus.test.counts.toarray(), COUNTS[24:].toarray())
    assert list(corpus.test.meta["label"]) == [label.format(i % 2) for i in range(24, 30)]
    assert corpus.metadata.names == ("label",)


def write_times(folder, names):
    """Documents of times 0, 1, 2, … in turn. names: of time2id.txt, None for no such file."""
    write_topmost(folder)
    for part, rows in (("train", range(24)), ("test", range(24, 30))):
        (folder / f"{part}_times.txt").write_text("".join(f"{i % 3}\n" for i in rows))
    if names is not None:
        (folder / "time2id.txt").write_text(names, encoding="utf-8")


def test_times_are_called_by_their_names_where_the_folder_has_them(tmp_path):
    named = '{"2012": 0, "春": 1, "2014 ": 2}'
    for folder, names, expected in (("numbers", None, "012"), ("named", named, ("2012", "春", "2014"))):
        (tmp_path / folder).mkdir()
        write_times(tmp_path / folder, names)
        corpus = corpus_of(tmp_path / folder)
        assert list(corpus.test.meta["time"]) == [expected[i % 3] for i in range(24, 30)]
        assert list(corpus.test.meta["label"]) == [str(i % 2) for i in range(24, 30)]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ('{"2012": 0, "2013": 1}', r"train_times.txt, line 3: time2id.txt has no time '2'"),
        ('{"2012": 0, "2013": 1, "2014": 1}', "does not give each time a number of its own"),
        ('{"2012": 0, "2013": true, "2014": 2}', "does not give each time a number of its own"),
        ('{"": 0, "2013": 1, "2014": 2}', "does not give each time a number of its own"),
        ('["2012", "2013", "2014"]', "is no JSON object of the numbers of times"),
    ],
)
def test_names_of_times_that_do_not_fit_are_told(tmp_path, names, told):
    write_times(tmp_path, names)
    with pytest.raises(UserError, match=told):
        corpus_of(tmp_path)


def test_a_corpus_of_before_times_had_names_is_found_as_it_was(tmp_path):
    """Its digest is that of the folder without the names; that of the folder with them is another."""
    write_times(tmp_path, None)
    config = CorpusConfig(corpus=str(tmp_path), lang="en")
    before = prepare(find_source(config), config)
    write_times(tmp_path, '{"2012": 0, "2013": 1, "2014": 2}')
    named = prepare(find_source(config), config)
    again = prepare(find_source(config), config, expected_digest=before.digest)
    assert named.digest != before.digest == again.digest
    assert list(again.test.meta["time"]) == list(before.test.meta["time"])
    assert set(named.test.meta["time"]) == {"2012", "2013", "2014"}


def test_a_part_of_an_octis_folder_that_is_none_is_named(tmp_path):
    write_octis(tmp_path)
    (tmp_path / "corpus.tsv").write_text("market\ttraining\tL\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"line 1: 'training' is not train, val or test"):
        corpus_of(tmp_path)


LABELLED = "".join(f"{('体育', '财经')[i % 2]}\t{('球队 比赛', '银行 市场')[i % 2]} 冠军\n" for i in range(20))
MALLET = "".join(f"doc{i}\tL{i % 2}\t{('球队 比赛', '银行 市场')[i % 2]} 冠军\n" for i in range(20))


@pytest.mark.parametrize(("content", "labels"), [(LABELLED, {"体育", "财经"}), (MALLET, {"L0", "L1"})])
def test_a_label_is_metadata_and_no_word(tmp_path, content, labels, capsys):
    path = tmp_path / "corpus.txt"
    path.write_text(content, encoding="utf-8")
    corpus = corpus_of(path, segmenter="whitespace")
    assert set(corpus.vocabulary.words) == {"球队", "比赛", "银行", "市场", "冠军"}
    assert set(corpus.train.meta["label"]) == labels
    assert "--form=" in capsys.readouterr().err
    config = CorpusConfig(corpus=str(path), no_below=1, no_above=1.0, segmenter="whitespace", meta_fields="label")
    assert prepare(find_source(config), config).metadata.names == ("label",)
    as_lines = corpus_of(path, form="lines", segmenter="whitespace")
    assert labels & set(as_lines.vocabulary.words)
    assert as_lines.digest == corpus_of(path, form="name", segmenter="whitespace").digest


def test_mallets_lines_with_blanks_are_read_where_the_flag_says_so(tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(f"d{i} L{i % 2} bank market" for i in range(20)), encoding="utf-8")
    corpus = corpus_of(tmp_path / "a.txt", form="mallet", lang="en")
    assert sorted(corpus.vocabulary.words) == ["bank", "market"]
    assert {*corpus.train.ids, *corpus.valid.ids, *corpus.test.ids} == {f"d{i}" for i in range(20)}
    (tmp_path / "a.txt").write_text("alone\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 1, is not a name, a label and a text"):
        corpus_of(tmp_path / "a.txt", form="mallet")


def test_peoples_daily_text_loses_tags_brackets_and_paragraph_numbers(tmp_path):
    line = "[中国/ns  政府/n]nt  的/u  [/w 银行/n ]/w  1/2/m\n"
    (tmp_path / "pfr.txt").write_text("".join(f"19980101-01-001-{i:03}/m  {line}" for i in range(20)), encoding="utf-8")
    source = find_source(CorpusConfig(corpus=str(tmp_path / "pfr.txt")))
    first = next(source.documents())
    assert (first.id, first.text) == ("19980101-01-001-000", "中国 政府 的 [ 银行 ] 1/2")
    assert source.segmenter == "whitespace"


def test_tags_that_stick_to_words_are_told_with_the_flag_that_reads_them(tmp_path, capsys):
    path = tmp_path / "glued.txt"
    path.write_text("中国ns 银行n 发展v 市场n 比赛vn\n" * 20, encoding="utf-8")
    assert next(find_source(CorpusConfig(corpus=str(path))).documents()).text.startswith("中国ns")
    assert "--form=tagged" in capsys.readouterr().err
    assert next(find_source(CorpusConfig(corpus=str(path), form="tagged")).documents()).text.startswith("中国 银行")


@pytest.mark.parametrize(
    "content",
    [
        "one line\n" * 5,
        "2024-01-01\tnews of the day\n2024-01-02\tother news\n2024-01-03\tmore\n2024-01-04\tlast\n",
        "see https://a.b/c and/or his/her\n" * 9,
        "12\n13\n14\n15\n",
    ],
)
def test_plain_text_looks_like_nothing_else(tmp_path, content):
    (tmp_path / "plain.txt").write_text(content, encoding="utf-8")
    source = find_source(CorpusConfig(corpus=str(tmp_path / "plain.txt")))
    assert (source.form, source.fields) == ("", ())
    assert next(source.documents()).text == content.split("\n")[0]


def test_new_documents_come_in_such_forms_too(tmp_path):
    (tmp_path / "new.txt").write_text(LABELLED, encoding="utf-8")
    config = CorpusConfig(corpus=str(tmp_path / "new.txt"), no_below=1, no_above=1.0, segmenter="whitespace")
    vocabulary = prepare(find_source(config), config).vocabulary
    some = next(read_new(str(tmp_path / "new.txt"), "", settings_like(config, vocabulary), vocabulary))
    assert some.tokens.tolist() == [3] * 20
    assert not some.unknown.any()
    (octis := tmp_path / "octis").mkdir()
    write_octis(octis)
    batches = list(read_new(str(octis), "octis", settings_like(config, vocabulary), vocabulary))
    assert sorted(int(name) for some in batches for name in some.ids) == list(range(1, 31))


@pytest.mark.skipif(not CASES.is_dir(), reason="the small inputs of ../shared/cases are not here")
@pytest.mark.parametrize("name", ["octis_folder", "topmost_folder", "uci", "ldac"])
def test_cases_of_other_programs_hold_300_documents_of_18_words(name):
    corpus = corpus_of(CASES / "20_peer_folders" / name, lang="en")
    assert len(corpus.vocabulary) == 18
    assert len(corpus.train) + len(corpus.valid) + len(corpus.test) == 300


@pytest.mark.skipif(not CASES.is_dir(), reason="the small inputs of ../shared/cases are not here")
def test_cases_of_labels_and_tags_leave_them_out_of_the_words():
    for name in ("cnews.train.txt", "mallet.txt"):
        corpus = corpus_of(CASES / "18_label_tab_text" / name, segmenter="rjieba")
        assert corpus.metadata.names == ("label",)
        assert not set(corpus.train.meta["label"]) & set(corpus.vocabulary.words)
    tagged = corpus_of(CASES / "19_pos_tagged" / "docs.txt", segmenter="whitespace")
    assert {"中国", "冠军"} <= set(tagged.vocabulary.words)
    assert not any(word.isascii() or word[-1].isascii() for word in tagged.vocabulary.words)


def test_shards_keep_the_labels_of_a_form_that_has_them(tmp_path):
    pytest.importorskip("array_record")
    (tmp_path / "a.txt").write_text(LABELLED, encoding="utf-8")
    config = CorpusConfig(segmenter="whitespace", no_below=1, no_above=1.0, workers=1)
    prepare_shards(make_job(str(tmp_path / "a.txt"), config, block_docs=4, num_shards=1), tmp_path / "out")
    given = as_prepared(CorpusConfig(corpus=str(tmp_path / "out")))
    corpus = prepare(find_source(given), given)
    assert corpus.metadata.names == ("label",)
    assert "体育" not in corpus.vocabulary.words
    with pytest.raises(UserError, match="is counts and a vocabulary"):
        make_job(str(tmp_path / "a.txt"), CorpusConfig(form="uci"))
