"""A corpus prepared file by file: the same words and rows as in memory, in shards that say when they are damaged."""

import csv
import dataclasses
import gzip
import json
import zlib
from collections import Counter

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import needs_scale
from etm_jax.cli import flags as cli
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.metadata import Metadata
from etm_jax.corpus.prepare import prepare as prepare_any
from etm_jax.corpus.shard_writing import local, plan
from etm_jax.corpus.shard_writing.blocks import Block, blocks_of
from etm_jax.corpus.shard_writing.job import make_job
from etm_jax.corpus.shard_writing.phrase_sample import with_phrases
from etm_jax.corpus.shard_writing.prepare import prepare_shards
from etm_jax.corpus.shard_writing.tables import BUCKETS, WordTable, in_buckets, merge, without_rare
from etm_jax.corpus.shards import folder as folder_module
from etm_jax.corpus.shards import read_corpus
from etm_jax.corpus.shards.arrays import pack, unpack
from etm_jax.corpus.shards.draws import PARTS, TEST, TRAIN, draw, shard_of
from etm_jax.corpus.shards.histogram import histogram, largest, median, quantiles
from etm_jax.corpus.shards.manifest import Manifest
from etm_jax.corpus.shards.records import read_records, write_records
from etm_jax.corpus.shards.rows import TEXT, Rows, joined
from etm_jax.corpus.sources import find_source
from etm_jax.corpus.store.packed import PackedTexts
from etm_jax.corpus.words.ranges import TokenRanges
from etm_jax.corpus.words.vocabulary import count_matrix, filter_words, index_tokens, word_frequencies
from etm_jax.prepare import main as prepare_main
from etm_jax.util.digests import file_digest
from etm_jax.util.errors import UserError
from etm_jax.util.temporary import name_beside

pytestmark = needs_scale

CONFIG = CorpusConfig(segmenter="whitespace", no_below=3, no_above=0.5, test_share=0.2, workers=1)


def texts_of(number: int, num_docs: int) -> list[str]:
    """Documents of rare and common words, some of them without a word that filtering keeps."""
    rng = np.random.default_rng(number)
    words = [chr(0x4E00 + i) + chr(0x5E00 + i % 7) for i in range(120)]
    drawn = (np.minimum(rng.zipf(1.4, rng.integers(1, 30)), len(words)) - 1 for _ in range(num_docs))
    return [" ".join(words[i] for i in row) for row in drawn]


def write_inputs(folder, sizes=(90, 40, 61, 1)):
    """Files in several forms, named so that a pattern takes all of them: 192 documents and blank lines."""
    folder.mkdir()
    for number, size in enumerate(sizes):
        texts = texts_of(number, size)
        match number % 4:
            case 0:
                lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
                (folder / f"docs-{number}.jsonl.gz").write_bytes(gzip.compress(lines.encode(), mtime=0))
            case 1:
                (folder / f"docs-{number}.txt").write_text("\n\n".join(texts), encoding="utf-8")
            case 2:
                with (folder / f"docs-{number}.csv").open("w", encoding="utf-8", newline="") as file:
                    csv.writer(file).writerows([["text"], *([text] for text in texts)])
            case _:
                (folder / f"docs-{number}.tsv").write_text("\n".join(["text", *texts]), encoding="utf-8")
    return f"{folder}/docs-*"


@pytest.fixture(scope="module")
def pattern(tmp_path_factory):
    return write_inputs(tmp_path_factory.mktemp("shards") / "inputs")


