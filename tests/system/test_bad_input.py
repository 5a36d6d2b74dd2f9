"""Bad input gets one line that names flag or file, value and way out, and status 2; and nothing that exists changes."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from conftest import SMALL, themed_lines
from etm_jax.cli import flags as cli
from etm_jax.evaluate import main as evaluate_main
from etm_jax.train import main

TINY = (*SMALL, "--hidden=8", "--num_epochs=1")
TEXT = "\n".join(themed_lines(60)) + "\n"
WORD = "海洋"  # one of the text's

Content = str | bytes


def train(*argv: object) -> int:
    return cli.run(main, ["train", *map(str, argv)])


def tree(folder: Path) -> dict[str, str] | None:
    """Every path below `folder` with the hash of its bytes; None where there is no such folder."""
    if not folder.exists():
        return None
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture(scope="module")
def ended(tmp_path_factory) -> Path:
    """The folder of a run that has ended, beside its text."""
    folder = tmp_path_factory.mktemp("ended")
    (folder / "lines.txt").write_text(TEXT, encoding="utf-8")
    assert train(f"--corpus={folder / 'lines.txt'}", f"--workdir={folder / 'run'}", *TINY) == 0
    return folder / "run"


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty working directory that holds the text as lines.txt."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lines.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path


def write(files: dict[str, Content]) -> None:
    for name, content in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def only_error(capsys: pytest.CaptureFixture[str], *said: str) -> None:
    """Nothing on stdout, and on stderr, after notes, a single line of error that holds all of `said` in this order."""
    out, err = capsys.readouterr()
    assert out == ""
    *notes, last = err.splitlines()
    assert last.startswith("error: ")
    assert not any(line.startswith("error:") or "Traceback" in line for line in notes)
    assert re.search(".*".join(map(re.escape, said)), last), last


class Case(NamedTuple):
    """What is given, and what the error says of it, its way out last. files: written first."""

    name: str
    flags: list[str]
    said: list[str]
    files: dict[str, Content] | None = None


CORPUS = "--corpus=lines.txt"
CASES = [
    # What is no corpus.
    Case("no corpus", [], ["no corpus", "--corpus=FILE"]),
    Case("empty name", ["--corpus="], ["no corpus", "--corpus=FILE"]),
    Case("missing file", ["--corpus=nowhere.txt"], ["--corpus='nowhere.txt'", "correct the path"]),
    Case(
        "missing fallback",
        ["--corpus=nowhere.txt", "--corpus_fallback=nor_here"],
        ["--corpus_fallback='nor_here'", "correct the path"],
    ),
    Case("taskname without its file", ["--taskname=mine"], ["--taskname=mine", "data/mine.txt", "--corpus=FILE"]),
    Case("empty file", ["--corpus=e.txt"], ["e.txt is empty", "give a corpus"], {"e.txt": ""}),
    Case("blank lines", ["--corpus=b.txt"], ["b.txt holds no text", "give a corpus"], {"b.txt": "\n  \n\t\n　\n"}),
    Case("blank rows", ["--corpus=b.csv"], ["b.csv: all of its 2 documents are blank"], {"b.csv": "n,text\n1,\n2, \n"}),
    Case("only digits", ["--corpus=d.txt"], ["d.txt: nothing is left", "--encoding=utf-8"], {"d.txt": "1 2\n3 4\n"}),
    Case(
        "undecodable bytes",
        ["--corpus=u.txt"],
        ["u.txt is not utf-8", "0xff at offset 8", "--encoding=gb18030"],
        {"u.txt": "海 山\n".encode() + b"\xff\xfe\nx y\n"},
    ),
    Case(
        "another encoding",
        ["--corpus=g.txt"],
        ["g.txt is not utf-8", "offset 0", "--encoding=gb18030"],
        {"g.txt": TEXT.encode("gb18030")},
    ),
    Case("unknown encoding", [CORPUS, "--encoding=utf-88"], ["--encoding='utf-88'", "gb18030"]),
    Case(
        "unknown column",
        ["--corpus=t.csv"],
        ["--text_field='text'", "t.csv", "title, body"],
        {"t.csv": "title,body\na,b\n"},
    ),
    Case("ragged table", ["--corpus=t.csv"], ["t.csv, line 3,", "in quotes"], {"t.csv": "id,text\n1,a\n2,b,c\n"}),
    Case(
        "malformed JSON",
        ["--corpus=t.jsonl"],
        ["t.jsonl, line 2, is not JSON", "one whole object"],
        {"t.jsonl": '{"text": "海 山"}\n{"text": "海\n'},
    ),
    Case(
        "unknown key", ["--corpus=t.jsonl"], ["--text_field='text'", "line 1", "body"], {"t.jsonl": '{"body": "a"}\n'}
    ),
    Case("one JSON value", ["--corpus=t.json"], ["t.json", ".jsonl"], {"t.json": "[]"}),
    Case("folder without texts", ["--corpus=f"], ["--corpus=f", "no .txt files"], {"f/a.pdf": "x"}),
    Case(
        "half of an export",
        ["--corpus=f"],
        ["valid.npz", "bring what is missing"],
        {"f/vocab.txt": "a\nb\n", "f/train.npz": "x"},
    ),
    Case("half of the original", ["--corpus=f"], ["vocab.pkl", "bring what is missing"], {"f/bow_tr_tokens.mat": "x"}),
    Case(
        "gold without gold", [CORPUS, "--segmenter=gold"], ["--segmenter=gold", "lines.txt", "--segmenter=whitespace"]
    ),
    Case("segmenter without model", [CORPUS, "--segmenter=spacy_pkuseg"], ["--segmenter", "--segmenter_model"]),
    # What filters leave.
    Case("every document emptied", [CORPUS, "--no_below=1000"], ["0 of", "--no_below=1000", "relax"]),
    Case("a vocabulary of one word", [CORPUS, "--keep_n=1"], ["1 of", "words", "relax"]),
    Case("a corpus of one word", ["--corpus=o.txt"], ["1 different words", "give more text"], {"o.txt": "海\n" * 20}),
    Case("missing stop words", [CORPUS, "--stopwords=nowhere.txt"], ["--stopwords=nowhere.txt", "correct the path"]),
    Case(
        "stop words in GB",
        [CORPUS, "--stopwords=s.txt"],
        ["--stopwords=s.txt", "UTF-8"],
        {"s.txt": "的".encode("gb18030")},
    ),
    Case(
        "too few documents to split",
        ["--corpus=o.txt", "--no_above=1"],
        ["too small for topics", "all of its text is one document", "part the text into lines"],
        {"o.txt": "海 山 城 海\n"},
    ),
    # Flags.
    Case("unknown flag", [CORPUS, "--n_topics=3"], ["no flag --n_topics", "did you mean --n_topic?", "--help"]),
    Case("no flag at all", ["lines.txt"], ["'lines.txt' is no flag", "--corpus=FILE"]),
    Case("missing flagfile", ["--flagfile=nowhere.flags"], ["--flagfile=nowhere.flags", "give a file of flags"]),
    Case(
        "unknown flag in a flagfile",
        ["--flagfile=a.flags"],
        ["a.flags", "--n_topics", "--n_topic?"],
        {"a.flags": "--n_topics=3\n"},
    ),
    Case(
        "the same, parted by a blank",
        ["--flagfile", "a.flags"],
        ["a.flags", "--nonsense", "--help"],
        {"a.flags": "--nonsense\n"},
    ),
    Case(
        "wrong type in a flagfile",
        ["--flagfile=a.flags"],
        ["a.flags", "--n_topic='many'", "whole number"],
        {"a.flags": "--n_topic=many\n"},
    ),
    Case(
        "unknown flag in a flagfile's flagfile",
        ["--flagfile=a.flags"],
        ["b.flags", "--nonsense", "--help"],
        {"a.flags": "--flagfile=b.flags\n", "b.flags": "# x\n--nonsense\n"},
    ),
    Case(
        "a flagfile that reads itself",
        ["--flagfile=a.flags"],
        ["a.flags reads itself", "take that line out"],
        {"a.flags": "--flagfile=a.flags"},
    ),
    Case("a flagfile that is no text", ["--flagfile=a.flags"], ["a.flags", "UTF-8"], {"a.flags": b"\xff\xfe-\0"}),
    Case(
        "a value that is not allowed in a flagfile",
        ["--flagfile=a.flags"],
        ["a.flags", "--n_topic=1 is out of range", "at least 2"],
        {"a.flags": "--n_topic=1\n"},
    ),
    Case("a word for a number", [CORPUS, "--n_topic=many"], ["--n_topic='many'", "whole number"]),
    Case("a fraction for a whole number", [CORPUS, "--batch_size=2.5"], ["--batch_size='2.5'", "whole number"]),
    Case("a word for a share", [CORPUS, "--no_above=half"], ["--no_above='half'", "a number"]),
    Case("neither true nor false", [CORPUS, "--rebuild=perhaps"], ["--rebuild='perhaps'", "true or false"]),
    Case("no and a value", [CORPUS, "--norebuild=1"], ["--norebuild=1", "--help"]),
    Case("widths", [CORPUS, "--hidden=wide"], ["--hidden='wide'", "800,800"]),
    Case("no choice", [CORPUS, "--criterion=mse"], ["--criterion='mse'", "cross_entropy"]),
    Case("one topic", [CORPUS, "--n_topic=1"], ["--n_topic=1 ", "at least 2"]),
    Case("no topics", [CORPUS, "--n_topic=0"], ["--n_topic=0", "at least 2"]),
    Case("no width", [CORPUS, "--hidden=8,0"], ["--hidden=8,0", "800,800"]),
    Case("negative seed", [CORPUS, "--seed=-1"], ["--seed=-1", "0 to 4294967295"]),
    Case("large seed", [CORPUS, "--seed=4294967296"], ["--seed=4294967296", "0 to 4294967295"]),
    Case("negative split seed", [CORPUS, "--split_seed=-1"], ["--split_seed=-1", "0 to 4294967295"]),
    Case("infinite step size", [CORPUS, "--learning_rate=inf"], ["--learning_rate=inf", "finite"]),
    Case("no step size", [CORPUS, "--learning_rate=nan"], ["--learning_rate=nan", "finite"]),
    Case("no batch", [CORPUS, "--batch_size=0"], ["--batch_size=0", "at least 1"]),
    Case("all set aside", [CORPUS, "--valid_share=.6", "--test_share=.6"], ["--valid_share=0.6", "--test_share=0.6"]),
    # Word vectors.
    Case("unknown vectors", [CORPUS, "--vectors=glove"], ["--vectors='glove'", "file:PATH"]),
    Case("missing vectors", [CORPUS, "--vectors=file:v.vec"], ["--vectors=file:v.vec", "give the path"]),
    Case("no vectors", [CORPUS, "--vectors=file:lines.txt"], ["lines.txt is neither", "convert it"]),
    Case(
        "vectors of another dimension",
        [CORPUS, "--vectors=file:v.vec", "--emb_dim=8"],
        ["v.vec has 3 columns", "--emb_dim=8", "drop --emb_dim"],
        {"v.vec": f"1 3\n{WORD} 1 2 3\n"},
    ),
    # Folders. What root may write is anyone's guess, but nobody can make a folder below a file.
    Case(
        "a file as workdir", [CORPUS, "--workdir=lines.txt"], ["--workdir=lines.txt", "is a file", "another --workdir"]
    ),
    Case(
        "workdir below a file", [CORPUS, "--workdir=lines.txt/run"], ["--workdir=lines.txt/run", "is a file", "another"]
    ),
    Case("workdir with a bracket", [CORPUS, "--workdir=a[1]"], ["a[1] has a [ in it", "Orbax", "rename it"]),
    Case("workdir with a name too long", [CORPUS, f"--workdir={'x' * 300}"], ["--workdir=xxx", "too long", "another"]),
    Case("cache below a file", [CORPUS, "--cache_dir=lines.txt/c"], ["--cache_dir=lines.txt/c", "another --cache_dir"]),
    Case(
        "compiled below a file",
        [CORPUS, "--compilation_cache=lines.txt"],
        ["--compilation_cache=lines.txt: ", "is a file"],
    ),
    Case(
        "workdir with other files",
        [CORPUS, "--workdir=w"],
        ["--workdir=w holds files", "another"],
        {"w/thesis.doc": "x"},
    ),
    Case("nothing to begin from", [CORPUS, "--ckpt=nowhere"], ["--ckpt=nowhere holds no run", "--workdir of a run"]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_mistake_is_told_in_one_line_and_nothing_is_written(case: Case, here, capsys):
    write(case.files or {})
    workdir = [] if any("--workdir" in flag for flag in case.flags) else ["--workdir=new"]
    before = tree(here)
    assert train(*TINY, *workdir, *case.flags) == 2
    only_error(capsys, *case.said)
    assert tree(here) == before


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc to fail to write to")
def test_a_folder_that_nobody_can_write_to(here, capsys):
    assert train(CORPUS, *TINY, "--workdir=/proc/run") == 2
    only_error(capsys, "--workdir=/proc/run cannot be written to", "another --workdir")


@pytest.mark.parametrize(
    "flag, said",
    [
        ("--n_topic=4", ["--n_topic=4", "started with --n_topic=3", "another --workdir"]),
        ("--variant=paper", ["--variant=paper", "started with --variant=default", "another --workdir"]),
        ("--learning_rate=0.1", ["--learning_rate=0.1", "started with --learning_rate=0.006", "another --workdir"]),
        ("--hidden=9,9", ["--hidden=9,9", "started with --hidden=8;", "another --workdir"]),
        ("--notrain_rho", ["--notrain_rho", "started with --train_rho", "another --workdir"]),
        ("--stopwords=stop.txt", ["--stopwords=stop.txt", "started with no --stopwords", "another --workdir"]),
        ("--ckpt=elsewhere", ["--ckpt=elsewhere", "started with no --ckpt", "another --workdir"]),
        ("--nobkpt_continue", ["holds a run", "another --workdir", "--nobkpt_continue"]),
        ("--corpus=lines.txt", ["--corpus=lines.txt", "ended", "another --workdir"]),
        ("--corpus=nowhere.txt", ["--corpus='nowhere.txt'", "correct the path"]),
        ("--cache_dir=lines.txt", ["--cache_dir=lines.txt", "is a file"]),
    ],
)
def test_a_run_that_cannot_go_on_is_left_as_it_is(flag, said, ended, here, capsys):
    (here / "lines.txt").write_text(TEXT.replace(WORD, "大洋"), encoding="utf-8")
    before = tree(ended)
    assert train(*TINY, f"--corpus={ended.parent / 'lines.txt'}", f"--workdir={ended}", flag) == 2
    only_error(capsys, *said)
    assert tree(ended) == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: "{}",
        lambda text: text.replace('"dropout": 0.0,', '"drop_out": 0.0,'),
        lambda text: text.replace('"optimizer": {', '"optimiser": {'),
        lambda text: text.replace('"num_topics": 3', '"num_topics": "three"'),
        lambda text: text.replace('"num_topics": 3', '"num_topics": 1'),
        lambda text: re.sub(r'"overlap_weight": [\d.]+', '"overlap_weight": -1', text),
    ],
    ids=[
        "cut",
        "empty",
        "list",
        "no run",
        "an unknown setting",
        "a section less",
        "a mistyped setting",
        "a setting out of range",
        "a weight below 0",
    ],
)
@pytest.mark.parametrize("flag", ["--workdir", "--ckpt"])
def test_a_damaged_record_is_named(damage: Callable[[str], str], flag, ended, here, capsys):
    (here / "run").mkdir()
    record = (ended / "config.json").read_text("utf-8")
    (here / "run" / "config.json").write_text(damage(record), encoding="utf-8")
    shutil.copytree(ended / "checkpoints", here / "run" / "checkpoints")
    before = tree(here)
    assert train(CORPUS, *TINY, "--workdir=new", f"{flag}=run") == 2
    only_error(capsys, "run/config.json is damaged", "give another folder")
    assert tree(here) == before


def test_a_damaged_checkpoint_is_no_beginning(ended, here, capsys):
    shutil.copytree(ended, here / "run")
    shutil.rmtree(here / "run" / "checkpoints" / "1" / "state")
    before = tree(here)
    assert train(f"--corpus={ended.parent / 'lines.txt'}", *TINY, "--workdir=new", "--ckpt=run") == 2
    only_error(capsys, f"run{os.sep}checkpoints{os.sep}1 is damaged", "the same training command resumes from that of")
    assert tree(here) == before


@pytest.mark.parametrize(
    "flag, said",
    [
        ("--hidden=9", ["--hidden=8", "do not fit --hidden=9", "leave out --ckpt"]),
        ("--hidden=8,8", ["--hidden=8,", "do not fit --hidden=8,8", "leave out --ckpt"]),
        ("--n_topic=4", ["--n_topic=3", "do not fit --n_topic=4", "leave out --ckpt"]),
        ("--noskip", ["--skip", "do not fit --noskip", "leave out --ckpt"]),
    ],
)
def test_weights_of_other_shapes_are_told_by_the_flag(flag, said, ended, here, capsys):
    before = tree(here)
    assert train(CORPUS, *TINY, "--workdir=new", f"--ckpt={ended}", flag) == 2
    only_error(capsys, f"--ckpt={ended}", *said)
    assert tree(here) == before


def test_the_export_of_a_run_has_no_running_text(ended, here, capsys):
    assert train(f"--corpus={ended / 'export'}", *TINY, "--workdir=new", "--vectors=cbow") == 2
    only_error(capsys, "--vectors=cbow", "use --vectors=ppmi")
    assert not (here / "new").exists()


def test_a_run_is_no_corpus_but_its_export_is(ended, here, capsys):
    assert train(f"--corpus={ended}", *TINY, "--workdir=new") == 2
    only_error(capsys, f"--corpus={ended} is the folder of a run", str(ended / "export"))
    assert not (here / "new").exists()


@pytest.mark.parametrize(
    "content, said",
    [
        (f"1 8\n{WORD} 1 2 3 4 5 6 7 8", ["v.vec is truncated", "within its first vector", "download it again"]),
        ("1 8\nword 1 2 3 4 5 6 7 8\n", ["v.vec holds none", "the corpus' language"]),
        (f"1 8\n{WORD} 1 2 3 4 5 6 7 nan\n", ["v.vec, line 2", "nan", "remove that line"]),
    ],
    ids=["cut within a line", "other words", "nan"],
)
def test_what_is_wrong_deep_in_a_vector_file_leaves_no_run_but_the_prepared_corpus(content, said, here, capsys):
    write({"v.vec": content})
    assert train(CORPUS, *TINY, "--workdir=new", "--vectors=file:v.vec") == 2
    only_error(capsys, *said)
    assert [path.name for path in (here / "new").iterdir()] == ["corpus"]


def test_weights_of_another_vocabulary_leave_no_run_but_the_prepared_corpus(ended, here, capsys):
    (here / "lines.txt").write_text(TEXT.replace(WORD, "大洋"), encoding="utf-8")
    assert train(CORPUS, *TINY, "--workdir=new", f"--ckpt={ended}") == 2
    only_error(capsys, f"--ckpt={ended}", "vocabulary", "give its corpus", "lines.txt")
    assert [path.name for path in (here / "new").iterdir()] == ["corpus"]


def test_more_of_everything_than_three_documents_hold(here, capsys):
    """Warnings alone: K above documents and words, a batch above the corpus, L above V, English taken for Chinese."""
    (here / "3.txt").write_text("stars planet orbit\nbread flour oven\nstars bread goal\n", encoding="utf-8")
    none_aside = ("--no_above=1", "--valid_share=0", "--test_share=0")
    assert train("--corpus=3.txt", *TINY, *none_aside, "--workdir=new", "--n_topic=9", "--seed=4294967295") == 0
    out, err = capsys.readouterr()
    for said in (
        "warning: --n_topic=9 is more than the 3 documents to train on: some will stay empty; more documents would",
        "--batch_size=32 is reduced to the 3 documents",
        "warning: a document has 3.0 different words on average, which say little of its topics; join short texts",
        "overlap of topics: weight 0.00022, as a document has 3.0 different words on average and there are 0.3 "
        "documents a topic; --overlap_weight=",
        "warning: --emb_dim=8 is more than the 7 words",
        "--lang=en",
    ):
        assert said in err
    assert "smaller --no_below" not in err  # It is 1.
    assert "nan" not in out
    assert "no completion perplexity" in out
    assert cli.run(evaluate_main, ["evaluate", "--workdir=new"]) == 0
    figures = capsys.readouterr().out
    assert "NPMI" in figures
    assert "held out" not in figures
    assert "topics used" not in figures
    beta = np.load(here / "new" / "export" / "beta.npy", allow_pickle=False)
    assert beta.shape == (9, 7)
    np.testing.assert_allclose(beta.sum(1), 1, rtol=1e-4)
    assert np.load(here / "new" / "export" / "theta_test_h1.npy", allow_pickle=False).shape == (0, 9)


def test_advice_on_the_number_of_topics_is_given_where_it_is_due_and_only_there(here, capsys):
    (here / "120.txt").write_text("\n".join(themed_lines()) + "\n", encoding="utf-8")
    none_aside = ("--no_above=1", "--valid_share=0", "--test_share=0")
    assert train("--corpus=120.txt", *TINY, *none_aside, "--workdir=many", "--n_topic=20", "--overlap_weight=0.2") == 0
    err = capsys.readouterr().err
    assert "warning: --n_topic=20 is many for 120 documents" in err
    assert "--n_topic=6 would have enough for each" in err
    assert "overlap of topics" not in err  # Given, it need not be told.
    assert train("--corpus=120.txt", *TINY, *none_aside, "--workdir=few", "--n_topic=6") == 0
    err = capsys.readouterr().err
    assert "is many for" not in err
    assert "a document has" not in err.replace("as a document has", "")
    assert train("--corpus=120.txt", *TINY, *none_aside, "--workdir=on", "--n_topic=6", "--ckpt=few") == 0
    assert "overlap of topics: weight " in capsys.readouterr().err


def run_program(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "etm_jax.train", *argv]
    return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize(
    "flags, said",
    [(["--n_topics=3"], "--n_topics"), (["--corpus=nowhere.txt", "--workdir=nowhere/run"], "nowhere.txt")],
)
def test_the_program_ends_with_status_2_and_one_line(flags, said):
    done = run_program(*flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(rf"error: .*{said}.*\n", done.stderr)


def test_ctrl_c_ends_the_program_with_status_130_and_one_line(here):
    flags = [CORPUS, *TINY, "--workdir=new", "--num_epochs=100000", "--checkpoint_every=1"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "etm_jax.train", *flags]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as program:
        metrics = here / "new" / "metrics.jsonl"
        while program.poll() is None and not (metrics.exists() and metrics.read_bytes()):
            time.sleep(0.05)
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=60)
    assert (program.returncode, out) == (130, "")
    assert err.splitlines()[-1].startswith("stopped after epoch ")
    assert "Traceback" not in err
    assert json.loads(metrics.read_text("utf-8").splitlines()[0])["epoch"] == 1
