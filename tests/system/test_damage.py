"""Damaged, edited and exchanged parts of what is kept: the very numbers, or a word that says what is wrong."""

import json
import re
import shutil
from collections.abc import Iterator

import pytest

from etm_jax.util.digests import DIGESTS
from torture import damage
from torture.damage import FINE, Thing, Told, damage_all, told_by


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Thing]:
    return damage.make_things(tmp_path_factory.mktemp("kept"), ("run", "unfinished", "tensors", "model"))


@pytest.fixture
def run(things: dict[str, Thing]) -> Iterator[Thing]:
    """The finished run, which is put back afterwards."""
    yield from _lent(things["run"])


@pytest.fixture
def unfinished(things: dict[str, Thing]) -> Iterator[Thing]:
    yield from _lent(things["unfinished"])


def _lent(thing: Thing) -> Iterator[Thing]:
    kept = thing.path.with_name(f"{thing.path.name}.lent")
    shutil.copytree(thing.path, kept)
    yield thing
    shutil.rmtree(thing.path)
    kept.rename(thing.path)


def failures(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    assert len(rows) > 20
    return [row for row in rows if row["verdict"] not in FINE]


def error(told: Told) -> str:
    assert told.status == 2
    (line,) = (line for line in told.text.splitlines() if line.startswith("error: "))
    return line


def test_damage_to_a_saved_model_or_a_tensor_file_never_gives_other_numbers(things):
    readers = {name: read for name, read in things["tensors"].readers.items() if name != "train --ckpt"}
    tensors = things["tensors"]._replace(readers=readers)
    assert not failures(damage_all("tensors", tensors, bits=12) + damage_all("model", things["model"], bits=4))


def test_damage_to_a_run_never_gives_other_numbers(things):
    names = {"config.json", "vocabulary", "metadata.json", "metrics.jsonl", "SHA256SUMS"}
    names |= {f"export/{name}" for name in ("beta.npy", "theta_test.npy", "background.npy", "SHA256SUMS")}
    readers = {name: read for name, read in things["run"].readers.items() if name in ("report", "infer")}
    rows = damage_all("run", things["run"]._replace(readers=readers), bits=1, wanted=names.__contains__)
    assert {row["file"] for row in rows} == names
    assert not failures(rows)


@pytest.mark.parametrize(("change", "readers", "named"), [
    ("vocabulary", "infer convert load", "vocabulary is damaged (vocabulary is not as it was written)"),
    ("config.json", "report evaluate infer convert load", "config.json is damaged"),
    ("export/beta.npy", "report evaluate", "beta.npy cannot be read (beta.npy is not as it was written)"),
])  # fmt: skip
def test_parts_of_another_run_and_edited_ones_are_named(run, change, readers, named):
    path = run.path / change
    if change == "vocabulary":
        words = json.loads(path.read_text("utf-8"))
        words["words"] = words["words"][::-1]
        path.write_text(json.dumps(words), "utf-8")
    elif change == "config.json":
        text = path.read_text("utf-8")
        assert '"prior_variance": ' in text
        path.write_text(re.sub(r'"prior_variance": [0-9.]+', '"prior_variance": 3.0', text), "utf-8")
    else:
        content = bytearray(path.read_bytes())
        content[-1] ^= 64
        path.write_bytes(content)
    for reader in readers.split():
        assert named in error(told_by(run.readers[reader]))


def test_a_run_that_has_not_ended_is_taken_only_if_asked_for(unfinished, tmp_path):
    path, new = unfinished.path, unfinished.path.parent / "new.txt"

    def infer() -> bytes:
        damage.command("infer", f"--workdir={path}", f"--input={new}", f"--output={tmp_path / 'theta.csv'}")
        return b""

    def convert() -> bytes:
        damage.command("convert", f"--from={path}", f"--to={tmp_path / 'x.safetensors'}")
        return b""

    for read in (infer, convert):
        said = error(told_by(read))
        assert re.search(rf"the run in {path} is at epoch [12] of 3;", said)
        assert "--unfinished" in said
    for reader in ("report", "evaluate"):
        assert "has not ended" in error(told_by(unfinished.readers[reader]))
    for reader in ("infer", "convert", "load"):  # Which ask for it.
        told = told_by(unfinished.readers[reader])
        assert told.status == 0
        assert re.search(rf"warning: the run in {path} is at epoch [12] of 3: it has not ended\n", told.text)
    told = told_by(unfinished.readers["train"])
    assert told.status == 0
    assert told_by(unfinished.readers["report"]).status == 0


def test_training_that_went_on_after_the_export_is_told(run, things):
    given = ["--lr_schedule=constant", "--num_epochs=2", f"--workdir={run.path}"]
    corpus = f"--corpus={run.path.parent / 'corpus.csv'}"
    shutil.rmtree(run.path)
    damage.command("train", corpus, *damage.SMALL, *given)
    damage.stop_within_training(corpus, *damage.SMALL, *given, "--num_epochs=8", epoch=3)
    assert (run.path / "export" / DIGESTS).is_file()
    for reader in ("report", "evaluate"):
        assert "has not ended" in error(told_by(run.readers[reader]))
    assert re.search("is at epoch [3-7] of 8", error(told_by(run.readers["infer"])))


def test_a_damaged_export_is_written_again_with_a_word(run):
    whole = told_by(run.readers["train"])
    assert "is damaged" not in whole.text
    for name in ("beta.npy", DIGESTS):
        (run.path / "export" / name).write_bytes(b"")
        told = told_by(run.readers["train"])
        assert told.digest == whole.digest
        assert re.search(rf"warning: .*export is damaged.*{name}.*written again from the checkpoint", told.text)
        assert told_by(run.readers["report"]).status == 0


def test_what_others_put_into_an_export_folder_stays(run):
    (run.path / "export" / "note.md").write_text("mine")
    assert told_by(run.readers["train"]).status == 0
    assert (run.path / "export" / "note.md").read_text() == "mine"


@pytest.mark.parametrize("content", [b"", b"{}\n", None])
def test_lines_that_metrics_lack_are_told(run, content):
    path = run.path / "metrics.jsonl"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    told = told_by(run.readers["report"])
    assert told.status == 0
    assert f"warning: {path} is damaged, or was changed since the run wrote it: 0 epochs of it can be read" in told.text


def test_checkpoints_of_another_run_are_refused_by_all_that_read_them(run):
    place = run.path.parent
    given = [f"--corpus={place / 'corpus.csv'}", "--meta_fields=source", *damage.SMALL]
    damage.command("train", *given, "--num_epochs=2", "--seed=2", f"--workdir={place / 'other'}")
    shutil.rmtree(run.path / "checkpoints")
    shutil.copytree(place / "other" / "checkpoints", run.path / "checkpoints")
    for name in ("train", "infer", "convert", "load", "evaluate", "report"):
        assert "is of another run (its seed differs)" in error(told_by(run.readers[name])), name
