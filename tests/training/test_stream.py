"""Reading a corpus from shards: each document once an epoch, whoever reads it and wherever reading begins."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import scipy.sparse as sp

import forked
from conftest import SMALL, needs_scale, themed_lines
from etm_jax.cli import flags as cli
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.shards import Stream, reading
from etm_jax.corpus.shards.draws import PARTS
from etm_jax.corpus.shards.histogram import histogram
from etm_jax.corpus.shards.manifest import Manifest, Part, Shard, shard_name
from etm_jax.corpus.shards.records import write_records
from etm_jax.corpus.shards.rows import Rows
from etm_jax.corpus.store.packed import PackedTexts
from etm_jax.corpus.types import FilterReport
from etm_jax.infer import main as infer_main
from etm_jax.prepare import main as prepare_main
from etm_jax.train import main as train_main
from etm_jax.util.errors import UserError

pytestmark = needs_scale

BLOCK = 4
BITS = 12


def numbered(num_docs: int) -> sp.csr_matrix:
    """Counts that say which row they are: its number in binary; a word of every document keeps none empty."""
    bits = (np.arange(num_docs)[:, None] >> np.arange(BITS)) & 1
    return sp.csr_matrix(np.hstack([np.ones((num_docs, 1)), bits]).astype(np.int32))


def numbers(counts: sp.csr_matrix) -> list[int | None]:
    """Which documents; None where a slot of the batch has no more."""
    dense = counts.toarray()
    return [int(row[1:] @ (1 << np.arange(BITS))) if row[0] else None for row in dense]


def stream_of(folder, num_docs: int, shards: int = 3) -> Stream:
    """The stream of a folder of so many numbered documents."""
    counts = numbered(num_docs)
    ids, keys = PackedTexts.of(map(str, range(num_docs))), np.arange(num_docs, dtype=np.uint64)
    ends = np.linspace(0, num_docs // BLOCK, shards + 1).astype(int) * BLOCK
    ends[-1] = num_docs
    part = Part(nonzeros_of=histogram(np.diff(counts.indptr)))
    for number in range(shards):
        rows = [
            Rows(counts[low : min(low + BLOCK, ends[number + 1])], ids.take(np.arange(low, min(low + BLOCK, num_docs))),
                 keys[low : low + BLOCK])
            for low in range(ends[number], ends[number + 1], BLOCK)
        ]  # fmt: skip
        write_records(folder / shard_name("train", number, shards), (some.to_bytes() for some in rows))
        part.shards.append(
            Shard(documents=int(ends[number + 1] - ends[number]), nonzeros=sum(r.counts.nnz for r in rows))
        )
    report = FilterReport(*[0] * 8)
    parts = {name: part if name == "train" else Part() for name in PARTS}
    return Stream(folder, Manifest("", "", {}, BLOCK, counts.shape[1], "", "", report, parts))


def documents_of(stream, **given):
    """The documents of each step by their numbers."""
    given = {"seed": 1, "epoch": 1, "batch_size": 16} | given
    return [numbers(some.counts) for some in stream.epoch(**given)]


def in_a_row(steps):
    return [number for step in steps for number in step if number is not None]


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    return stream_of(tmp_path_factory.mktemp("stream"), 1403)


@pytest.mark.parametrize("num_docs", [1, 4, 15, 16, 17, 255, 256, 257, 600])
def test_each_document_comes_once_and_only_the_last_step_is_short(tmp_path, num_docs):
    stream = stream_of(tmp_path, num_docs, shards=1 if num_docs < 20 else 3)
    steps = documents_of(stream)
    assert sorted(in_a_row(steps)) == list(range(num_docs))
    assert len(steps) == stream.num_steps(16) == -(-num_docs // 16)
    assert all(len(step) == 16 for step in steps)
    assert all(None not in step for step in steps[:-1])


def test_counts_are_canonical_and_of_the_right_type(stream):
    for counts, _ in stream.epoch(1, 1, 16):
        assert (counts.dtype, counts.shape[1]) == (np.int32, stream.num_words)
        counts.check_format(full_check=True)
        assert sp.csr_matrix((counts.data, counts.indices, counts.indptr), counts.shape).has_canonical_format


@pytest.mark.parametrize("num_parts", [2, 4])
def test_the_parts_of_a_batch_are_the_batch_however_many_there_are(stream, num_parts):
    whole = documents_of(stream)
    parts = [documents_of(stream, part=part, num_parts=num_parts) for part in range(num_parts)]
    for step, batch in enumerate(whole):
        assert [number for part in parts for number in part[step]] == batch
        assert all(len(part[step]) == 16 // num_parts for part in parts)


@pytest.mark.parametrize("first_step", [1, 15, 16, 17, 40, 87, 88])
def test_beginning_later_gives_what_is_left(stream, first_step):
    assert documents_of(stream, first_step=first_step) == documents_of(stream)[first_step:]
    assert (
        documents_of(stream, first_step=first_step, part=1, num_parts=2)
        == documents_of(stream, part=1, num_parts=2)[first_step:]
    )


def test_every_epoch_and_seed_has_an_order_of_its_own(stream):
    orders = [in_a_row(documents_of(stream, seed=seed, epoch=epoch)) for seed, epoch in ((1, 1), (1, 2), (2, 1))]
    assert [sorted(order) for order in orders] == [list(range(1403))] * 3
    assert orders[0] == in_a_row(documents_of(stream))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert abs(np.corrcoef(orders[i], orders[j])[0, 1]) < 0.1
    # Nor does the place of a document say where it comes, or who comes with it.
    assert abs(np.corrcoef(orders[0], np.arange(1403))[0, 1]) < 0.1
    together = [abs(np.diff(np.array(in_a_row([step])) // BLOCK)) for step in documents_of(stream)]
    assert (np.concatenate(together) == 0).mean() < 0.1


def test_worker_processes_change_nothing(stream):
    assert documents_of(stream, workers=2, first_step=20) == documents_of(stream, first_step=20)


@pytest.mark.parametrize(
    "batch_size, num_parts, message",
    [
        (18, 1, r"--batch_size=18 cannot be made from blocks of 4 documents; give --batch_size=16, or"),
        (2, 1, r"give --batch_size=4, or .* --block_docs that divides 2$"),
        (16, 3, r"--batch_size=16 cannot be made among 3 processes .* give --batch_size=12, .* divides 16 / 3$"),
    ],
)
def test_a_batch_that_cannot_be_parted_is_refused(stream, batch_size, num_parts, message):
    with pytest.raises(UserError, match=message):
        next(stream.epoch(1, 1, batch_size, num_parts=num_parts))


def test_no_more_is_read_ahead_the_larger_the_corpus(tmp_path, monkeypatch):
    """Blocks that were read when the first step is handed over: of its window, and of as many as wait behind it."""
    whole, blocks, read = reading.Rows.from_bytes, [], []
    monkeypatch.setattr(reading.Rows, "from_bytes", lambda data: blocks.append(0) or whole(data))
    for number, num_docs in enumerate((1600, 4000)):
        (tmp_path / f"{number}").mkdir()
        steps = stream_of(tmp_path / f"{number}", num_docs).epoch(1, 1, 16)
        blocks.clear()
        next(steps)
        time.sleep(0.5)  # threads go on until they may not
        read.append(len(blocks))
        steps.close()
    slots = 4
    assert read[0] == read[1] <= reading.WINDOW * (slots + reading.WINDOWS_AHEAD + reading.THREADS)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_shard_is_named_while_it_is_read(tmp_path, workers):
    stream = stream_of(tmp_path, 600)
    path = tmp_path / shard_name("train", 1, 3)
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    content[np.flatnonzero(content)[200::100]] ^= 1  # most of a small file is zeros that nobody reads
    path.write_bytes(content.tobytes())
    with pytest.raises(UserError, match=f"{re.escape(str(path))} is damaged"):
        list(stream.epoch(1, 1, 16, workers=workers))


def test_lengths_are_those_of_the_documents(stream, tmp_path, monkeypatch):
    lengths = np.sort(np.diff(numbered(1403).indptr))
    assert stream.lengths.tolist() == lengths.tolist()
    assert stream.longest.tolist() == lengths[::-1].tolist()
    assert (stream.num_docs, stream.nnz, stream.block_docs) == (1403, lengths.sum(), BLOCK)
    monkeypatch.setattr(reading, "LENGTHS", 100)
    few = stream_of(tmp_path, 1403)
    assert len(few.lengths) == 100
    assert (few.lengths[0], few.lengths[-1]) == (lengths[0], lengths[-1])
    assert abs(few.lengths.mean() - lengths.mean()) < 0.1
    assert few.longest.tolist() == lengths[::-1][:100].tolist()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A small folder made by the command, and its inputs."""
    place = tmp_path_factory.mktemp("command")
    for number in range(6):
        lines = (json.dumps({"text": line}) for line in themed_lines(60, seed=number))
        (place / f"docs-{number}.jsonl").write_text("\n".join(lines))
    flags = [f"--input={place}/docs-*", f"--output={place}/out", "--block_docs=16", "--workers=1"]
    assert cli.run(prepare_main, ["prepare", *flags, "--segmenter=whitespace", "--no_below=1", "--no_above=0.6"]) == 0
    return place


