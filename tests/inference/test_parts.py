"""Topics of documents in many files: parts that are the same bytes whatever makes them, and that outlive a kill."""

import dataclasses
import gzip
import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import forked
from conftest import needs_scale, themed_lines, train_on_themes
from etm_jax.cli import flags as cli
from etm_jax.infer import main
from etm_jax.inference import parts
from etm_jax.ops import devices
from etm_jax.prepare import main as prepare_main
from etm_jax.util.beam import Beam
from etm_jax.util.errors import UserError
from etm_jax.util.stages import Stage, run_stages

parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")

needs_beam = pytest.mark.skipif(not find_spec("apache_beam"), reason="apache_beam is not installed (extra: scale)")
IN_MEMORY = ("--runner=beam", "--beam_options=--direct_running_mode=in_memory")
BY_BEAM = pytest.param(IN_MEMORY, marks=needs_beam)
SIZES = (90, 700, 1)


@pytest.fixture(scope="module", autouse=True)
def _threads_of_other_tests() -> Iterator[None]:
    """Let no other test compute with one thread because these have asked for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NPROC", "")
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    return train_on_themes(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """Three files of JSON lines, with names and dates, one of them without words that the model knows."""
    folder = tmp_path_factory.mktemp("files")
    for number, size in enumerate(SIZES):
        texts = themed_lines(size, seed=number) if size > 1 else ["火箭 卫星"]
        rows = [{"text": text, "key": f"{number}/{i}", "date": f"20{i % 10:02}"} for i, text in enumerate(texts)]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"docs-{number}.jsonl.gz").write_bytes(gzip.compress(lines.encode(), mtime=0))
    return folder


@pytest.fixture(scope="module")
def made(trained: Path, files: Path, tmp_path_factory) -> Path:
    """The parts of these files, made in this process."""
    return inferred(trained, files / "docs-*", tmp_path_factory.mktemp("made") / "theta")


def inferred(trained: Path, source: Path, output: Path, *more: str) -> Path:
    given = [f"--workdir={trained}", f"--input={source}", f"--output={output}/", "--workers=1", *more]
    assert cli.run(main, ["infer", *given]) == 0
    return output


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def table_of(folder: Path, *columns: str) -> list:
    return [parquet.read_table(path, columns=list(columns) or None) for path in sorted(folder.glob("*.parquet"))]


def theta_of(table) -> np.ndarray:
    return np.column_stack([table[f"topic_{k}"] for k in range(3)])


def test_a_part_holds_the_documents_of_its_file_by_file_and_number(made: Path) -> None:
    names = [path.name for path in sorted(made.iterdir())]
    assert names == ["_manifest.json", *(f"part-{i:05}-of-00003.parquet" for i in range(3))]
    tables = table_of(made)
    for number, (table, size) in enumerate(zip(tables, SIZES, strict=True)):
        lines = (f"docs-{number}.jsonl.gz:{line + 1}" for line in range(size))
        assert table["document"].to_pylist() == list(lines)
        np.testing.assert_allclose(theta_of(table).sum(axis=1), 1, atol=1e-5)
    assert tables[2].to_pydict()["words"] == [2]
    assert tables[2].to_pydict()["unknown"] == [1.0]
    manifest = json.loads((made / "_manifest.json").read_text("utf-8"))
    assert [(part["of"], part["documents"]) for part in manifest["parts"]] == [
        (f"docs-{number}.jsonl.gz", size) for number, size in enumerate(SIZES)
    ]


def test_a_part_is_what_the_command_makes_of_its_file_alone(trained: Path, files: Path, tmp_path: Path) -> None:
    more = ("--id_field=key", "--meta_fields=date")
    folder = inferred(trained, files / "docs-*", tmp_path / "theta", *more)
    for number, part in enumerate(sorted(folder.glob("*.parquet"))):
        alone = tmp_path / f"{number}.parquet"
        given = [f"--input={files}/docs-{number}.jsonl.gz", f"--output={alone}", *more, "--workers=1"]
        assert cli.run(main, ["infer", f"--workdir={trained}", *given]) == 0
        assert part.read_bytes() == alone.read_bytes()


@pytest.mark.parametrize("more", [("--workers=2",), BY_BEAM])
def test_every_runner_makes_the_same_bytes(trained: Path, files: Path, made: Path, tmp_path: Path, more) -> None:
    assert bytes_of(inferred(trained, files / "docs-*", tmp_path / "theta", *more)) == bytes_of(made)


@needs_beam
def test_processes_of_beam_make_the_same_bytes(trained: Path, files: Path, made: Path, tmp_path: Path) -> None:
    """By two processes of its own, as the command runs it without --beam_options."""
    command = [sys.executable, "-m", "etm_jax.infer", f"--workdir={trained}", f"--input={files}/docs-*"]
    forked.run([*command, f"--output={tmp_path}/theta/", "--runner=beam", "--workers=2"], check=True)
    assert bytes_of(tmp_path / "theta") == bytes_of(made)


def test_threads_are_as_many_as_cores_but_where_one_was_asked_for(monkeypatch) -> None:
    monkeypatch.setattr(devices, "cores", lambda: 6)
    for told, expected in (("", 6), ("0", 6), ("many", 6), ("3", 3)):
        monkeypatch.setenv("NPROC", told)
        assert devices.num_threads() == expected
    devices.one_thread()
    assert devices.num_threads() == 1


def test_with_one_thread_no_bit_depends_on_the_cores() -> None:
    """Of a sum that XLA adds up in another order where it finds more cores."""
    code = (
        "import os, sys; cores = sorted(os.sched_getaffinity(0)); os.sched_setaffinity(0, cores[: int(sys.argv[1])])\n"
        "from etm_jax.ops.devices import one_thread; one_thread()\n"
        "import jax, numpy as np; x = np.random.default_rng(0).normal(size=(1000, 300)).astype(np.float32)\n"
        "print(np.asarray(jax.jit(lambda x: x.sum(axis=0))(x)).tobytes().hex())"
    )
    environment = {**os.environ, "XLA_FLAGS": "", "JAX_PLATFORMS": "cpu"}
    run_on = partial(forked.run, capture_output=True, text=True, check=True, env=environment)
    one, all_of_them = (run_on([sys.executable, "-c", code, number]).stdout for number in ("1", "1000"))
    assert one == all_of_them != ""


@needs_scale
@pytest.mark.parametrize("more", [("--workers=1",), BY_BEAM])
def test_shards_have_a_part_each_as_one_command_makes_of_all(trained: Path, files: Path, tmp_path: Path, more) -> None:
    prepared = tmp_path / "prepared"
    shards = ["--shards=2", "--block_docs=8", "--segmenter=whitespace", "--no_below=1", "--no_above=1", "--workers=1"]
    fields = ["--meta_fields=date", "--id_field=key"]
    given = [f"--input={files}/docs-*", f"--output={prepared}", *shards, *fields]
    assert cli.run(prepare_main, ["prepare", *given]) == 0
    folder = inferred(trained, prepared, tmp_path / "theta", "--meta_fields=date", *more)
    assert len(list(folder.glob("*.parquet"))) == 2 + 1 + 1
    one = ["infer", f"--workdir={trained}", f"--input={prepared}", f"--output={tmp_path}/t.parquet"]
    assert cli.run(main, [*one, "--meta_fields=date"]) == 0
    rows = [row for table in table_of(folder) for row in table.to_pylist()]
    assert rows == parquet.read_table(tmp_path / "t.parquet").to_pylist()
    assert {row["document"]: row["date"] for row in rows}["1/12"] == "2002"
    # Counted or cut anew, the documents are the same.
    text = inferred(trained, files / "docs-*", tmp_path / "text", "--id_field=key")
    by_name = {row["document"]: row for table in table_of(text) for row in table.to_pylist()}
    for row in rows:
        ours = [row[f"topic_{k}"] for k in range(3)]
        np.testing.assert_allclose(ours, [by_name[row["document"]][f"topic_{k}"] for k in range(3)], atol=2e-6)


@pytest.mark.parametrize("more", [(), BY_BEAM])
def test_parts_made_before_a_kill_are_not_made_again(
    trained: Path, files: Path, made: Path, tmp_path: Path, monkeypatch, more
) -> None:
    begun: list[str] = []
    read = parts.read_file

    def stopping(path: Path, name: str, *others):
        begun.append(name)
        if len(begun) == 3:
            yield next(read(path, name, *others))
            raise KeyboardInterrupt
        yield from read(path, name, *others)

    monkeypatch.setattr(parts, "read_file", stopping)
    given = [f"--workdir={trained}", f"--input={files}/docs-*", f"--output={tmp_path}/theta/", "--workers=1"]
    assert cli.run(main, ["infer", *given]) == 130
    assert [path.name for path in (tmp_path / "theta").iterdir()] == [next((tmp_path / "theta").glob(".work*")).name]
    inferred(trained, files / "docs-*", tmp_path / "theta", *more)
    assert begun == [f"docs-{i}.jsonl.gz" for i in (0, 1, 2, 2)]
    assert bytes_of(tmp_path / "theta") == bytes_of(made)


def test_killed_while_parts_are_moved_the_command_ends_with_the_same(
    trained: Path, files: Path, made: Path, tmp_path: Path, monkeypatch
) -> None:
    def killed(path: Path, text: str, tidy: bool = True) -> None:
        if path.name == "_manifest.json":
            raise KeyboardInterrupt
        replace_text(path, text, tidy)

    replace_text = parts.replace_text
    # What another request left when it was killed there is none of ours.
    (tmp_path / "theta").mkdir()
    (tmp_path / "theta" / "part-00004-of-00009.parquet").touch()
    with monkeypatch.context() as patch:
        patch.setattr(parts, "replace_text", killed)
        given = [f"--workdir={trained}", f"--input={files}/docs-*", f"--output={tmp_path}/theta/", "--workers=1"]
        assert cli.run(main, ["infer", *given]) == 130
    assert bytes_of(inferred(trained, files / "docs-*", tmp_path / "theta")) == bytes_of(made)


def test_what_is_done_is_left_and_what_is_another_is_refused(
    trained: Path, files: Path, made: Path, tmp_path: Path, capsys
) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in made.iterdir()}
    inferred(trained, files / "docs-*", made)
    assert "already holds the topics of these documents" in capsys.readouterr().err
    given = ["infer", f"--workdir={trained}", "--workers=1"]
    assert cli.run(main, [*given, f"--input={files}/docs-[01]*", f"--output={made}/"]) == 2
    assert f"--output={made} holds topics of other documents" in capsys.readouterr().err
    assert {path.name: path.stat().st_mtime_ns for path in made.iterdir()} == before
    (tmp_path / "notes.txt").touch()
    assert cli.run(main, [*given, f"--input={files}/docs-*", f"--output={tmp_path}/"]) == 2
    assert "holds notes.txt; give a folder that is new or empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--output=theta", "--runner=beam"), "--output=theta must end in .csv, .jsonl, .npy, .parquet, /"),
        (
            ("--output=theta.csv", "--runner=beam"),
            "--runner=beam makes a folder of parts; give one as --output=FOLDER/",
        ),
        (("--output=theta.csv",), "docs-* is a pattern; give --output=FOLDER/, with the stroke"),
        (("--output=theta/", "--beam_options=--x"), "--beam_options is for --runner=beam"),
        (("--output=theta/", "--input=none-*"), "--input=none-* names no file"),
        (("--output=theta/", "--input=-"), "--input=-: a folder of parts takes files"),
        (("--output=theta/", "--input={files}"), "a folder of parts takes files"),
        (("--output=theta/", "--input={files}/bad.txt"), "bad.txt is not utf-8"),
        pytest.param(
            ("--output=theta/", "--input={files}/bad.txt", *IN_MEMORY), "bad.txt is not utf-8", marks=needs_beam
        ),
        (("--output=theta/", "--meta={files}/other.csv"), "names none of the 791 documents"),
        (("--output=theta/", "--meta_fields=nosuch"), "nosuch"),
        (("--output={files}/", "--input={files}/docs-*"), "would be written over what is read"),
    ],
)
def test_a_mistake_is_one_line(trained: Path, files: Path, tmp_path: Path, monkeypatch, capsys, flags, message) -> None:
    monkeypatch.chdir(tmp_path)
    (files / "bad.txt").write_bytes("海洋 船\n".encode() * 2000 + b"\xff\xfe\n")
    (files / "other.csv").write_text("document,place\nx,y\n")
    given = [f"--workdir={trained}", f"--input={files}/docs-*", "--workers=1"]
    assert cli.run(main, ["infer", *given, *(flag.replace("{files}", str(files)) for flag in flags)]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error
    # Parts that were made wait for the same command in a folder of work.
    assert all(path.name.startswith(".work-") for path in tmp_path.glob("theta/*"))


def test_a_table_of_fields_names_documents_of_all_files(trained: Path, files: Path, tmp_path: Path, capsys) -> None:
    table = tmp_path / "meta.csv"
    table.write_text("document,place\ndocs-0.jsonl.gz:1,here\n")
    folder = inferred(trained, files / "docs-*", tmp_path / "theta", f"--meta={table}")
    assert "1 of 791 documents have a row in --meta" in capsys.readouterr().err
    places = [place for one in table_of(folder, "place") for place in one["place"].to_pylist()]
    assert places == ["here", *[None] * 790]


def test_a_worker_with_another_model_or_version_says_so(
    trained: Path, files: Path, tmp_path: Path, monkeypatch
) -> None:
    jobs: list[parts.PartsJob] = []

    def keeping(stage: Stage, processes: int) -> None:
        jobs.append(stage.piece.args[0])
        raise UserError("enough")

    monkeypatch.setattr(parts, "_run_local", keeping)
    with pytest.raises(UserError, match="enough"):
        parts.infer_parts(str(trained), f"{files}/docs-*", f"{tmp_path}/theta/", parts.Reading())
    [job] = jobs
    with pytest.raises(UserError, match="holds another model where a worker reads it"):
        parts._make_part(dataclasses.replace(job, model="0" * 64), 0, tmp_path)
    other = dataclasses.replace(job, versions=job.versions | {"jax": "0.0.1"})
    with pytest.raises(UserError, match=r"a worker has jax .* and the command 0\.0\.1"):
        parts._make_part(other, 0, tmp_path)
    assert not list(tmp_path.glob("*.parquet"))


def _leave(folder: Path, name: str, number: int) -> None:
    """A piece: it sees what the stages before have left."""
    (folder / f"{name}{number}").write_text(" ".join(sorted(path.name for path in folder.iterdir())))


@pytest.mark.parametrize("runner", [partial(run_stages, processes=1), None])
def test_a_stage_begins_when_the_one_before_is_done_though_one_has_no_pieces(tmp_path: Path, runner: Callable | None):
    def stage(name: str, pieces: int) -> Stage:
        return Stage(name, "pieces", partial(range, pieces), partial(_leave, tmp_path, name))

    stages = [stage("a", 3), stage("b", 0), stage("c", 2)]
    if runner:
        runner(stages)
    else:
        Beam("--direct_running_mode=in_memory").run(stages, 1, lambda: "", lambda: True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a0", "a1", "a2", "c0", "c1"]
    assert {"a0", "a1", "a2"} <= set((tmp_path / "c1").read_text().split())


KilledWorker = type("KilledWorker", (Exception,), {})
"""As Dask's is called."""


def _fail(error: Exception, number: int) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "message"),
    [(UserError("docs-0.txt is no text"), r"^docs-0\.txt is no text$"), (KilledWorker("x"), "were killed again")],
)
def test_an_error_of_a_piece_is_one_line(error: Exception, message: str) -> None:
    stage = Stage("a", "pieces", partial(range, 1), partial(_fail, error))
    with pytest.raises(UserError, match=message):
        Beam("--direct_running_mode=in_memory").run([stage], 1, lambda: "", lambda: True)


def test_a_pipeline_that_ends_too_early_is_one_line(tmp_path: Path) -> None:
    """As Dask's does where the scheduler is lost."""
    stage = Stage("a", "pieces", partial(range, 1), partial(_leave, tmp_path, "a"))
    with pytest.raises(UserError, match="ended the pipeline before all was done"):
        Beam("--direct_running_mode=in_memory").run([stage], 1, lambda: "", lambda: False)
