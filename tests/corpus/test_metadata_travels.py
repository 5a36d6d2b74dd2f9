"""A document's metadata, from the file that it stands in to all that a run makes of it; and the same through shards."""

import csv
import io
import json
import math
import os
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import forked
from conftest import SMALL, needs_scale, themed_lines
from etm_jax import train
from etm_jax.cli import flags as cli
from etm_jax.config.build import make_config
from etm_jax.corpus.shards import read_corpus
from etm_jax.corpus.store.cache import load_corpus
from etm_jax.infer import main as infer_main
from etm_jax.inference.predictor import read_predictor
from etm_jax.prepare import main as prepare_main
from etm_jax.results.run import read_run
from etm_jax.training.batches import Batcher
from etm_jax.training.corpus_batches import corpus_batchers, training_batcher

DOCS = 120
FIELDS = "day,score,source"
SOURCES = ("agency", "=1+1", "")
SCRIPT = Path(__file__).parent / "extras_on_eight_devices.py"


def own_word(i: int) -> str:
    """A word of that document alone."""
    return "own" + "".join(chr(ord("a") + int(digit)) for digit in str(i))


def record(i: int) -> dict[str, str]:
    """What document i carries."""
    day = "" if i % 11 == 0 else f"2024-{i % 12 + 1:02}-{i % 28 + 1:02}"
    return {"day": day, "score": "" if i % 7 == 0 else str(i / 4 - 20), "source": SOURCES[i % 3]}


def in_batch(i: int) -> dict[str, float]:
    """The same as numbers, by hand: days since 1970, numbers as they are, places in the list =1+1, agency."""
    day, score, source = record(i).values()
    return {
        "day": float(np.datetime64(day).astype(int)) if day else math.nan,
        "score": float(score) if score else math.nan,
        "source": {"=1+1": 0, "agency": 1, "": -1}[source],
    }


def write_csv(path: Path, first: int = 0, last: int = DOCS) -> Path:
    """Documents, two lines each: the first of them stands on line 2."""
    lines = themed_lines()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["source", "text", "score", "day"])
        for i in range(first, last):
            day, score, source = record(i).values()
            writer.writerow([source, f"{lines[i]} {own_word(i)}", score, day])
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """The folder of a run with metadata."""
    folder = tmp_path_factory.mktemp("metadata")
    corpus = write_csv(folder / "news.csv")
    flags = [f"--corpus={corpus}", f"--meta_fields={FIELDS}", f"--workdir={folder / 'run'}", *SMALL]
    assert cli.run(train.main, ["train", *flags]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def sharded(tmp_path_factory) -> Path:
    """A folder of shards of the same documents in three files."""
    folder = tmp_path_factory.mktemp("shards of metadata")
    for number in range(3):
        write_csv(folder / f"news-{number}.csv", 40 * number, 40 * number + 40)
    flags = [f"--input={folder}/news-*", f"--output={folder / 'out'}", f"--meta_fields={FIELDS}", "--block_docs=4"]
    flags += ["--segmenter=whitespace", "--no_below=1", "--no_above=0.6", "--workers=1", "--shards=2"]
    assert cli.run(prepare_main, ["prepare", *flags]) == 0
    return folder / "out"


def number_of(name: str) -> int:
    """Which document a name stands for: by its line in the file, or in one of three files."""
    file, _, line = name.rpartition(":")
    return int(line) - 1 + 40 * int(file.removeprefix("news-").removesuffix(".csv") or 0 if file else 0)


def assert_same(found: dict[str, float], i: int) -> None:
    np.testing.assert_array_equal([found[name] for name in in_batch(i)], np.float32([*in_batch(i).values()]))


def check_corpus(corpus) -> None:
    assert [(one.name, one.kind) for one in corpus.metadata.columns] == [
        ("day", "date"), ("score", "number"), ("source", "category"),
    ]  # fmt: skip
    assert corpus.metadata.columns[2].levels == ("=1+1", "agency")
    for part in (corpus.train, corpus.valid, corpus.test):
        assert [*part.meta] == FIELDS.split(",")
        for name, *values in zip(part.ids, *part.meta.values(), strict=True):
            assert values == [*record(number_of(name)).values()]


def cached(run: Path) -> Path:
    (entry,) = (run / "corpus").iterdir()
    return entry


def test_it_is_in_the_cache_and_comes_back(trained):
    check_corpus(load_corpus(cached(trained)))


def test_it_is_in_a_shuffled_batch_beside_its_own_document(trained):
    corpus = load_corpus(cached(trained))
    batcher = corpus_batchers(corpus, make_config(), 32)["train"]
    seen = []
    for step in range(len(batcher)):
        batch, rows = batcher.step(seed=1, epoch=3, step=step)
        assert {name: values.dtype for name, values in batch.extras.items()} == {
            "day": np.float32, "score": np.float32, "source": np.int32,
        }  # fmt: skip
        for place, row in enumerate(rows):
            i = number_of(corpus.train.ids[row])
            assert_same({name: values[place] for name, values in batch.extras.items()}, i)
            seen.append(i)
        for values, none in zip(batch.extras.values(), (0, 0, -1), strict=True):
            np.testing.assert_array_equal(values[len(rows) :], none)
    assert len(seen) == len(set(seen)) == len(corpus.train)


def test_other_parts_have_theirs(trained):
    corpus = load_corpus(cached(trained))
    batchers = corpus_batchers(corpus, make_config(), 32)
    for part, documents in (("valid", corpus.valid), ("test", corpus.test), ("test_h1", corpus.test)):
        batch = next(batchers[part].epoch())
        for place, name in enumerate(documents.ids):
            assert_same({field: values[place] for field, values in batch.extras.items()}, number_of(name))


def test_without_metadata_a_batch_has_the_leaves_of_before():
    counts = np.eye(3, dtype=np.int32)
    batch = Batcher(counts_of(counts), counts_of(counts), 3).take(np.arange(3))
    assert batch.extras == {}
    assert len(jax.tree.leaves(batch)) == len(jax.tree.leaves(tuple(batch)[:4]))


def counts_of(dense: np.ndarray):
    import scipy.sparse as sp

    return sp.csr_matrix(dense)


def on_eight_devices(folder: Path, mesh: str, batch_size: int) -> dict:
    done = forked.run(
        [sys.executable, SCRIPT, folder, mesh, str(batch_size)],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check_on_a_mesh(found: dict, num_train: int) -> None:
    assert found["lies"]
    assert len(found["documents"]) == num_train
    by_word = {own_word(i): i for i in range(DOCS)}
    for word, held in found["documents"].items():
        assert_same(held, by_word[word])
    assert found["padding"]
    for held in found["padding"]:
        np.testing.assert_array_equal([*held.values()], [0, 0, -1])


@pytest.mark.parametrize("mesh", ["data:8", "data:4,vocab:2"])
def test_on_a_mesh_it_is_beside_its_own_document(trained, mesh):
    # 30 documents come out even on no mesh.
    check_on_a_mesh(on_eight_devices(cached(trained), mesh, 30), len(load_corpus(cached(trained)).train))


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))))