@pytest.fixture(scope="module")
def prepared(pattern, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards") / "prepared"
    prepare_shards(make_job(pattern, CONFIG, block_docs=8, num_shards=3), folder)
    return folder


def in_memory(pattern, config):
    """Vocabulary, and counts by the name of the document, of each part: by the functions that prepare in memory."""
    job = make_job(pattern, config)
    blocks = [block for file in job.files for block in blocks_of(file, job)]
    names = [name for block in blocks for name in block.rows.ids]
    parts = np.concatenate([block.parts for block in blocks])
    tokens = [
        [block.words[j] for j in row.indices for _ in range(row[0, j])]
        for block in blocks
        for row in (block.rows.counts[i] for i in range(len(block.rows)))
    ]
    stream = index_tokens([TokenRanges.of_lists(tokens)])
    frequencies = word_frequencies(stream)
    words = filter_words(frequencies, job.config, job.stopwords)
    counts = count_matrix(stream, words).toarray()
    freq = (counts[parts == TRAIN] > 0).sum(axis=0)
    columns = sorted(np.flatnonzero(freq), key=lambda j: (-freq[j], words[j]))
    kept = counts[:, columns]
    least = np.where(parts == TEST, 2, 1)
    rows = {
        part: {names[i]: kept[i].tolist() for i in np.flatnonzero((parts == number) & (kept.sum(axis=1) >= least))}
        for number, part in enumerate(PARTS)
    }
    return [words[j] for j in columns], freq[columns], rows


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"no_below": 1, "no_above": 1.0},
        {"no_below": 1, "no_above": 0.29},
        {"keep_n": 20},  # cut among words of the same frequency
        {"auto_adj": True},
        {"min_token_len": 2, "split_seed": 9},
        {"valid_share": 0.0, "test_share": 0.0},
    ],
)
def test_vocabulary_and_rows_are_those_of_the_way_in_memory(pattern, tmp_path, given):
    config = CorpusConfig(**{**vars(CONFIG), **given})
    prepare_shards(make_job(pattern, config, block_docs=16), tmp_path / "out")
    corpus = read_corpus(tmp_path / "out")
    words, freq, rows = in_memory(pattern, config)
    assert corpus.vocabulary.words == words
    assert corpus.vocabulary.doc_freq.tolist() == freq.tolist()
    assert corpus.vocabulary.num_docs == len(corpus.train)
    for part in PARTS:
        documents = getattr(corpus, part)
        assert dict(zip(documents.ids, documents.counts.toarray().tolist(), strict=True)) == rows[part]
    assert (corpus.train.counts.sum(axis=0) == corpus.vocabulary.term_freq).all()
    assert (corpus.test_h1 + corpus.test_h2 != corpus.test.counts).nnz == 0
    assert corpus.report.docs_before == 192
    assert corpus.report.docs_after == sum(len(of_part) for of_part in rows.values())


def test_words_of_several_files_are_in_the_tables_of_each(pattern):
    """What the first pass counts is what is in the text."""
    job = make_job(pattern, CONFIG)
    texts = [text for number, size in enumerate((90, 40, 61, 1)) for text in texts_of(number, size)]
    assert [file.name for file in job.files] == ["docs-0.jsonl.gz", "docs-1.txt", "docs-2.csv", "docs-3.tsv"]
    blocks = [block for file in job.files for block in blocks_of(file, job)]
    assert [name for block in blocks for name in block.rows.ids][88:93] == [
        "docs-0.jsonl.gz:89", "docs-0.jsonl.gz:90", "docs-1.txt:1", "docs-1.txt:3", "docs-1.txt:5",
    ]  # fmt: skip
    from etm_jax.corpus.shard_writing.tables import count

    table = merge(map(count, blocks))
    term_freq = Counter(word for text in texts for word in text.split())
    doc_freq = Counter(word for text in texts for word in set(text.split()))
    train = [text for text, part in zip(texts, np.concatenate([b.parts for b in blocks]), strict=True) if part == TRAIN]
    assert table.words == sorted(term_freq)
    assert table.freqs.tolist() == [
        [
            doc_freq[word],
            term_freq[word],
            sum(word in text.split() for text in train),
            sum(text.split().count(word) for text in train),
        ]
        for word in table.words
    ]


tables = st.dictionaries(st.text(max_size=3), st.tuples(*[st.integers(0, 1 << 40)] * 4), max_size=6).map(
    lambda freqs: WordTable(sorted(freqs), np.array([freqs[word] for word in sorted(freqs)], np.int64).reshape(-1, 4))
)


def plain(table):
    return dict(zip(table.words, table.freqs.tolist(), strict=True))


@settings(max_examples=60, deadline=None)
@given(st.lists(tables, max_size=5), st.randoms())
def test_merging_does_not_depend_on_order_or_grouping(some, random):
    whole = merge(some)
    assert whole.words == sorted(whole.words)
    shuffled = random.sample(some, len(some))
    cut = random.randint(0, len(some))
    assert plain(merge([merge(shuffled[:cut]), merge(shuffled[cut:])])) == plain(whole)
    assert plain(merge([whole, merge([])])) == plain(whole)
    # By buckets it comes to the same.
    buckets = [merge(bucket) for bucket in zip(*map(in_buckets, [*some, merge([])]), strict=True)]
    assert len(buckets) == BUCKETS
    assert plain(merge(buckets)) == plain(whole)
    frequent, rare = without_rare(whole, 5)
    assert plain(frequent) == {word: freqs for word, freqs in plain(whole).items() if freqs[0] >= 5}
    assert rare + len(frequent.words) == len(whole.words)
    assert plain(WordTable.from_bytes(whole.to_bytes())) == plain(whole)


