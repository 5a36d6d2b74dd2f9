"""A signal that asks to stop is heard, wherever Python is as it comes."""

import gc
import signal
import sys
import time

import pytest

from etm_jax.training.signals import Stopped, signals_raise


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_comes_while_garbage_is_looked_for_is_not_lost(
    number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """Python ignores what callbacks of its collector raise, as the one that JAX has it call."""
    sent = []

    def callback(phase: str, _: dict[str, int]) -> None:
        if not sent:
            sent.append(phase)
            signal.raise_signal(number)

    def work() -> None:
        with signals_raise():
            gc.collect()
            assert sent
            time.sleep(30)

    hook = sys.unraisablehook
    gc.callbacks.append(callback)
    try:
        with pytest.raises(KeyboardInterrupt) as stopped:
            work()
    finally:
        gc.callbacks.remove(callback)
    assert isinstance(stopped.value, Stopped) == (number == signal.SIGTERM)
    assert sys.unraisablehook is hook
    assert capfd.readouterr().err == ""


def test_other_errors_that_are_ignored_are_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: told.append(unraisable.exc_value))

    class Fails:
        def __del__(self) -> None:
            raise ValueError("of its own")

    with signals_raise():
        Fails()
        gc.collect()
    assert [str(error) for error in told] == ["of its own"]