def as_written(i: int) -> dict[str, str]:
    """In a table that spreadsheets read: numbers below zero as they are, formulas as text."""
    found = record(i)
    return found | {"source": found["source"].replace("=", "'=")}


def test_results_have_it_behind_all_else(trained):
    rows = rows_of(trained / "export" / "doc_topics.csv")
    topics = [name for name in rows[0] if name.startswith("topic_")]
    ours = ["document", "split", "tokens", "unknown", "topics", "first_words", *topics]
    assert [*rows[0]] == [*ours, *FIELDS.split(",")]
    assert len(rows) == DOCS
    for row in rows:
        assert {name: row[name] for name in FIELDS.split(",")} == as_written(number_of(row["document"]))


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_inference_carries_it_through(trained, tmp_path, form):
    output = tmp_path / f"theta.{form}"
    given = [f"--workdir={trained}", f"--input={trained.parent / 'news.csv'}", f"--output={output}"]
    assert cli.run(infer_main, ["infer", *given, "--meta_fields=source, score"]) == 0
    if form == "csv":
        rows = rows_of(output)
        assert [*rows[0]][-3:] == ["topic_2", "source", "score"]
    elif form == "jsonl":
        rows = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    else:
        rows = pytest.importorskip("pyarrow.parquet").read_table(output).to_pylist()
    assert len(rows) == DOCS
    for i, row in enumerate(rows):
        assert row["document"] == str(i + 1)
        expected = as_written(i) if form == "csv" else record(i)
        assert [row["source"] or "", row["score"] or ""] == [expected["source"], expected["score"]]
        assert form == "csv" or record(i)["score"] or row["score"] is None


def test_inference_joins_a_table_by_the_names_that_its_rows_have(trained, tmp_path, capsys):
    (tmp_path / "new.txt").write_text("\n".join(themed_lines(5)), encoding="utf-8")
    (tmp_path / "meta.tsv").write_text("document\tplace\n1\tParis\n4\tRome\n", encoding="utf-8")
    given = [f"--workdir={trained}", f"--input={tmp_path / 'new.txt'}", f"--output={tmp_path / 'theta.csv'}"]
    assert cli.run(infer_main, ["infer", *given, f"--meta={tmp_path / 'meta.tsv'}"]) == 0
    assert [row["place"] for row in rows_of(tmp_path / "theta.csv")] == ["Paris", "", "", "Rome", ""]
    assert "2 of 5 documents have a row in --meta=" in capsys.readouterr().err
    before = (tmp_path / "theta.csv").read_bytes()
    (tmp_path / "meta.tsv").write_text("document\tplace\n9\tParis\n", encoding="utf-8")
    for flags, said in (
        ([f"--meta={tmp_path / 'meta.tsv'}"], "names none of the 5 documents"),
        (["--meta_fields=place"], "place cannot be in"),
        ([f"--meta={tmp_path / 'meta.tsv'}", f"--output={tmp_path / 'theta.npy'}"], "holds proportions alone"),
    ):
        assert cli.run(infer_main, ["infer", *given, *flags]) == 2
        assert said in capsys.readouterr().err
    assert (tmp_path / "theta.csv").read_bytes() == before