def test_a_part_is_drawn_by_name_and_number_alone(pattern, tmp_path):
    """Neither the other files nor the settings of the text change it, and shares are what was asked for."""
    alone = make_job(pattern.replace("*", "1*"), CONFIG)
    among = make_job(pattern, CONFIG)
    (one,), (other,) = (list(blocks_of(job.files[i], job)) for job, i in ((alone, 0), (among, 1)))
    assert one.parts.tolist() == other.parts.tolist()
    assert one.rows.keys.tolist() == other.rows.keys.tolist()
    numbers = np.arange(100_000)
    parts, keys = draw("docs.txt", numbers, 1, 0.05, 0.1)
    assert np.abs(np.bincount(parts) / len(parts) - [0.85, 0.05, 0.1]).max() < 0.003
    assert (draw("docs.txt", numbers[500:600], 1, 0.05, 0.1).keys == keys[500:600]).all()
    assert len(np.unique(keys)) == len(keys)
    # More for validation takes only from training.
    more = draw("docs.txt", numbers, 1, 0.3, 0.1).parts
    assert ((more == TEST) == (parts == TEST)).all()
    for name, seed in (("docs.tx", 1), ("docs.txt", 2)):
        assert abs(np.corrcoef(draw(name, numbers, seed, 0.05, 0.5).parts, parts)[0, 1]) < 0.02
    # Parts, keys and numbers say nothing of each other.
    assert abs(np.corrcoef(keys.astype(float), numbers)[0, 1]) < 0.02
    assert abs(np.corrcoef(keys.astype(float), parts)[0, 1]) < 0.02
    shards = shard_of(keys, 7)
    assert np.abs(np.bincount(shards) / len(shards) - 1 / 7).max() < 0.005
    assert (np.diff(shards[np.argsort(keys)]) >= 0).all()


def blocks_in(folder, part="train"):
    manifest = Manifest.read(folder)
    shards = [list(read_records(path)) for path in manifest.paths(folder, part)]
    return [[Rows.from_bytes(record) for record in records] for records in shards]


def test_shards_hold_full_blocks_in_the_order_of_the_keys(prepared):
    shards = blocks_in(prepared)
    sizes = [[len(block) for block in blocks] for blocks in shards]
    assert len(shards) == 3
    assert {size for blocks in sizes[:-1] for size in blocks} | set(sizes[-1][:-1]) == {8}
    assert 1 <= sizes[-1][-1] <= 8
    for number, blocks in enumerate(shards):
        keys = np.concatenate([block.keys for block in blocks])
        assert (np.diff(keys.astype(object)) > 0).all()
        assert number == 2 or (shard_of(keys, 3) == number).all()
    part = Manifest.read(prepared).parts["train"]
    for blocks, shard in zip(shards, part.shards, strict=True):
        counts = sp.vstack([block.counts for block in blocks])
        assert (shard.documents, shard.tokens, shard.nonzeros) == (counts.shape[0], counts.sum(), counts.nnz)
    lengths = np.concatenate([block.nonzeros for blocks in shards for block in blocks])
    assert part.nonzeros_of == Counter(lengths.tolist())


def test_the_bytes_do_not_depend_on_processes_or_on_where_inputs_lie(pattern, prepared, tmp_path):
    write_inputs(tmp_path / "elsewhere")
    config = CorpusConfig(**{**vars(CONFIG), "workers": 2})
    job = make_job(f"{tmp_path}/elsewhere/docs-*", config, block_docs=8, num_shards=3)
    prepare_shards(job, tmp_path / "again")
    names = sorted(path.name for path in prepared.iterdir())
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == names
    for name in names:
        ours, theirs = ((folder / name).read_bytes() for folder in (prepared, tmp_path / "again"))
        if name == "manifest.json":
            ours, theirs = ({**json.loads(told), "request": ""} for told in (ours, theirs))
        assert ours == theirs


