"""`pytest --quick` leaves out the tests that `slow.txt` names, which `pytest -n 0 --write-slow` measures and writes.

A test is slow where it, or a fixture that it needs, takes more than a fifth of a second of the processors; nine tenths
of all that the tests take are theirs. A name that is no longer there does nothing, and a test without one is run.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import forked

SLOW = Path(__file__).with_name("slow.txt")
SECONDS = 0.2
LONGEST = (
    "system/test_tutorials.py::test_a_tutorial_does_what_it_says",
    "system/test_notebook.py::test_a_new_machine_goes_on_and_ends_with_the_same_bytes",
    "system/test_hostile.py::test_a_fuzzer_finds_nothing_in_two_thousand_inputs",
    "experiments/test_recovery.py::test_the_experiment_shows_them_found_and_the_control_without",
    "experiments/test_recovery.py::test_etm_finds_the_topics_that_documents_were_drawn_from",
)
"""What takes more than twenty seconds each comes first: begun last, one of them would keep a single processor busy."""

taken: dict[str, float] = defaultdict(float)
"""Seconds of the processors: the most that a test took with any parameters."""

_of_fixtures: dict[object, float] = defaultdict(float)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the two options."""
    parser.addoption("--quick", action="store_true", help=f"leave out what {SLOW.name} names")
    parser.addoption("--write-slow", action="store_true", help=f"measure, and write {SLOW.name}; with -n 0")


def name_of(item: pytest.Item) -> str:
    """A test without its parameters: `system/test_resume.py::test_…`."""
    return item.nodeid.partition("[")[0].removeprefix("tests/")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes longest, which one process then does; leave out what is slow, where that is asked for."""
    items.sort(key=lambda item: name_of(item) not in LONGEST)
    if not config.getoption("--quick"):
        return
    slow = set(SLOW.read_text("ascii").split())
    left = [item for item in items if name_of(item) in slow]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if name_of(item) not in slow]


def _seconds() -> float:
    return sum(os.times()[:4]) + forked.seconds()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef) -> Iterator[None]:
    """Measure what a fixture takes, but for those of one test, which that test takes."""
    begun = _seconds()
    given = yield
    if fixturedef.scope != "function":
        _of_fixtures[fixturedef] = max(_of_fixtures[fixturedef], _seconds() - begun)
    return given


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Measure what a test takes, with the fixtures that it needs, whichever test met them first."""
    begun, before = _seconds(), dict(_of_fixtures)
    given = yield
    own = _seconds() - begun - sum(_of_fixtures.values()) + sum(before.values())
    info = item._fixtureinfo.name2fixturedefs.values() if hasattr(item, "_fixtureinfo") else ()
    needed = {one for several in info for one in several if one in _of_fixtures}
    taken[name_of(item)] = max(taken[name_of(item)], own + sum(_of_fixtures[one] for one in needed))
    return given


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the names down, where that is asked for."""
    if session.config.getoption("--write-slow"):
        slow = sorted(name for name, seconds in taken.items() if seconds > SECONDS)
        SLOW.write_text("".join(name + "\n" for name in slow), encoding="ascii")
