"""Editing the topics of a run: a new folder that every command takes, and the run itself as it was."""

import csv
import json
import shutil

import numpy as np
import pytest

from conftest import SMALL, themed_lines
from etm_jax.cli import flags as cli
from etm_jax.convert import main as convert_main
from etm_jax.edit import main as edit_main
from etm_jax.evaluate import main as evaluate_main
from etm_jax.infer import main as infer_main
from etm_jax.report.__main__ import main as report_main
from etm_jax.results.run import read_run
from etm_jax.train import main as train_main
from etm_jax.util.digests import file_digests

MAIN = {
    "train": train_main,
    "edit": edit_main,
    "infer": infer_main,
    "evaluate": evaluate_main,
    "report": report_main,
    "convert": convert_main,
}


def run(command: str, *argv: object) -> int:
    return cli.run(MAIN[command], [command, *map(str, argv)])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of three topics of each model."""
    folder = tmp_path_factory.mktemp("运行 runs")
    (folder / "lines.txt").write_text("\n".join(themed_lines()) + "\n", encoding="utf-8")
    small = [f"--corpus={folder / 'lines.txt'}", *SMALL]
    assert run("train", *small, f"--workdir={folder / 'etm'}") == 0
    assert run("train", *small, f"--workdir={folder / 'gsm'}", "--model=gsm", "--num_epochs=1") == 0
    assert run("train", *small, f"--workdir={folder / 'lda'}", "--model=lda", "--lda_iterations=2") == 0
    (folder / "names.csv").write_text("topic,name\n0,sea\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module", params=["etm", "lda"])
def edited(runs, request):
    """Topics 0 and 2 as one, called sea, after topic 1; and the run before."""
    model, target = request.param, runs / f"{request.param}_edited"
    before = file_digests(runs / model)
    flags = ["--merge=0,2", "--order=1", f"--rename={runs / 'names.csv'}"]
    assert run("edit", f"--workdir={runs / model}", f"--output={target}", *flags) == 0
    assert file_digests(runs / model) == before
    return runs / model, target


def export(folder, name):
    return np.load(folder / "export" / f"{name}.npy", allow_pickle=False)


def rows_of(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_export_is_of_the_edited_topics(edited):
    before, after = edited
    for part in ("theta_train", "theta_valid", "theta_test", "theta_test_h1"):
        theta = export(before, part)
        np.testing.assert_allclose(
            export(after, part), np.stack([theta[:, 1], theta[:, 0] + theta[:, 2]], 1), atol=1e-6
        )
    share = {int(row["topic"]): float(row["share"]) for row in rows_of(before / "export" / "topics.csv")}
    beta = export(before, "beta")
    merged = (share[0] * beta[0] + share[2] * beta[2]) / (share[0] + share[2])
    np.testing.assert_allclose(export(after, "beta"), [beta[1], merged], rtol=1e-4)
    table = {int(row["topic"]): row for row in rows_of(after / "export" / "topics.csv")}
    assert (table[0]["name"], table[1]["name"]) == ("", "sea")
    assert float(table[1]["share"]) == pytest.approx(share[0] + share[2], abs=2e-6)


def test_infer_repeats_the_edit_on_new_documents(runs, edited, tmp_path):
    before, after = edited
    theta = {}
    for folder in (before, after):
        output = tmp_path / f"{folder.name}.npy"
        assert run("infer", f"--workdir={folder}", f"--input={runs / 'lines.txt'}", f"--output={output}") == 0
        theta[folder] = np.load(output)
    old = theta[before]
    np.testing.assert_allclose(theta[after], np.stack([old[:, 1], old[:, 0] + old[:, 2]], 1), atol=1e-6)


def test_tables_of_documents_name_the_topics_that_have_names(runs, edited, tmp_path, capsys):
    before, after = edited

    def heads(folder):
        """Of the columns of θ, in the export and in what infer writes."""
        output = tmp_path / f"{folder.name}.csv"
        assert run("infer", f"--workdir={folder}", f"--input={runs / 'lines.txt'}", f"--output={output}") == 0
        tables = [list(rows_of(path)[0]) for path in (folder / "export" / "doc_topics.csv", output)]
        return [[column for column in table if column.startswith("topic_")] for table in tables]

    assert heads(before) == 2 * [["topic_0", "topic_1", "topic_2"]]
    assert heads(after) == 2 * [["topic_0", "topic_1 sea"]]
    capsys.readouterr()
    assert run("infer", f"--workdir={after}", f"--input={runs / 'lines.txt'}") == 0
    assert capsys.readouterr().out.startswith("document,words,unknown,topic_0,topic_1 sea")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed (extra: parquet)")
    assert (
        run("infer", f"--workdir={after}", f"--input={runs / 'lines.txt'}", f"--output={tmp_path / 't.parquet'}") == 0
    )
    assert run("report", f"--workdir={after}", "--parquet") == 0
    for path in (tmp_path / "t.parquet", after / "parquet" / "doc_topics.parquet"):
        assert {"topic_0", "topic_1 sea"} <= set(parquet.read_schema(path).names)
    assert parquet.read_table(after / "parquet" / "topics.parquet")["name"].to_pylist() == ["", "sea"]


def test_a_name_cannot_command_a_terminal_nor_a_spreadsheet(runs, tmp_path, capfd):
    with (tmp_path / "names.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["topic", "name"], [0, "=1+1"], [1, "two\nlines"], [2, "\x1b[31mred"]])
    named = tmp_path / "named"
    assert run("edit", f"--workdir={runs / 'etm'}", f"--output={named}", f"--rename={tmp_path / 'names.csv'}") == 0
    capfd.readouterr()
    assert run("infer", f"--workdir={named}", f"--input={runs / 'lines.txt'}") == 0
    head, first = capfd.readouterr().out.splitlines()[:2]
    assert "\x1b" not in head
    assert "topic_0 =1+1" in head
    assert first.startswith("1,")


def test_evaluate_and_report_are_of_the_edited_topics(edited):
    _, after = edited
    assert run("evaluate", f"--workdir={after}") == 0
    assert json.loads((after / "metrics.json").read_text("utf-8"))["num_topics"] == 2
    assert run("report", f"--workdir={after}") == 0
    page = (after / "report.html").read_text("utf-8")
    assert '"name": "sea"' in page or '"name":"sea"' in page


def test_an_edited_run_is_edited_again(edited, tmp_path, capsys):
    _, after = edited
    assert run("edit", f"--workdir={after}", f"--output={tmp_path / 'twice'}", "--drop=0") == 0
    assert "dropped: 0" in capsys.readouterr().err
    twice = read_run(tmp_path / "twice")
    assert twice.edit.groups == ((0, 2),)
    assert twice.edit.names == ("sea",)
    np.testing.assert_allclose(twice.model.theta_test, 1)
    assert run("evaluate", f"--workdir={tmp_path / 'twice'}") == 0


def test_reduction_merges_along_the_tree_and_auto_names_are_words(runs, tmp_path):
    target = tmp_path / "two"
    assert run("edit", f"--workdir={runs / 'etm'}", f"--output={target}", "--reduce_to=2", "--rename=auto") == 0
    found = read_run(target)
    assert len(found.model.beta) == 2
    assert max(map(len, found.edit.groups)) == 2
    assert {word for name in found.edit.names for word in name.split()} <= set(found.corpus.vocabulary.words)


def test_edited_topics_are_neither_trained_nor_converted(runs, edited, tmp_path, capsys):
    before, after = edited
    kept = file_digests(after)
    flags = [f"--corpus={runs / 'lines.txt'}", *SMALL]
    flags += ["--model=lda", "--lda_iterations=2"] if before.name == "lda" else []
    assert run("train", *flags, f"--workdir={after}") == 2
    assert "holds topics that etm_jax.edit made" in capsys.readouterr().err
    assert file_digests(after) == kept
    if before.name == "etm":
        assert run("convert", f"--from={after}", f"--to={tmp_path / 'a.safetensors'}") == 2
        assert "were edited, which its weights do not hold" in capsys.readouterr().err
        assert run("train", *flags, f"--workdir={tmp_path / 'new'}", f"--ckpt={after}") == 2
        assert "were edited, which its weights do not hold" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "nothing to do"),
        (["--merge=0,3"], "--merge has topic 3; topics are 0 to 2"),
        (["--merge=0"], "--merge=0 names one topic"),
        (["--drop=a"], "--drop=a must be numbers of topics such as 3,7"),
        (["--reduce_to=4"], "--reduce_to=4 is out of range; give 1 to 3"),
        (["--drop=0,1,2"], "--drop=0,1,2 leaves no topic"),
        (["--rename=nowhere.csv"], "--rename=nowhere.csv cannot be read"),
    ],
)
def test_mistakes_get_one_line_and_leave_nothing(runs, tmp_path, capsys, flags, message):
    assert run("edit", f"--workdir={runs / 'etm'}", f"--output={tmp_path / 'new'}", *flags) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "new").exists()


def test_a_model_that_is_no_mixture_and_a_folder_that_is_there_are_refused(runs, tmp_path, capsys):
    assert run("edit", f"--workdir={runs / 'gsm'}", f"--output={tmp_path / 'new'}", "--drop=0") == 2
    assert "no mixture of its topics" in capsys.readouterr().err
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    assert run("edit", f"--workdir={runs / 'etm'}", f"--output={tmp_path / 'taken'}", "--drop=0") == 2
    assert "is there already" in capsys.readouterr().err
    assert run("edit", f"--workdir={runs / 'etm'}", f"--output={tmp_path / 'a[1]'}", "--drop=0") == 2
    assert "has a [ in its path" in capsys.readouterr().err


def test_a_damaged_record_is_said(edited, tmp_path, capsys):
    copy = shutil.copytree(edited[1], tmp_path / "copy")
    text = (copy / "edit.json").read_text("utf-8")
    (copy / "edit.json").write_text(text.replace('"name": "sea"', '"name": "tea"'), encoding="utf-8")
    assert run("evaluate", f"--workdir={copy}") == 2
    assert "edit.json is damaged" in capsys.readouterr().err