def test_more_shards_than_documents(pattern, tmp_path):
    prepare_shards(make_job(pattern.replace("*", "1*"), CONFIG, block_docs=4, num_shards=50), tmp_path / "out")
    corpus = read_corpus(tmp_path / "out")
    assert len(Manifest.read(tmp_path / "out").paths(tmp_path, "train")) == 50
    assert (
        sum(np.count_nonzero(np.diff(some.counts.indptr)) for some in corpus.stream.epoch(1, 0, 8))
        == len(corpus.train)
        > 20
    )


def test_arrays_longer_than_memory_are_refused():
    data = bytearray(pack(b"TEST", np.zeros(3, "u1")))
    data[28:36] = (2**63).to_bytes(8, "little")
    data[4:8] = zlib.crc32(data[8:]).to_bytes(4, "little")
    with pytest.raises(ValueError, match="cannot hold 9223372036854775808 numbers"):
        unpack(b"TEST", bytes(data))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_arrays_come_back_and_a_changed_byte_is_seen(data):
    arrays = [
        np.array(data.draw(st.lists(st.integers(0, 200), max_size=5)), dtype)
        for dtype in data.draw(st.lists(st.sampled_from(["u1", "<i4", "<i8", "<u8"]), max_size=4))
    ]
    packed = pack(b"TEST", *arrays)
    back = unpack(b"TEST", packed)
    assert [(a.dtype, a.tolist()) for a in back] == [(a.dtype, a.tolist()) for a in arrays]
    changed = bytearray(packed)
    changed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match=r"."):
        unpack(b"TEST", bytes(changed))
    with pytest.raises(ValueError, match=r"."):
        unpack(b"TEST", packed[: data.draw(st.integers(0, len(packed) - 1))])


@pytest.mark.parametrize(
    "indices, values, lengths",
    [
        ([0, 3], [1, 1], [2]),  # a column that is not there
        ([-1, 2], [1, 1], [2]),
        ([2, 1], [1, 1], [2]),
        ([1, 1], [1, 1], [2]),
        ([0, 1], [1, 0], [2]),
        ([0, 1], [1, 1], [3]),
        ([0, 1], [1, 1], [-1, 3]),
    ],
)
def test_a_block_that_scipy_would_read_outside_of_is_refused(indices, values, lengths):
    """Its checksum may be right all the same, where somebody made it."""
    names = np.zeros(0, np.uint8), np.zeros(len(lengths), np.int32)
    arrays = [np.array(x, np.int32) for x in (lengths, indices, values)]
    record = pack(b"ETM1", np.array([3], np.int64), *arrays, np.zeros(len(lengths), np.uint64), *names)
    with pytest.raises(ValueError, match=r"."):
        Rows.from_bytes(record)


def test_a_block_comes_back(prepared):
    for block in blocks_in(prepared)[0]:
        back = Rows.from_bytes(block.to_bytes())
        assert (back.counts != block.counts).nnz == 0
        assert back.counts.has_canonical_format
        assert list(back.ids) == list(block.ids)
    rows = Rows(sp.csr_matrix(np.eye(2, 3, dtype=np.int32)), PackedTexts.of(["", "\udc80x"]), np.zeros(2, np.uint64))
    again = Block.from_bytes(Block(["a", "b", "c"], rows, np.zeros(2, np.uint8)).to_bytes())
    assert (again.words, list(again.rows.ids)) == (["a", "b", "c"], ["", "\udc80x"])


def test_histograms():
    counts = histogram(np.array([3, 1, 3, 7]))
    assert counts == Counter({1: 1, 3: 2, 7: 1})
    assert (median(counts), median(histogram(np.array([1, 2]))), median(Counter())) == (3.0, 1.5, 0.0)
    assert quantiles(counts, 10).tolist() == [1, 3, 3, 7]
    assert quantiles(histogram(np.arange(1000)), 5).tolist() == [0, 250, 500, 749, 999]
    assert largest(counts, 3).tolist() == [7, 3, 3]
    assert largest(counts, 9).tolist() == [7, 3, 3, 1]


@pytest.mark.parametrize("name", ["train-00001-of-00003.arrayrecord", "vocabulary.json", "manifest.json"])
@pytest.mark.parametrize("how", ["changed", "cut", "gone"])
def test_a_damaged_file_is_named(prepared, tmp_path, name, how):
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in prepared.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    content = (folder / name).read_bytes()
    if how == "gone":
        (folder / name).unlink()
    else:
        half = len(content) // 2
        changed = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
        (folder / name).write_bytes(changed if how == "changed" else content[:half])
    with pytest.raises(UserError, match=name if how != "gone" or "manifest" not in name else "holds no .txt files"):
        prepare_any(find_source(CorpusConfig(corpus=str(folder))), CorpusConfig())


