"""The folder `hierarchy` of a run: its tables against the run's own, names that look like formulas, edited runs."""

import csv
import json
import re

import numpy as np
import pytest

from conftest import train_on_themes
from etm_jax.cli import flags as cli
from etm_jax.edit import main as edit_main
from etm_jax.report.__main__ import main as report_main
from etm_jax.results.run import read_run

FORMULA = '=HYPERLINK("http://x")'


def report(*argv) -> int:
    return cli.run(report_main, ["report", *map(str, argv)])


def read(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of three topics with its folder, cut into two branches; topic 1 is called like a formula."""
    folder = tmp_path_factory.mktemp("run")
    done = train_on_themes(folder)
    with (folder / "names.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["topic", "name"], [1, FORMULA]])
    assert report(f"--workdir={done}", "--hierarchy", "--hierarchy_cut=2", f"--topic_names={folder / 'names.csv'}") == 0
    return done


def test_the_tables_are_of_one_tree(run):
    folder = run / "hierarchy"
    nodes, levels = read(folder / "hierarchy.csv"), read(folder / "levels.csv")
    topics = {row["topic"]: row for row in read(run / "export" / "topics.csv")}
    assert [row["node"] for row in nodes] == ["0", "1", "2", "3", "4"]
    assert [row["topics"] for row in nodes[:3]] == ["0", "1", "2"]
    assert nodes[4]["topics"] == "0 1 2"
    assert nodes[4]["parent"] == ""
    for row in nodes:
        parts = [float(topics[k]["share"]) for k in row["topics"].split()]
        assert float(row["share"]) == pytest.approx(sum(parts), abs=3e-6)
        assert len(row["words"].split()) == 10
    assert [row["branches"] for row in levels] == ["1", "2", "3"]
    for row in levels:
        at = [name for column, name in row.items() if column.startswith("topic_")]
        there = {
            n["node"] for n in nodes if int(n["branches_least"]) <= int(row["branches"]) <= int(n["branches_most"])
        }
        assert set(at) == there
    about = json.loads((folder / "hierarchy.json").read_text("utf-8"))
    assert (about["topics"], about["cut"], about["alike_by"]) == (3, 2, "embeddings")
    assert [node["topics"] for node in about["nodes"]] == [list(map(int, row["topics"].split())) for row in nodes]
    assert about["nodes"][1]["name"] == FORMULA


def test_no_cell_is_a_formula(run):
    folder = run / "hierarchy"
    assert read(folder / "hierarchy.csv")[1]["name"] == f"'{FORMULA}"
    for path in folder.glob("*.csv"):
        with path.open(encoding="utf-8-sig", newline="") as file:
            assert not [cell for row in csv.reader(file) for cell in row if re.match(r"[=+@]|-(?!\d)", cell)], path


def test_branches_have_what_their_topics_have(run):
    rows, before = read(run / "hierarchy" / "doc_branches.csv"), read(run / "export" / "doc_topics.csv")
    nodes = {f"branch_{row['node']}": row["topics"].split() for row in read(run / "hierarchy" / "hierarchy.csv")}
    columns = [column for column in rows[0] if column.startswith("branch_")]
    assert len(columns) == 2
    for row, was in zip(rows, before, strict=True):
        assert [row[name] for name in ("document", "split", "tokens")] == [
            was[name] for name in ("document", "split", "tokens")
        ]
        summed = {c: sum(float(was[f"topic_{k}"]) for k in nodes[c.split()[0]]) for c in columns}
        for column in columns:
            assert float(row[column]) == pytest.approx(summed[column], abs=3e-6)
        assert sum(float(row[column]) for column in columns) == pytest.approx(1, abs=2e-6)
        largest = max(columns, key=lambda c: float(row[c]))
        assert row["branches"].split(":")[0] == largest.split()[0].removeprefix("branch_")


def test_the_page_has_the_same_tree(run):
    text = (run / "report.html").read_text("utf-8")
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])
    nodes, similarity = read(run / "hierarchy" / "hierarchy.csv"), data["similarity"]
    assert similarity["cut"] == 2
    assert [[name, round(share, 6)] for name, share, _ in similarity["nodes"]] == [
        [row["name"], float(row["share"])] for row in nodes[3:]
    ]
    for i, pair in enumerate(similarity["links"]):
        assert {nodes[child]["parent"] for child in pair} == {str(3 + i)}


def test_a_cut_beyond_the_topics_is_refused(run, capsys):
    assert report(f"--workdir={run}", "--hierarchy_cut=4") == 2
    assert "--hierarchy_cut=4 is out of range; give 1 to 3" in capsys.readouterr().err


def test_a_run_of_one_topic_has_a_tree_of_it(run, tmp_path):
    edited = tmp_path / "one"
    assert cli.run(edit_main, ["edit", f"--workdir={run}", f"--output={edited}", "--reduce_to=1"]) == 0
    assert report(f"--workdir={edited}", "--hierarchy", "--tables") == 0
    (node,) = read(edited / "hierarchy" / "hierarchy.csv")
    assert (node["topics"], node["parent"], node["share"]) == ("0", "", "1.000000")
    documents = read(edited / "hierarchy" / "doc_branches.csv")
    assert {row[column] for row in documents for column in row if column.startswith("branch_")} == {"1.000000"}


def test_an_edited_run_has_the_tree_of_its_topics(run, tmp_path):
    edited = tmp_path / "edited"
    assert cli.run(edit_main, ["edit", f"--workdir={run}", f"--output={edited}", "--reduce_to=2"]) == 0
    assert report(f"--workdir={edited}", "--hierarchy") == 0
    nodes = read(edited / "hierarchy" / "hierarchy.csv")
    assert [row["topics"] for row in nodes] == ["0", "1", "0 1"]
    # The branches of the run at two, as topics.
    was = read_run(run)
    groups = [list(map(int, row["topics"].split())) for row in read(run / "hierarchy" / "hierarchy.csv")]
    levels = read(run / "hierarchy" / "levels.csv")[1]
    cut = sorted({int(levels[column]) for column in levels if column.startswith("topic_")})
    summed = np.stack([was.model.theta[:, groups[node]].sum(axis=1) for node in cut], axis=1)
    found = read_run(edited).model.theta
    np.testing.assert_allclose(np.sort(found, axis=1), np.sort(summed, axis=1), atol=1e-6)