def test_training_reads_a_prepared_folder(prepared, tmp_path, capsys):
    """Its run is resumed, and refuses another folder's corpus; its topics are given to text that is cut alike."""
    flags = [f"--corpus={prepared}/out", f"--workdir={tmp_path}/run", *SMALL]
    assert cli.run(train_main, ["train", *flags]) == 0
    record = json.loads((tmp_path / "run" / "config.json").read_text())
    assert record["run"]["corpus_digest"] == Manifest.read(prepared / "out").digest
    capsys.readouterr()
    assert cli.run(train_main, ["train", *flags]) == 0
    assert "was already complete" in capsys.readouterr().err
    new = tmp_path / "new.txt"
    new.write_text("海洋 船 鱼\n山峰 森林 鹿\n", encoding="utf-8")
    theta = tmp_path / "theta.npy"
    assert cli.run(infer_main, ["infer", f"--workdir={tmp_path}/run", f"--input={new}", f"--output={theta}"]) == 0
    assert "0.0% of their words are not the model's" in capsys.readouterr().err
    assert np.load(theta).argmax(axis=1).tolist()[0] != np.load(theta).argmax(axis=1).tolist()[1]


def test_a_killed_command_leaves_no_corpus_and_resumes(prepared, tmp_path):
    """By SIGKILL, in the middle of the first pass: its processes end too, and the bytes are the same in the end."""
    command = [
        *(sys.executable, "-m", "etm_jax.prepare", f"--input={prepared}/docs-*", f"--output={tmp_path}/out"),
        *("--block_docs=16", "--segmenter=whitespace", "--no_below=1", "--no_above=0.6", "--workers=2"),
    ]
    process = forked.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
    while not list((tmp_path / "out").glob(".work-*/*.summary")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 20
    while any_of_session(process.pid):
        assert time.monotonic() < deadline, "its processes go on"
        time.sleep(0.05)
    assert not (tmp_path / "out" / "manifest.json").exists()
    again = forked.run(command, capture_output=True, text=True, check=True)
    assert re.search(r"[1-6] of 6 files were counted by an earlier run", again.stderr)
    ours, theirs = (sorted((place / "out").iterdir()) for place in (prepared, tmp_path))
    assert [path.name for path in ours] == [path.name for path in theirs]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(ours, theirs, strict=True))


