"""What a person sees: messages and progress while a program runs, on stderr; results, on stdout.

All that is printed goes through here, so that no name and no word can command a terminal: see `one_line`.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar

from etm_jax.util.errors import one_line

T = TypeVar("T")

SECONDS_BEFORE_FIRST_LINE = 2.0
SECONDS_BETWEEN_LINES = 10.0
SECONDS_TO_TELL_SPEED = 1.0
"""Steps are dispatched before they are done, the first ones at once."""

_silent: ContextVar[bool] = ContextVar("silent", default=False)
_wording: ContextVar[Callable[[str], str]] = ContextVar("wording", default=str)


@contextmanager
def silenced(silent: bool = True) -> Iterator[None]:
    """Suppress all messages and progress within the block, unless `silent` is false."""
    token = _silent.set(silent)
    try:
        yield
    finally:
        _silent.reset(token)


def is_silenced() -> bool:
    """Whether messages are suppressed here."""
    return _silent.get()


@contextmanager
def worded(wording: Callable[[str], str]) -> Iterator[None]:
    """Print messages within the block as `wording` has them."""
    token = _wording.set(wording)
    try:
        yield
    finally:
        _wording.reset(token)


def note(*lines: str) -> None:
    """Print plain text on stderr; each argument is one line, whatever is in it."""
    if not _silent.get():
        print("\n".join(one_line(_wording.get()(line)) for line in lines), file=sys.stderr, flush=True)


def show(text: str) -> None:
    """Print plain text of several lines on stdout: help, or what `table` made."""
    # At once, so that it stands before the messages that come after it, where both go to one file.
    print("\n".join(map(one_line, text.split("\n"))), flush=True)


def warn(message: str) -> None:
    """Print one line on stderr that begins with `warning:`."""
    note(f"warning: {message}")


def _redraws_lines() -> bool:
    """Whether a line on stderr can be written anew: on a terminal, and in a notebook."""
    return sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel.")


def track(items: Iterable[T], label: str, total: int | None = None, unit: str = "it") -> Iterator[T]:
    """Yield `items` and show progress: a bar on a terminal, a plain line every ten seconds in a log.

    Nothing is shown for work that ends within two seconds.
    """
    if total is None and hasattr(items, "__len__"):
        total = len(items)  # type: ignore[arg-type]
    if _redraws_lines() and not _silent.get():
        from tqdm import tqdm

        label = one_line(label)
        yield from tqdm(items, desc=label, total=total, unit=unit, delay=SECONDS_BEFORE_FIRST_LINE, leave=False)
        return
    due = time.monotonic() + SECONDS_BEFORE_FIRST_LINE
    start = 0.0
    for done, item in enumerate(items):
        now = time.monotonic()
        # Time before the first item, such as loading a model, does not count towards the speed.
        start = start if done else now
        if now >= due and now > start:
            of_total = f" of {total:,}" if total else ""
            left = f", about {duration((now - start) / done * (total - done))} left" if total else ""
            note(f"{label}: {done:,}{of_total} {unit}{left}")
            due = now + SECONDS_BETWEEN_LINES
        yield item


@contextmanager
def working_on(what: str) -> Iterator[None]:
    """Say what the block does where it takes longer than two seconds; nobody knows how long."""
    saying = threading.Timer(SECONDS_BEFORE_FIRST_LINE, copy_context().run, (note, what))
    saying.daemon = True
    saying.start()
    try:
        yield
    finally:
        saying.cancel()


class TrainingMeter:
    """Progress of training: a bar on a terminal or in a notebook; in a log a line per epoch, and every ten seconds.

    The time left is that of steps like those since the first, which compiles; and once an epoch has ended, whose end
    compiles too, of those since. first_step: number of steps done before, by the run that is resumed.
    """

    def __init__(self, first_step: int, num_epochs: int, steps_per_epoch: int) -> None:
        self.first_step, self.num_epochs, self.steps_per_epoch = first_step, num_epochs, steps_per_epoch
        self.steps = self.steps_at_start = 0
        self.epochs = 0
        self.start = self.last_line = time.monotonic()
        self.bar: Any = None
        if _redraws_lines() and not _silent.get():
            from tqdm import tqdm

            left = self._left

            class Bar(tqdm):
                """A bar with the meter's time left: tqdm's own counts the step that compiled."""

                @property
                def format_dict(self) -> Any:
                    return super().format_dict | {"left": left(SECONDS_TO_TELL_SPEED) or "?"}

            total = num_epochs * steps_per_epoch
            self.bar = Bar(total=total, initial=first_step, bar_format="{l_bar}{bar:20}|{left} left{postfix}")

    def step(self) -> None:
        """Count one step, which is dispatched or done."""
        self.steps += 1
        if self.steps == 1:
            self._start_here()
        if self.bar is not None:
            self.bar.update()
        elif time.monotonic() - self.last_line > SECONDS_BETWEEN_LINES:
            epochs, steps = divmod(self.first_step + self.steps - 1, self.steps_per_epoch)
            self._line(f"epoch {epochs + 1}/{self.num_epochs}  step {steps + 1}/{self.steps_per_epoch}")

    def epoch(self, epoch: int, metrics: str) -> None:
        """Report that an epoch has ended. metrics: of the epoch, as text."""
        self.epochs += 1
        if self.epochs == 1:
            self._start_here()
        if self.bar is not None:
            self.bar.set_description(f"epoch {epoch}/{self.num_epochs}")
            self.bar.set_postfix_str(metrics)
        else:
            self._line(f"epoch {epoch}/{self.num_epochs}  {metrics}")

    def close(self) -> None:
        """Remove the bar, so that the terminal is ready for the next line."""
        if self.bar is not None:
            self.bar.close()

    def _start_here(self) -> None:
        """Leave out of the speed all that was before, such as compilation."""
        self.steps_at_start, self.start = self.steps, time.monotonic()

    def _line(self, text: str) -> None:
        """Print a line that ends with the time left, where that can be told."""
        self.last_line = time.monotonic()
        if left := self._left():
            text += f"  {left} left"
        note(text)

    def _left(self, seconds: float = 0.0) -> str:
        """The time left, by the steps since the start; empty where there was none yet, or not for so many seconds."""
        measured, passed = self.steps - self.steps_at_start, time.monotonic() - self.start
        if not measured or passed < seconds:
            return ""
        return duration(passed / measured * (self.num_epochs * self.steps_per_epoch - self.first_step - self.steps))


def duration(seconds: float) -> str:
    """Seconds as `8 s`, `3 min 20 s` or `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def table(rows: Iterable[Iterable[object]], header: Iterable[str], align: str = "") -> str:
    """Rows as an aligned text table. align: `<` or `>` for each column; `<` for those beyond its end.

    A cell is one line, whatever is in it. East Asian wide characters count as two columns, so that Chinese words line
    up on a terminal.
    """
    cells = [[one_line(str(cell)) for cell in row] for row in [list(header), *rows]]
    widths = [max(display_width(row[j]) for row in cells) for j in range(len(cells[0]))]
    lines = []
    for row in cells:
        padded = []
        for j, cell in enumerate(row):
            blanks = " " * (widths[j] - display_width(cell))
            padded.append(blanks + cell if align[j : j + 1] == ">" else cell + blanks)
        lines.append("  ".join(padded).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def display_width(text: str) -> int:
    """Number of columns that `text` takes on a terminal."""
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