def test_a_model_is_given_it_of_new_documents_too(trained, monkeypatch):
    """Coded as in training, whatever else the new documents have."""
    import etm_jax.inference.predictor as predictor

    model, batches = read_predictor(str(trained)), []
    monkeypatch.setattr(predictor, "infer_theta", lambda _, batcher, *__: batches.append(next(batcher.epoch())) or 0)
    counts = load_corpus(cached(trained)).train.counts[:2]
    model.theta(counts, {"source": ["agency", "unknown"], "day": ["1970-01-02", ""], "more": ["x", "y"]})
    extras = {name: values[:2] for name, values in batches[0].extras.items()}
    np.testing.assert_array_equal(extras["source"], [1, -1])
    np.testing.assert_array_equal(extras["day"], [1, np.nan])
    np.testing.assert_array_equal(extras["score"], [np.nan, np.nan])


def test_a_run_that_goes_on_keeps_its_fields(trained, capsys):
    given = ["train", f"--corpus={trained.parent / 'news.csv'}", f"--workdir={trained}", *SMALL]
    assert cli.run(train.main, [*given, f"--meta_fields={FIELDS}"]) == 0
    assert "metadata: day (dates), score (numbers), source (2 categories)" in capsys.readouterr().err
    assert cli.run(train.main, given) == 2
    assert f"this command has no --meta_fields, but the run in {trained} was" in capsys.readouterr().err


def test_a_table_that_has_changed_is_named_when_the_run_is_resumed(tmp_path, lines_file, capsys):
    (table := tmp_path / "meta.csv").write_text("document,mood\n1,glad\n", encoding="utf-8")
    given = ["train", f"--corpus={lines_file}", f"--meta={table}", f"--workdir={tmp_path / 'run'}", *SMALL]
    assert cli.run(train.main, [*given, "--num_epochs=1"]) == 0
    table.write_text("document,mood\n1,sad\n", encoding="utf-8")
    capsys.readouterr()
    assert cli.run(train.main, [*given, "--num_epochs=1"]) == 2
    assert "file of --meta" in capsys.readouterr().err


# Through shards


@needs_scale
def test_it_is_in_shards(sharded):
    corpus = read_corpus(sharded)
    check_corpus(corpus)
    assert corpus.train.texts is None
    texts = read_corpus(sharded, texts=True).train
    assert list(texts.texts) == [f"{themed_lines()[number_of(name)]} {own_word(number_of(name))}" for name in texts.ids]


@needs_scale
@pytest.mark.parametrize("workers", [0, 1])
def test_from_shards_it_is_in_a_shuffled_batch_beside_its_own_document(sharded, workers):
    corpus = read_corpus(sharded)
    config = make_config("default", {"batch_size": 16, "read_workers": workers})
    batcher = training_batcher(corpus, config, corpus_batchers(corpus, config, 16)["train"])
    words, by_word, seen = corpus.vocabulary.words, {own_word(i): i for i in range(DOCS)}, set()
    for batch in batcher.shuffled(seed=1, epoch=1):
        starts = batch.pattern.row_starts
        for row in range(16):
            held = {name: values[row] for name, values in batch.extras.items()}
            if not batch.real[row]:
                np.testing.assert_array_equal([*held.values()], [0, 0, -1])
                continue
            own = {words[j] for j in batch.pattern.cols[starts[row] : starts[row + 1]]} & by_word.keys()
            (i,) = (by_word[word] for word in own)
            assert_same(held, i)
            seen.add(i)
    assert len(seen) == corpus.stream.num_docs


@needs_scale
def test_from_shards_on_a_mesh_it_is_beside_its_own_document(sharded):
    num_train = read_corpus(sharded).stream.num_docs
    check_on_a_mesh(on_eight_devices(sharded, "data:4,vocab:2", 24), num_train)


@needs_scale
def test_a_run_on_shards_exports_it(sharded, tmp_path, capsys):
    flags = ["train", f"--corpus={sharded}", f"--workdir={tmp_path / 'run'}", *SMALL, "--num_epochs=1"]
    assert cli.run(train.main, flags) == 0
    rows = rows_of(tmp_path / "run" / "export" / "doc_topics.csv")
    for row in rows:
        assert {name: row[name] for name in FIELDS.split(",")} == as_written(number_of(row["document"]))
    assert read_run(tmp_path / "run").corpus.metadata.names == tuple(FIELDS.split(","))
    # With the same flag, too; other fields are not in the folder.
    assert cli.run(train.main, [*flags, f"--meta_fields={FIELDS}"]) == 0
    capsys.readouterr()
    for flag in ("--meta_fields=day", "--meta=meta.csv"):
        assert cli.run(train.main, [*flags, flag]) == 2
        assert "has the metadata fields that it was prepared with (day, score, source)" in capsys.readouterr().err
