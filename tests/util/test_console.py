"""What a person sees: tables, times, progress."""

import io
import sys
import threading

import pytest

from etm_jax.util import console


def test_a_table_aligns_chinese_by_its_width():
    lines = console.table([["飞船", 1], ["sea", 22]], ["word", "n"], "<>").splitlines()
    assert lines == ["word   n", "----  --", "飞船   1", "sea   22"]


@pytest.mark.parametrize("text, width", [("abc", 3), ("飞船", 4), ("，", 2), ("e\u0301", 1), ("", 0)])
def test_display_width(text, width):
    assert console.display_width(text) == width


@pytest.mark.parametrize("seconds, said", [(0.4, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")])
def test_duration(seconds, said):
    assert console.duration(seconds) == said


def test_notes_are_text_and_a_warning_is_one_line(capsys):
    console.note("a  1", "b  2")
    console.note("\x1b[2J飞船\u2028")
    console.warn("two\nlines")
    said = ["a  1", "b  2", r"\x1b[2J飞船\u2028", r"warning: two\nlines"]
    assert capsys.readouterr().err.split("\n") == [*said, ""]


@pytest.fixture
def clock(monkeypatch):
    """A clock that each item moves by as many seconds as it says."""
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])

    def items(*seconds):
        for second in seconds:
            now[0] += second
            yield second

    return items


def test_quick_work_shows_nothing(clock, capsys):
    assert list(console.track(clock(*[0.1] * 15), "reading", total=15)) == [0.1] * 15
    assert capsys.readouterr().err == ""


def test_slow_work_shows_a_line_every_ten_seconds(clock, capsys):
    assert list(console.track(clock(*[3.0] * 9), "reading", total=9, unit="files")) == [3.0] * 9
    assert capsys.readouterr().err.splitlines() == [
        "reading: 1 of 9 files, about 24 s left",
        "reading: 5 of 9 files, about 12 s left",
    ]


def test_large_numbers_can_be_read(clock, capsys):
    list(console.track(clock(*[0.001] * 5_000), "reading", total=5_000, unit="files"))
    assert capsys.readouterr().err == "reading: 2,000 of 5,000 files, about 3 s left\n"


def test_what_comes_before_the_first_item_does_not_count(clock, capsys):
    list(console.track(clock(60.0, 1.0, 1.0, 1.0), "segmenting", total=4))
    assert capsys.readouterr().err == "segmenting: 1 of 4 it, about 3 s left\n"


def test_the_meter_says_what_is_left(clock, capsys):
    meter = console.TrainingMeter(first_step=6, num_epochs=5, steps_per_epoch=3)
    for i, _ in enumerate(clock(1.0, 1.0, 1.0, 1.0, 1.0, 1.0), start=1):
        meter.step()
        if i % 3 == 0:
            meter.epoch(2 + i // 3, "nelbo 5.00")
    meter.close()
    assert capsys.readouterr().err == "epoch 3/5  nelbo 5.00\nepoch 4/5  nelbo 5.00  3 s left\n"


def test_compilation_is_not_counted_in_what_is_left(clock, capsys):
    meter = console.TrainingMeter(first_step=0, num_epochs=4, steps_per_epoch=3)
    for i, _ in enumerate(clock(60.0, 1.0, 1.0, 2.0, 2.0, 2.0)):
        meter.step()
        if i % 3 == 2:
            meter.epoch(i // 3 + 1, "nelbo 5.00")
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "nelbo" in line] == ["epoch 1/4  nelbo 5.00", "epoch 2/4  nelbo 5.00  12 s left"]


class Notebook(io.StringIO):
    """Where a kernel's stderr goes."""


def test_in_a_notebook_progress_is_one_line_that_leaves_compilation_out(clock, monkeypatch):
    Notebook.__module__ = "ipykernel.iostream"
    shown = Notebook()
    monkeypatch.setattr(console.sys, "stderr", shown)
    monkeypatch.setattr("tqdm.std.time", console.time.monotonic)
    meter = console.TrainingMeter(first_step=0, num_epochs=4, steps_per_epoch=3)
    for i, _ in enumerate(clock(600.0, *[1.0] * 11)):
        meter.step()
        if i % 3 == 2:
            list(clock(60.0 * (i == 2)))
            meter.epoch(i // 3 + 1, "nelbo 5.00")
    meter.close()
    text = shown.getvalue()
    assert text.count("\n") == 1
    assert text.endswith("nelbo 5.00\n")
    left = [line.partition(" left")[0].rpartition("|")[2] for line in text.split("\r") if " left" in line]
    # A second a step since the first; then a second a step since the first epoch's end, each as often as it is shown.
    assert list(dict.fromkeys(left)) == ["?", *(f"{seconds} s" for seconds in range(10, -1, -1))]


def test_a_long_epoch_shows_that_it_moves(clock, capsys):
    meter = console.TrainingMeter(first_step=0, num_epochs=1, steps_per_epoch=4)
    for _ in clock(6.0, 6.0, 6.0):
        meter.step()
    assert capsys.readouterr().err == "epoch 1/1  step 2/4  12 s left\n"


def test_the_last_step_of_an_epoch_is_that_epochs(clock, capsys):
    meter = console.TrainingMeter(first_step=0, num_epochs=2, steps_per_epoch=2)
    for _ in clock(0.1, 60.0):
        meter.step()
    assert capsys.readouterr().err.startswith("epoch 1/2  step 2/2")


def test_what_takes_long_is_named_and_what_does_not_is_not(monkeypatch, capsys):
    with console.working_on("counting"):
        pass
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(console, "SECONDS_BEFORE_FIRST_LINE", 0.0)
    said = threading.Event()
    monkeypatch.setattr(console, "note", lambda what: (print(what, file=sys.stderr), said.set()))
    with console.working_on("counting"):
        assert said.wait(60)
    assert capsys.readouterr().err == "counting\n"


def test_what_takes_long_is_silent_where_messages_are(monkeypatch, capsys):
    monkeypatch.setattr(console, "SECONDS_BEFORE_FIRST_LINE", 0.0)
    asked = threading.Event()
    monkeypatch.setattr(console, "one_line", lambda line: asked.set() or line)
    with console.silenced(), console.working_on("counting"):
        assert not asked.wait(0.2)
    assert capsys.readouterr().err == ""
