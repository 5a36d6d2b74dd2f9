"""A declaration gives a setting its type, its bounds and its spelling; what is wrong is told by its flag."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etm_jax.config.declaration import LARGEST, by_name, files_read, setting, settings_of
from etm_jax.util.errors import UserError


@dataclass(frozen=True)
class Some:
    """One setting of every kind."""

    count: int = setting(5, "a number", flag="n", at_least=1)
    share: float = setting(0.5, "a share", above=0, at_most=1)
    part: float = setting(0.5, "a part", at_least=0, below=1)
    seed: int = setting(1, "a seed", at_least=0, at_most=9)
    every: int = setting(0, "epochs", at_least=0, zero="never")
    widths: tuple[int, ...] = setting((8,), "widths", at_least=1, example="8,8")
    names: tuple[str, ...] = setting(("a",), "names", choices=("a", "b"), example="a,b")
    kind: str = setting("one", "a kind", choices={"one": "the first", "two": "the second"}, renamed={"zwei": "two"})
    vectors: str = setting("own", "vectors", choices=("own", "file:PATH"))
    lang: str = setting("", "language", choices=("zh", "en"))
    folded: bool | None = setting(None, "fold")
    least: int | None = setting(None, "least", at_least=1)
    undeclared: int = 3


SETTINGS = by_name(Some)


def test_names_types_and_defaults_are_those_of_the_dataclass() -> None:
    assert [s.name for s in settings_of(Some)] == list(SETTINGS)
    assert "undeclared" not in SETTINGS
    count, widths, least = SETTINGS["count"], SETTINGS["widths"], SETTINGS["least"]
    assert (count.flag, count.kind, count.default, count.optional) == ("n", int, 5, False)
    assert (widths.flag, widths.kind, widths.item) == ("widths", tuple, int)
    assert (least.kind, least.optional) == (int, True)


@pytest.mark.parametrize("s", settings_of(Some), ids=lambda s: s.name)
def test_every_default_is_allowed(s: Any) -> None:
    assert s.checked(s.default) == s.default


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("count", np.int64(7), 7),
        ("share", 1, 1.0),
        ("share", np.float32(0.5), 0.5),
        ("widths", [3, np.int32(4)], (3, 4)),
        ("widths", 8, (8,)),
        ("widths", "3,4", (3, 4)),
        ("kind", "zwei", "two"),
        ("vectors", "file:a:b", "file:a:b"),
        ("lang", "", ""),
        ("folded", None, None),
        ("least", 1, 1),
    ],
)
def test_what_python_gives_is_kept_as_a_plain_value(name: str, given: Any, kept: Any) -> None:
    found = SETTINGS[name].checked(given)
    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("count", 0, "--n=0 is out of range; give at least 1"),
        ("count", "5", "--n='5' must be a whole number"),
        ("count", 5.0, "--n=5.0 must be a whole number"),
        ("count", True, "--n=True must be a whole number"),
        ("count", LARGEST + 1, f"--n={LARGEST + 1} is out of range; give at most {LARGEST}"),
        ("share", 0, "--share=0.0 is out of range; give above 0 and at most 1"),
        ("share", float("nan"), "--share=nan must be a finite number"),
        ("part", 1.0, "--part=1.0 is out of range; give at least 0 and below 1"),
        ("seed", 10, "--seed=10 is out of range; give 0 to 9"),
        ("every", -1, "--every=-1 is out of range; give 0 for never, or a positive number"),
        ("widths", (8, 0), "--widths=8,0 is out of range; give positive whole numbers such as 8,8"),
        ("widths", (), "--widths= is out of range; give positive whole numbers such as 8,8"),
        ("widths", 8.5, "--widths=8.5 must be whole numbers such as 8,8"),
        ("widths", "wide", "--widths='wide' must be whole numbers such as 8,8"),
        ("widths", 0, "--widths=0 is out of range; give positive whole numbers such as 8,8"),
        ("names", ("a", "c"), "--names='c' is not one of a, b"),
        ("kind", "three", "--kind='three' is not one of one, two"),
        ("kind", "", "--kind='' is not one of one, two"),
        ("vectors", "file:", "--vectors='file:' is not one of own, file:PATH"),
        ("folded", 1, "--folded=1 must be true or false"),
        ("least", 0, "--least=0 is out of range; give at least 1"),
    ],
)
def test_what_is_not_allowed_is_told_by_flag_value_and_way_out(name: str, given: Any, said: str) -> None:
    with pytest.raises(UserError) as caught:
        SETTINGS[name].checked(given)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("count", "7", 7), ("share", "1e-1", 0.1), ("widths", "3,4", (3, 4)), ("names", "a,b", ("a", "b"))],
)
def test_what_a_flag_says_is_what_it_spells(name: str, text: str, value: Any) -> None:
    assert SETTINGS[name].parsed(text) == value
    assert SETTINGS[name].parsed(SETTINGS[name].text(value)) == value


def test_a_flag_is_spelled_as_it_is_given() -> None:
    assert SETTINGS["count"].spelled(3) == "--n=3"
    assert SETTINGS["widths"].spelled((3, 4)) == "--widths=3,4"
    assert SETTINGS["folded"].spelled(False) == "--nofolded"
    assert SETTINGS["lang"].spelled("") == "no --lang"


def test_a_former_name_says_the_present_one() -> None:
    kind = SETTINGS["kind"]
    assert kind.renaming("zwei") == "--kind=zwei is called --kind=two now; the former name is still taken"
    assert (kind.renaming("two"), SETTINGS["count"].renaming(5)) == ("", "")


def test_the_files_that_a_value_names_are_found_and_nothing_else(tmp_path, monkeypatch) -> None:
    @dataclass(frozen=True)
    class Reading:
        words: str = setting("", "words", reads="file")
        model: str = setting("", "a folder", reads="path")
        vectors: str = setting("own", "vectors", choices=("own", "file:PATH"), reads="file")
        output: str = setting("", "not read")

    monkeypatch.chdir(tmp_path)
    for name in ("own", "zh", "model"):
        Path(name).mkdir()
    for name in ("a.txt", "b,c.txt", "model/weights"):
        Path(name).touch()
    for given, expected in (
        (Reading(), []),
        (Reading(words="a.txt", output="a.txt"), [("--words", "a.txt")]),
        (Reading(words="zh,a.txt,word"), [("--words", "a.txt")]),
        (Reading(words="b,c.txt", model="model"), [("--words", "b,c.txt"), ("--model", "model")]),
        (Reading(words="zh", vectors="own"), []),  # A list and a choice, beside folders of these names.
        (Reading(vectors="file:b,c.txt"), [("--vectors", "b,c.txt")]),
        (Reading(words="gone.txt"), []),
    ):
        assert files_read(given) == [(flag, Path(path)) for flag, path in expected]