def test_a_prepared_folder_is_a_corpus(prepared):
    source = find_source(CorpusConfig(corpus=str(prepared)))
    corpus = prepare_any(source, CorpusConfig(no_below=100))  # what cut the text is in the folder
    manifest = Manifest.read(prepared)
    assert (corpus.name, corpus.digest, corpus.text) == (str(prepared), manifest.digest, None)
    assert len(corpus.train) == corpus.stream.num_docs
    for words, row in zip(corpus.train.first_words, corpus.train.counts.toarray(), strict=True):
        assert row[corpus.vocabulary.words.index(words.split()[0])] == row.max()
    assert prepare_any(source, CorpusConfig(), expected_digest=manifest.digest).digest == manifest.digest
    with pytest.raises(UserError, match="prepared from other text or with other settings"):
        prepare_any(source, CorpusConfig(), expected_digest="another", expected_name="other")


def test_what_is_done_is_not_done_again_and_other_things_are_left_alone(pattern, prepared, tmp_path, capsys):
    job = make_job(pattern, CONFIG, block_docs=8, num_shards=3)
    before = {path: path.stat().st_mtime_ns for path in prepared.iterdir()}
    assert prepare_shards(job, prepared) == Manifest.read(prepared)
    assert "was already prepared" in capsys.readouterr().err
    other = make_job(pattern, CONFIG, block_docs=16)
    with pytest.raises(UserError, match=f"--output={prepared} holds a corpus that was prepared from other files"):
        prepare_shards(other, prepared)
    assert {path: path.stat().st_mtime_ns for path in prepared.iterdir()} == before
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match=r"holds thesis\.txt"):
        prepare_shards(job, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    (tmp_path / "thesis.txt").rename(name_beside(tmp_path / "manifest.json"))  # As a killed process leaves it.
    (tmp_path / ".work-notes").mkdir()
    with pytest.raises(UserError, match=r"holds \.work-notes"):
        prepare_shards(job, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".work-notes"]


def test_files_counted_before_are_not_counted_again(pattern, prepared, tmp_path, monkeypatch):
    """Stopped in the second pass, then in the last step: the same bytes in the end."""
    from etm_jax.corpus.shard_writing import passes, writing

    job, counted = make_job(pattern, CONFIG, block_docs=8, num_shards=3), []

    def counting(file, job, *more):
        counted.append(file.name)
        if len(counted) == 3:
            raise KeyboardInterrupt
        yield from blocks_of(file, job, *more)

    monkeypatch.setattr(passes, "blocks_of", counting)
    with pytest.raises(KeyboardInterrupt):
        prepare_shards(job, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()
    with pytest.raises(UserError, match=r"holds no \.txt files"):
        find_source(CorpusConfig(corpus=str(tmp_path / "out")))

    def killed(manifest, folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(writing.Manifest, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            prepare_shards(job, tmp_path / "out")
    assert counted == ["docs-0.jsonl.gz", "docs-1.txt", "docs-2.csv", "docs-2.csv", "docs-3.tsv"]
    prepare_shards(job, tmp_path / "out")
    assert len(counted) == 5
    names = sorted(path.name for path in prepared.iterdir())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert all((prepared / name).read_bytes() == (tmp_path / "out" / name).read_bytes() for name in names)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    job = make_job(write_inputs(tmp_path / "in"), CONFIG)
    (tmp_path / "in" / "docs-1.txt").write_text("something else")
    with pytest.raises(UserError, match=r"docs-1\.txt changed while it was read"):
        prepare_shards(job, tmp_path / "out")


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--input=nowhere-*"], "--input and --output go together"),
        (["--input=nowhere-*", "--output=out"], "--input=nowhere-* names no file"),
        (["--input={pattern}", "--output=out", "--corpus=lee"], "--corpus=lee and --input="),
        (["--input={pattern}", "--output=out", "--runner=spark"], "--runner"),
        (["--input={pattern}", "--output=out", "--beam_options=--x"], "--beam_options is for --runner=beam"),
        (["--input={pattern}", "--output=out", "--shards=-1"], "--shards=-1 is out of range"),
        (["--input={pattern}", "--output=out", "--block_docs=0"], "--block_docs=0 is out of range"),
        (["--input={pattern}", "--output=out", "--segmenter=whitespace", "--no_below=999"], "999 documents"),
        (["--input={pattern}", "--output=out", "--segmenter=gold"], "--segmenter=gold is for corpora by name"),
        (["--input={pattern}", "--output=out", "--nosuch"], "there is no flag --nosuch"),
        (["--input={pattern}", "--output=file", "--segmenter=whitespace"], "--output=file: file is a file"),
    ],
)
def test_a_mistake_is_one_line(pattern, tmp_path, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    given = [flag.replace("{pattern}", pattern) for flag in flags]
    assert cli.run(prepare_main, ["prepare", "--workers=1", *given]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error


def test_the_command_says_what_it_made(pattern, tmp_path, capsys):
    flags = [f"--input={pattern}", f"--output={tmp_path}/out", "--segmenter=whitespace", "--no_below=3", "--workers=1"]
    assert cli.run(prepare_main, ["prepare", *flags]) == 0
    told = capsys.readouterr().err
    assert f"--corpus={tmp_path}/out trains on them" in told
    assert "documents                    192" in told


def test_rows_without_text_are_counted_and_the_others_keep_their_numbers(tmp_path, capsys):
    lines = texts_of(0, 40)
    blank = [*lines[:10], "", *lines[10:], " ", "last"]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in blank))
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": None}) + "\n")
    job = make_job(f"{tmp_path}/*.jsonl", CONFIG)
    prepare_shards(job, tmp_path / "out")
    assert "3 of 44 rows have no text and are left out" in capsys.readouterr().err
    (block,) = blocks_of(job.files[0], job)
    assert [name.split(":")[1] for name in block.rows.ids] == [str(n) for n in range(1, 44) if n not in (11, 42)]


def test_phrases_are_learnt_from_the_same_sample_with_rows_of_no_text_and_without(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("etm_jax.corpus.shard_writing.phrase_sample.SAMPLE", 40)
    rows = [json.dumps({"text": f"red fox {text}"}) + "\n" for text in texts_of(0, 60)]
    blank = json.dumps({"text": ""}) + "\n"
    phrases = []
    for name, contents in (("with", [blank.join(rows), blank]), ("without", ["".join(rows)])):
        (tmp_path / name).mkdir()
        for number, content in enumerate(contents):
            (tmp_path / name / f"{number}.jsonl").write_text(content)
        job = make_job(f"{tmp_path}/{name}/*.jsonl", dataclasses.replace(CONFIG, phrases=True, phrase_min_count=2))
        phrases.append(with_phrases(job, tmp_path / name).phrases)
    assert "from 40 of 60 documents" in capsys.readouterr().err
    assert phrases[0] == phrases[1]


def test_english_taken_for_chinese_is_warned_of(tmp_path, capsys):
    (tmp_path / "docs.txt").write_text("the red fox\nthe grey hen\nthe old fox\n" * 9)
    flags = [f"--input={tmp_path}/docs.txt", "--segmenter=whitespace", "--no_above=1", "--workers=1"]
    for more, warned in (("--lang=", True), ("--lang=en", False)):
        assert cli.run(prepare_main, ["prepare", *flags, more, f"--output={tmp_path}/out{more[-2:]}"]) == 0
        assert ("for English give --lang=en" in capsys.readouterr().err) == warned


def test_a_folder_of_texts_with_another_manifest_is_one_of_texts(tmp_path):
    (tmp_path / "manifest.json").write_text('{"name": "a web site"}')
    (tmp_path / "a.txt").write_text("red fox")
    assert find_source(CorpusConfig(corpus=str(tmp_path))).documents is not None


def test_beam_makes_the_same_bytes(pattern, prepared, tmp_path):
    """By two processes of its own, as the command runs it without --beam_options."""
    pytest.importorskip("apache_beam")
    from etm_jax.corpus.shard_writing.pipeline import BeamRunner

    config = CorpusConfig(**{**vars(CONFIG), "workers": 2})
    job = make_job(pattern, config, block_docs=8, num_shards=3)
    prepare_shards(job, tmp_path / "out", BeamRunner(""))
    names = sorted(path.name for path in prepared.iterdir())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert all((prepared / name).read_bytes() == (tmp_path / "out" / name).read_bytes() for name in names)


def with_fields(folder, sizes=(30, 20)):
    """Two .csv files with a column, and a table beside them that lacks a document."""
    folder.mkdir()
    names = []
    for number, size in enumerate(sizes):
        with (folder / f"docs-{number}.csv").open("w", encoding="utf-8", newline="") as file:
            rows = [[text, f"{number}.{i}"] for i, text in enumerate(texts_of(number, size))]
            csv.writer(file).writerows([["text", "n"], *rows])
        names += [f"docs-{number}.csv:{i + 1}" for i in range(size)]
    with (folder / "meta.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["document", "place"], *([name, f"at {name}"] for name in names[1:])])
    return f"{folder}/docs-*", str(folder / "meta.csv")


def with_metadata(folder, **given):
    pattern, table = with_fields(folder)
    config = dataclasses.replace(CONFIG, no_below=1, meta_fields="n,place", meta=table)
    return make_job(pattern, dataclasses.replace(config, **given), block_docs=8)


@pytest.mark.parametrize("runner", ["local", "beam"])
def test_fields_of_the_corpus_and_of_a_table_are_dealt_with_their_documents(tmp_path, capsys, runner):
    job = with_metadata(tmp_path / "in")
    run = local.run
    if runner == "beam":
        pytest.importorskip("apache_beam")
        from etm_jax.corpus.shard_writing.pipeline import BeamRunner

        run = BeamRunner("--direct_running_mode=in_memory")
    prepare_shards(job, tmp_path / "out", run)
    assert "warning: 49 of 50 documents have a row in --meta=" in capsys.readouterr().err
    corpus = read_corpus(tmp_path / "out")
    assert [(column.name, column.kind) for column in corpus.metadata.columns] == [
        ("n", "number"),
        ("place", "category"),
    ]
    # Whatever filtering leaves of it.
    assert set(corpus.metadata.columns[1].levels) >= set(corpus.train.meta["place"]) - {""}
    for part in (corpus.train, corpus.valid, corpus.test):
        for name, n, place in zip(part.ids, part.meta["n"], part.meta["place"], strict=True):
            file, line = name.removeprefix("docs-").split(".csv:")
            assert n == f"{file}.{int(line) - 1}"
            assert place == ("" if name == "docs-0.csv:1" else f"at {name}")


@pytest.mark.parametrize("runner", ["local", "beam"])
def test_a_table_of_other_documents_is_one_line(tmp_path, runner):
    (tmp_path / "other.csv").write_text("document,place\nx,y\n")
    job = with_metadata(tmp_path / "in", meta=str(tmp_path / "other.csv"), meta_fields="place")
    run = local.run
    if runner == "beam":
        pytest.importorskip("apache_beam")
        from etm_jax.corpus.shard_writing.pipeline import BeamRunner

        # In processes of its own, from which errors come as text.
        run = BeamRunner("")
    with pytest.raises(UserError, match=r"names none of the 50 documents, .* such as 'docs-0\.csv:1'"):
        prepare_shards(job, tmp_path / "out", run)


def test_metadata_decide_what_comes_out_only_where_they_are_asked_for(tmp_path):
    job = with_metadata(tmp_path / "in")
    plain = make_job(f"{tmp_path}/in/docs-*", CONFIG, block_docs=8)
    assert not {"meta", "meta_fields", "meta_sha256"} & set(plain.settings)
    assert job.settings["meta_fields"] == "n,place"
    assert "meta" not in job.settings
    (tmp_path / "in" / "meta.csv").write_text("document,place\nx,y\n")
    again = make_job(f"{tmp_path}/in/docs-*", job.config, block_docs=8)
    assert again.request != job.request


def test_records_and_a_manifest_of_before_are_read(pattern, prepared, tmp_path):
    """Seven arrays a block, and no word of metadata: what is written still where there are neither texts nor fields."""
    folder = tmp_path / "before"
    folder.mkdir()
    manifest = json.loads((prepared / "manifest.json").read_text())
    assert "metadata" not in manifest
    for part in PARTS:
        shards = Manifest.read(prepared).paths(prepared, part)
        for path, shard in zip(shards, manifest["parts"][part]["shards"], strict=True):
            blocks = [Rows.from_bytes(record).without(TEXT) for record in read_records(path)]
            assert all(len(unpack(b"ETM1", block.to_bytes())) == 7 for block in blocks)
            write_records(folder / path.name, (block.to_bytes() for block in blocks))
            shard |= {"bytes": (folder / path.name).stat().st_size, "sha256": file_digest(folder / path.name)}
    (folder / "vocabulary.json").write_bytes((prepared / "vocabulary.json").read_bytes())
    (folder / "manifest.json").write_text(json.dumps(manifest))
    ours, before = (read_corpus(place, texts=True) for place in (prepared, folder))
    assert before.train.texts is None
    assert len(ours.train.texts) == len(ours.train)
    assert (ours.train.counts != before.train.counts).nnz == 0
    assert (before.metadata, before.train.meta) == (Metadata(), {})
    assert {len(some.extras) for some in before.stream.epoch(1, 1, 8)} == {0}


def test_only_documents_that_are_held_keep_their_texts(pattern, tmp_path, monkeypatch):
    """Some more than a reader holds, by their keys; the others' take no room, and all else is the same."""
    config = dataclasses.replace(CONFIG, no_below=1, no_above=1.0)
    job = make_job(pattern, config, block_docs=8, num_shards=1)
    prepare_shards(job, tmp_path / "all")
    for module in (plan, folder_module):
        monkeypatch.setattr(module, "MAX_DOCUMENTS", {"train": 40, "valid": 4, "test": 10})
    prepare_shards(job, tmp_path / "some")
    train = read_corpus(tmp_path / "some", texts=True).train
    assert len(train) == 40
    assert set(train.texts) <= {text for number, size in enumerate((90, 40, 61, 1)) for text in texts_of(number, size)}
    (some,), (whole,) = (blocks_in(tmp_path / name) for name in ("some", "all"))
    kept = np.concatenate([[bool(text) for text in block.labels.get(TEXT, [""] * len(block))] for block in some])
    assert 40 <= kept.sum() <= 60
    assert kept[:40].all()
    assert TEXT not in some[-1].labels
    for few, block in zip(some, whole, strict=True):
        assert all(block.labels[TEXT])
        assert few.without(TEXT).to_bytes() == block.without(TEXT).to_bytes()


@pytest.mark.parametrize(
    "labels",
    [
        {"n": ["1"]},
        {"n": ["1", "2", "3"]},
    ],
)
def test_labels_of_other_documents_are_refused(labels):
    rows = Rows(sp.csr_matrix(np.eye(2, 3, dtype=np.int32)), PackedTexts.of(["a", "b"]), np.zeros(2, np.uint64),
                {name: PackedTexts.of(values) for name, values in labels.items()})  # fmt: skip
    with pytest.raises(ValueError, match="labels"):
        Rows.from_bytes(rows.to_bytes())


def test_labels_come_back_and_are_blank_where_others_lack_them():
    counts, keys = sp.csr_matrix(np.eye(2, 3, dtype=np.int32)), np.zeros(2, np.uint64)
    some = Rows(counts, PackedTexts.of(["a", "b"]), keys, {"日": PackedTexts.of(["1", ""]), TEXT: PackedTexts.of("xy")})
    back = Rows.from_bytes(some.to_bytes())
    assert {name: list(texts) for name, texts in back.labels.items()} == {"日": ["1", ""], TEXT: ["x", "y"]}
    both = joined([some, some.without(TEXT)])
    assert {name: list(texts) for name, texts in both.labels.items()} == {
        "日": ["1", "", "1", ""],
        TEXT: ["x", "y", "", ""],
    }


def test_words_that_gensim_met_last_are_not_dropped_for_that():
    """Of words of the same frequency keep_n takes those that come first by spelling."""
    config = CorpusConfig(no_below=1, no_above=1.0, keep_n=2, min_token_len=1)
    for documents in (["b c", "a d"], ["d c", "b a"]):
        frequencies = word_frequencies(index_tokens([TokenRanges.of_lists(text.split() for text in documents)]))
        assert filter_words(frequencies, config) == ["a", "b"]


def test_a_word_in_exactly_the_share_of_the_documents_is_kept(tmp_path):
    (tmp_path / "docs.txt").write_text("target a\n" * 29 + "over b\n" * 30 + "c d\n" * 20 + "e f\n" * 21, "utf-8")
    config = CorpusConfig(segmenter="whitespace", no_below=1, no_above=0.29, workers=1)
    prepare_shards(make_job(str(tmp_path / "docs.txt"), config), tmp_path / "prepared")
    words = set(
        prepare_any(find_source(CorpusConfig(corpus=str(tmp_path / "prepared"))), CorpusConfig()).vocabulary.words
    )
    assert words == {"target", "a", "c", "d", "e", "f"}
