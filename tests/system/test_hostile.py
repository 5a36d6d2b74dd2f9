"""Files from others: whatever is in them, a reader makes something of it or gives one clean error.

The readers, and valid files to begin from, are those of `torture.readers`; `torture.fuzz` looks for hours.
"""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from conftest import SMALL, planted_counts
from etm_jax.cli import flags as cli
from etm_jax.corpus.readers.columns import Columns
from etm_jax.corpus.readers.original import read_original
from etm_jax.corpus.readers.tables import read_table
from etm_jax.corpus.readers.text_files import read_jsonl, read_lines
from etm_jax.evaluate import main as evaluate
from etm_jax.infer import main as infer
from etm_jax.report.__main__ import main as report
from etm_jax.train import main as train
from etm_jax.util.errors import UserError, one_line
from etm_jax.vectors import file as vectors
from torture.fuzz import OWN_PEAK, Case, fuzz
from torture.readers import READERS, WORDS, is_there

THERE = [name for name in READERS if is_there(name)]
ENCODINGS = ("utf-8", "gb18030", "utf-16", "utf-16-le", "big5", "latin-1")

same_each_time = settings(
    derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> dict[str, Case]:
    """A reader's valid files are made when they are first asked for."""

    class Made(dict[str, Case]):
        def __missing__(self, name: str) -> Case:
            self[name] = Case(READERS[name], tmp_path_factory.mktemp(name) / "case")
            return self[name]

    return Made()


# Bytes ---------------------------------------------------------------------------------------------------------------


@st.composite
def edits(draw: st.DrawFn, content: bytes) -> bytes:
    """A file of which some pieces are taken out, put in or changed, and which may be cut off."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        stop = draw(st.integers(start, min(len(content), start + 12)))
        content = content[:start] + draw(st.binary(max_size=12)) + content[stop:]
    return content[: draw(st.integers(0, len(content)))] if draw(st.integers(0, 3)) == 0 else content


@pytest.mark.parametrize("name", THERE)
def test_any_bytes_are_read_or_are_one_clean_error(cases, name):
    case = cases[name]
    whole = [(case.valid / path).read_bytes() for path in case.names]
    slow = name in ("checkpoint", "saved", "cache")

    @settings(same_each_time, max_examples=25 if slow else 100)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(whole) - 1))
        packed = data.draw(st.sampled_from([0, 128]))
        content = data.draw(st.one_of(edits(whole[number]), st.binary(max_size=200)))
        case.give(bytes([number | packed]) + content)

    check()


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
        st.sampled_from([10**30, -1, 2**31, 2**64, 1e308, "", "\ud800", "../../x", "\0"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a JSON value something could stand otherwise."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] + [place for key, part in inner for place in places(part, (*path, key))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def removed(value: Any, path: tuple[Any, ...]) -> Any:
    if len(path) > 1:
        return replaced(value, path[:1], removed(value[path[0]], path[1:]))
    return {key: part for key, part in value.items() if key != path[0]} if isinstance(value, dict) else []


@pytest.mark.parametrize("name", ["record", "checkpoint", "saved", "cache", "earlier"])
def test_any_value_in_our_own_json_is_read_or_is_one_clean_error(cases, name):
    case = cases[name]
    contents = {}
    for number, path in enumerate(case.names):
        try:
            contents[number] = json.loads((case.valid / path).read_bytes())
        except ValueError:
            continue
    assert contents

    @settings(same_each_time, max_examples={"record": 150, "earlier": 20}.get(name, 60))
    @given(st.data())
    def check(data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(contents)))
        place = data.draw(st.sampled_from(places(contents[number])))
        gone = data.draw(st.integers(0, 4)) == 0 and place != ()
        changed = removed(contents[number], place) if gone else replaced(contents[number], place, data.draw(JSON))
        case.give(bytes([number]) + json.dumps(changed).encode("utf-8", "surrogatepass"))

    check()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process starts with a peak of its own")
def test_a_process_whose_peak_is_measured_starts_with_none_of_its_parents():
    held = np.ones(64 << 20)  # 512 MiB.
    peak = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    done = subprocess.run([*OWN_PEAK, sys.executable, "-c", peak], capture_output=True, text=True, check=True)
    assert int(done.stdout) < held.nbytes >> 11


def test_a_fuzzer_finds_nothing_in_two_thousand_inputs(tmp_path):
    """Those of a seed, as many on any machine: a busy one gave all of a minute to the files that are valid."""
    pytest.importorskip("atheris", reason="the fuzzer, atheris, is for Linux on x86-64")
    names = [name for name in THERE if name != "torch"]
    found = fuzz(names, seconds=0, mebibytes=256, findings=tmp_path, runs=2000)
    assert not found["failure"], found["failure"]
    assert found["executions"] >= 2000


# What is written is what is read -------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_lines_of_any_text_come_back(tmp_path, encoding):
    file = tmp_path / "lines.txt"

    # Line ends part lines, and a mark of the byte order at the beginning is no text.
    text = st.text(st.characters(codec=encoding, exclude_characters="\r\n\ufeff"), max_size=20)

    @settings(same_each_time, max_examples=100)
    @given(st.lists(text, max_size=6))
    def check(lines: list[str]) -> None:
        file.write_bytes("\n".join(lines).encode(encoding))
        full = [(str(n), line) for n, line in enumerate(lines, 1) if line.strip()]
        assume(full)
        assert [(doc.id, doc.text) for doc in read_lines(file, encoding)] == full

    check()


ROWS = st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), min_size=1, max_size=6)


def unfolded(text: str) -> str:
    """As a file gives it back whose lines end as an editor counts them."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def test_texts_of_a_table_come_back(tmp_path):
    file = tmp_path / "table.csv"

    @settings(same_each_time, max_examples=150)
    @given(ROWS)
    @example([('a "quoted", cell', "b"), ("two\r\nlines", "\u2028")])
    def check(rows: list[tuple[str, str]]) -> None:
        out = io.StringIO()
        csv.writer(out, quoting=csv.QUOTE_ALL).writerows([("text", "more"), *rows])
        file.write_bytes(out.getvalue().encode("utf-8"))
        # Blank texts are documents too; rows that are blank from end to end are left out after the last that is not.
        last = max((i for i, row in enumerate(rows) if any(cell.strip() for cell in row)), default=-1)
        assume(last >= 0)
        texts = [unfolded(text) for text, _ in rows[: last + 1]]
        assert [doc.text for doc in read_table(file, Columns(), "utf-8")] == texts

    check()


def test_texts_of_json_lines_come_back(tmp_path):
    file = tmp_path / "texts.jsonl"

    @settings(same_each_time, max_examples=150)
    @given(st.lists(st.text(st.characters(), max_size=12), min_size=1, max_size=6), st.booleans())
    def check(texts: list[str], ascii_only: bool) -> None:
        lines = [json.dumps({"id": 1, "text": text}, ensure_ascii=ascii_only) for text in texts]
        file.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
        halves = any("\ud800" <= char <= "\udfff" for text in texts for char in text)
        assume(ascii_only or not halves)
        # Half a character, which has no UTF-8, is a question mark.
        texts = [text.encode("utf-8", "replace").decode() for text in texts]
        assert [doc.text for doc in read_jsonl(file, Columns(), "utf-8")] == texts

    check()


@pytest.mark.parametrize("binary", [False, True])
def test_vectors_of_any_words_come_back(tmp_path, binary):
    file = tmp_path / "vectors"
    words = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=6)

    @settings(same_each_time, max_examples=100)
    @given(st.lists(words, min_size=1, max_size=6, unique=True), st.integers(3, 9), st.integers(0, 1000))
    def check(words: list[str], dim: int, seed: int) -> None:
        # What begins a file or a line and could be read as something else than a word.
        assume(not any(word.startswith("\ufeff") or word.split() != [word] for word in words))
        rows = np.random.default_rng(seed).normal(size=(len(words), dim)).astype(np.float32)
        out = f"{len(words)} {dim}\n".encode()
        for word, row in zip(words, rows, strict=True):
            out += word.encode() + b" " + (row.tobytes() if binary else " ".join(map(repr, row.tolist())).encode())
            out += b"\n"
        file.write_bytes(out)
        assume(vectors.sniff(file).binary == binary)
        matrix, known = vectors.read(file, [*words, "银河帝国的"])
        np.testing.assert_array_equal(matrix[: len(words)], rows)
        assert known[: len(words)].all()

    check()


