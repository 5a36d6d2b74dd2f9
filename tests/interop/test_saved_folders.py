"""What is no saved model is neither written over nor called a damaged one."""

import json
from pathlib import Path

import pytest

from etm_jax import ETM
from etm_jax.interop.folders import FILES, read_folder, save_folder
from etm_jax.interop.read import read_saved_model
from etm_jax.training.saved_model import SavedModel
from etm_jax.util.digests import DIGESTS
from etm_jax.util.errors import UserError
from torture.readers import READERS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("saved")
    READERS["saved"].make(place)
    return place / "model"


@pytest.fixture(scope="module")
def model(folder: Path) -> SavedModel:
    return read_folder(folder)[0]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    "theirs", ['{"learner": {}, "version": [2, 0, 3]}', '{"format": "layers-model"}', "[]", "", "{"]
)
def test_another_program_s_files_of_these_names_stay(theirs: str, model: SavedModel, tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).write_text(theirs)
    before = contents(tmp_path)
    with pytest.raises(UserError, match="holds something other than a saved model; give another folder"):
        save_folder(tmp_path, model, {})
    assert contents(tmp_path) == before
    with pytest.raises(UserError):
        read_folder(tmp_path)


def test_another_program_s_files_with_digests_stay_too(model: SavedModel, tmp_path: Path) -> None:
    save_folder(tmp_path, model, {})
    lines = (tmp_path / DIGESTS).read_text().splitlines()
    (tmp_path / DIGESTS).write_text("".join(f"{line}\n" for line in [*lines, f"{'0' * 64}  notes.txt"]))
    (tmp_path / "model.json").write_text('{"learner": {}}')
    with pytest.raises(UserError, match="holds something other than a saved model"):
        save_folder(tmp_path, model, {})


@pytest.mark.parametrize("damaged", ["", "{", '{"learner": {}}'])
def test_a_damaged_model_of_ours_is_saved_again(damaged: str, model: SavedModel, tmp_path: Path) -> None:
    save_folder(tmp_path, model, {})
    (tmp_path / "model.json").write_text(damaged)
    with pytest.raises(UserError, match="is damaged"):
        read_folder(tmp_path)
    save_folder(tmp_path, model, {})
    assert read_folder(tmp_path)[0].config == model.config
    assert (tmp_path / "model.changed.json").read_text() == damaged


def test_a_model_without_digests_is_replaced(model: SavedModel, tmp_path: Path) -> None:
    save_folder(tmp_path, model, {})
    (tmp_path / DIGESTS).unlink()
    values = json.loads((tmp_path / "model.json").read_text())
    del values["format"]
    (tmp_path / "model.json").write_text(json.dumps(values))
    save_folder(tmp_path, model, {"again": 1})
    assert read_folder(tmp_path)[1] == {"again": 1}
    assert set(contents(tmp_path)) == {*FILES, DIGESTS}


@pytest.mark.parametrize("name", [".", "..", "../here"])
def test_the_working_folder_is_not_replaced(
    name: str, model: SavedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UserError, match=r"working folder|something other"):
        save_folder(Path(name), model, {})
    assert Path.cwd() == tmp_path / "here"
    save_folder(Path("model"), model, {})
    assert read_folder(Path("model"))[0].config == model.config


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "y/" * 3000])
def test_a_name_that_nothing_can_have_is_one_line(name: str, model: SavedModel, tmp_path: Path) -> None:
    for use in (lambda path: save_folder(path, model, {}), lambda path: read_saved_model(str(path))):
        with pytest.raises(UserError, match=r"NUL character|too long a name") as caught:
            use(tmp_path / name)
        assert len(str(caught.value)) < 300


def test_what_is_no_saved_model_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("text")
    (tmp_path / "model.json").write_text('{"learner": {}}')
    said = {
        tmp_path / "c.txt": r"c\.txt is no saved model: it is a file; give the folder that ETM\.save wrote$",
        tmp_path: r"holds no saved model: its model\.json is another program's$",
        tmp_path / "none": r"none holds no saved model: model\.json is missing$",
        tmp_path / "a\0b": r"a\\x00b has a NUL character, which no name can have; give another path$",
        tmp_path / ("x" * 300): r"x is too long a name for this file system; give a shorter path",
        None: r"^path=None is no path; give a str or a pathlib\.Path$",
    }
    for path, message in said.items():
        with pytest.raises(ValueError, match=message):
            ETM.load(path)