def any_of_session(session: int) -> bool:
    """Whether a process that is not a zombie is left of a session."""
    try:
        os.killpg(session, 0)
    except ProcessLookupError:
        return False
    states = subprocess.run(["ps", "-o", "stat=", "-g", str(session)], capture_output=True, text=True).stdout.split()
    return any(not state.startswith("Z") for state in states)


def test_the_settings_of_the_text_go_into_the_run(tmp_path):
    """English is cut and folded as the folder was, though no flag of the training says so."""
    texts = [f"The {a} Fox and the {b} Hen" for a in ("red", "grey", "old") for b in ("wet", "tired", "happy")] * 4
    (tmp_path / "docs.txt").write_text("\n".join(texts))
    flags = [f"--input={tmp_path}/docs.txt", f"--output={tmp_path}/out", "--lang=en", "--workers=1", "--block_docs=4"]
    assert cli.run(prepare_main, ["prepare", *flags, "--no_below=1", "--no_above=1"]) == 0
    flags = [f"--corpus={tmp_path}/out", f"--workdir={tmp_path}/run", "--n_topic=2", "--num_epochs=1", "--hidden=8"]
    assert cli.run(train_main, ["train", *flags, "--emb_dim=4", "--batch_size=8"]) == 0
    record = json.loads((tmp_path / "run" / "config.json").read_text())
    settings = record["config"]["corpus"]
    assert (settings["lang"], settings["lowercase"], settings["no_below"]) == ("en", True, 1)
    assert CorpusConfig(**settings).corpus == f"{tmp_path}/out"