@given(st.text())
@settings(same_each_time, max_examples=100)
def test_an_error_is_one_line_of_text_that_a_terminal_only_shows(text):
    said = str(UserError(text))
    assert said == one_line(text) == one_line(said)
    assert len(said.splitlines()) <= 1
    assert said.encode().decode() == said
    assert not any(char < " " or "\x7f" <= char < "\xa0" for char in said)


# More than a file holds ----------------------------------------------------------------------------------------------


def mat_bomb(claimed: int) -> bytes:
    """A MATLAB file of one packed variable, a cell named tokens, that unpacks to so many zeros."""
    packer = zlib.compressobj(9)
    inside = (1 << 32) - 8
    name = b"tokens\0\0"
    begin = np.array([14, inside], "<u4").tobytes()
    begin += np.array([6, 8, 1, 0, 5, 8, 1, 1, 1, 6], "<u4").tobytes() + name
    packed = packer.compress(begin) + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush the stream may go on with the same block again and again.
    block = packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed += block * (claimed >> 24)
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    return header + np.array([15, len(packed)], "<u4").tobytes() + packed


def test_a_mat_file_that_unpacks_without_end_is_refused_in_bounded_memory(cases, tmp_path):
    folder = tmp_path / "given"
    shutil.copytree(cases["original"].valid, folder)
    (folder / "bow_tr_tokens.mat").write_bytes(mat_bomb(3 << 30))
    program = (
        "import sys, resource; from pathlib import Path; import scipy.io\n"
        "from etm_jax.corpus.readers.original import read_original; from etm_jax.util.errors import UserError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    read_original(Path(sys.argv[1]))\n"
        "except UserError as error:\n    print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    command = [*OWN_PEAK, sys.executable, "-c", program, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said, kibibytes = done.stdout.splitlines()
    assert "unpacks to more than 200 times its size" in said
    assert int(kibibytes) < 64 << 10


def test_words_that_would_end_a_line_are_refused(cases, tmp_path):
    import pickle

    folder = tmp_path / "given"
    shutil.copytree(cases["original"].valid, folder)
    for odd in ("a\nb", "a\u2028b", "\x1b[2J", "", "\ud800"):
        (folder / "vocab.pkl").write_bytes(pickle.dumps([odd, *WORDS[1:]], protocol=2))
        with pytest.raises(UserError, match="for a word"):
            read_original(folder)


def test_tensors_that_repeat_one_number_are_refused(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is in the extra `torch` alone")
    torch.save({"q_theta.0.weight": torch.zeros(1).expand(1 << 20, 1 << 20)}, tmp_path / "bomb.pt")
    from etm_jax.interop import from_torch

    with pytest.raises(UserError, match=r"would fill 4,096.0 GiB"):
        from_torch(tmp_path / "bomb.pt")


def test_the_valid_files_are_read(cases):
    assert {name: {cases[name].give(data) for data in cases[name].seeds()} for name in THERE} == {
        name: {"read"} for name in THERE
    }


# Names ---------------------------------------------------------------------------------------------------------------

PATHS = ["../../owned", "/tmp/owned", "..", ".", "CON", "nul.txt", "~root", "a/b", "a\\b", "$HOME", "file:///owned"]


def test_names_from_data_are_never_paths(tmp_path):
    """A corpus whose words and documents are called like paths leaves the files that any other one leaves."""
    left = {}
    for kind in ("plain", "paths"):
        folder, run = tmp_path / kind / "corpus", tmp_path / kind / "run"
        folder.mkdir(parents=True)
        words = [f"word{j}" for j in range(60)]
        if kind == "paths":
            words[: len(PATHS)] = PATHS
        (folder / "vocab.txt").write_text("".join(word + "\n" for word in words), encoding="utf-8")
        for seed, name in enumerate(("train", "valid", "test_h1", "test_h2")):
            sp.save_npz(folder / f"{name}.npz", planted_counts(200 if seed == 0 else 20, 60, 3, seed))
        assert cli.run(train, ["train", *SMALL, f"--corpus={folder}", f"--workdir={run}"]) == 0
        for more in ([], ["--projector"], ["--parquet"], ["--topicwizard"]):
            assert cli.run(report, ["report", f"--workdir={run}", *more]) == 0
        out = f"--output={tmp_path / kind / 'theta.csv'}"
        assert cli.run(infer, ["infer", f"--workdir={run}", f"--input={folder}", out]) == 0
        # But for Orbax's files, and folders that are called by the hash of what is in them.
        files = [path.relative_to(tmp_path / kind).as_posix() for path in (tmp_path / kind).rglob("*")]
        left[kind] = sorted(re.sub(r"/[0-9a-f]{16,}", "", name) for name in files if "/checkpoints/" not in name)
    assert left["plain"] == left["paths"]
    assert {path.name for path in tmp_path.iterdir()} == {"plain", "paths"}
    assert not Path("/tmp/owned").exists()


SEQUENCES = "\x1bc\x9b2J\x07\x7f\u202e\u2066\u2028"
"""A new terminal, an empty screen, a bell, text from right to left, a line end: what no name may do to a terminal."""
FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def test_no_name_and_no_word_commands_a_terminal_or_a_spreadsheet(tmp_path, capfd):
    """Words, names of files and values, in every command and every table of a run."""
    corpus = tmp_path / f"corpus{SEQUENCES}\nerror: forged"
    corpus.mkdir()
    words = [f"{sign}{j}x\u202e" for j, sign in enumerate("=+-@＝＋－＠" * 8)][:60]
    (corpus / "vocab.txt").write_text("".join(word + "\n" for word in words), encoding="utf-8")
    for seed, name in enumerate(("train", "valid", "test_h1", "test_h2")):
        sp.save_npz(corpus / f"{name}.npz", planted_counts(200 if seed == 0 else 20, 60, 3, seed))
    new = tmp_path / "new"
    new.mkdir()
    (new / f"=1+1{SEQUENCES}\n.txt").write_text(" ".join(words), encoding="utf-8")
    run = tmp_path / f"run{SEQUENCES}\nerror: forged"
    assert cli.run(train, ["train", *SMALL, f"--corpus={corpus}", f"--workdir={run}"]) == 0
    assert cli.run(evaluate, ["evaluate", f"--workdir={run}"]) == 0
    assert cli.run(report, ["report", f"--workdir={run}", "--projector"]) == 0
    like = [f"--workdir={run}", f"--input={new}", "--segmenter=whitespace"]
    assert cli.run(infer, ["infer", *like]) == 0
    assert cli.run(infer, ["infer", *like, f"--output={tmp_path / 'theta.csv'}"]) == 0
    assert cli.run(train, ["train", *SMALL, f"--corpus={corpus}", f"--workdir={run}", "--n_topic=4"]) == 2
    assert cli.run(infer, ["infer", *like, f"--input={new}{SEQUENCES}"]) == 2
    out, err = (text.replace("\r\n", "\n") for text in capfd.readouterr())
    assert "'=1+1\\x1bc" in out
    for line in (*out.split("\n"), *err.split("\n")):
        assert not FORBIDDEN.search(line), repr(line)
        assert not line.startswith("error: forged")
    tables = [tmp_path / "theta.csv", *run.rglob("*.csv"), *run.rglob("*.tsv")]
    assert {path.name for path in tables} >= {"theta.csv", "topics.csv", "doc_topics.csv", "metadata.tsv"}
    for path in tables:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ","):
                formulas = [cell for cell in row if cell[:1] in tuple("=+-@＝＋－＠")]
                assert not [cell for cell in formulas if not re.fullmatch(r"-[0-9.]+(e-[0-9]+)?", cell)], path
    with (tmp_path / "theta.csv").open(encoding="utf-8-sig", newline="") as file:
        assert SEQUENCES in list(csv.reader(file))[1][0]  # Files stay as they are.
