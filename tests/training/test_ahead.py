"""Programs compiled ahead: the calls that follow take them, and what goes wrong is the caller's."""

import logging

import jax
import jax.numpy as jnp
import pytest

from conftest import SMALL, themed_lines
from etm_jax.cli import flags as cli
from etm_jax.cli.run import run
from etm_jax.training.ahead import CompiledAhead, prepare_jax


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture):
    """What is compiled is logged, in all threads: jax.log_compiles() is of its own alone."""
    jax.config.update("jax_log_compiles", True)
    with caplog.at_level(logging.WARNING, "jax"):
        yield caplog
    jax.config.update("jax_log_compiles", False)


def compiled_programs(caplog: pytest.LogCaptureFixture) -> list[str]:
    told = (record.getMessage() for record in caplog.records)
    return [line.split("jit(")[1].split(")")[0] for line in told if line.startswith("Finished XLA compilation")]


def test_a_call_takes_the_program_that_was_compiled_ahead(logged: pytest.LogCaptureFixture) -> None:
    def doubled_sum(x: jax.Array) -> jax.Array:
        return (2 * x).sum()

    program, ahead = jax.jit(doubled_sum), CompiledAhead()
    ahead.start(lambda: [(program, (jax.ShapeDtypeStruct((3,), jnp.float32),))], [program])
    ahead.wait(program)
    assert compiled_programs(logged) == ["doubled_sum"]
    assert float(program(jnp.arange(3.0))) == 6
    assert compiled_programs(logged).count("doubled_sum") == 1
    ahead.close()


def test_what_goes_wrong_is_not_raised_by_waiting() -> None:
    program, ahead = jax.jit(lambda x: x @ jnp.ones((7, 2))), CompiledAhead()
    ahead.start(lambda: [(program, (jax.ShapeDtypeStruct((3,), jnp.float32),))], [program, "not called"])
    ahead.wait(program)
    ahead.wait("not called")
    ahead.wait("never heard of")

    def fails() -> list:
        raise RuntimeError("of what is called")

    ahead.start(fails, ["another"])
    ahead.wait("another")
    ahead.close()


def test_keys_need_no_program_that_was_not_prepared(logged: pytest.LogCaptureFixture) -> None:
    jax.clear_caches()
    prepare_jax().result()
    before = compiled_programs(logged)
    assert "_threefry_split" in before
    training, evaluation = jax.random.split(jax.random.key(7))
    jax.random.fold_in(evaluation, 3)
    jax.random.fold_in(training, 4)
    assert compiled_programs(logged) == before


def test_where_there_is_no_device_it_is_said_where_jax_is_used_and_not_in_the_thread(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_device(_: int) -> None:
        raise RuntimeError("Unable to initialize backend 'cuda'")

    monkeypatch.setattr(jax.random, "key", no_device)
    assert isinstance(prepare_jax().exception(), RuntimeError)
    assert capsys.readouterr() == ("", "")


def test_a_training_compiles_each_of_its_programs_once(tmp_path, logged: pytest.LogCaptureFixture) -> None:
    """Were a program called in another way than it was compiled ahead, it would be there twice."""
    (tmp_path / "lines.txt").write_text("\n".join(themed_lines()) + "\n", encoding="utf-8")
    jax.clear_caches()
    corpus, workdir = f"--corpus={tmp_path / 'lines.txt'}", f"--workdir={tmp_path / 'run'}"
    run(*cli.parse(["train", corpus, *SMALL, "--test_share=0.2", "--valid_share=0.2", workdir]))
    found = compiled_programs(logged)
    training = ("init_variables", "_beginning", "_train_step", "eval_step", "all_finite")
    for name in (*training, "theta_step", "posterior_step", "topics_by_word", "prior_step", "word_shifts_step"):
        assert found.count(name) == 1, name
