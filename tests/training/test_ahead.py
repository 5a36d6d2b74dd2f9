"""Programs compiled ahead: the calls that follow take them, and what goes wrong is the caller's."""

import jax
import jax.numpy as jnp
import pytest

from conftest import SMALL, themed_lines
from etm_jax.cli import flags as cli
from etm_jax.cli.run import run
from etm_jax.training.ahead import CompiledAhead, prepare_jax
from programs import compiled


def test_a_call_takes_the_program_that_was_compiled_ahead() -> None:
    def doubled_sum(x: jax.Array) -> jax.Array:
        return (2 * x).sum()

    program, ahead = jax.jit(doubled_sum), CompiledAhead()
    with compiled() as names:
        ahead.start(lambda: [(program, (jax.ShapeDtypeStruct((3,), jnp.float32),))], [program])
        ahead.wait(program)
        assert names == ["doubled_sum"]
        assert float(program(jnp.arange(3.0))) == 6
    assert names.count("doubled_sum") == 1
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


def test_keys_need_no_program_that_was_not_prepared() -> None:
    jax.clear_caches()
    with compiled() as names:
        prepare_jax().result()
    assert "_threefry_split" in names
    with compiled() as names:
        training, evaluation = jax.random.split(jax.random.key(7))
        jax.random.fold_in(evaluation, 3)
        jax.random.fold_in(training, 4)
    assert names == []


def test_where_there_is_no_device_it_is_said_where_jax_is_used_and_not_in_the_thread(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_device(_: int) -> None:
        raise RuntimeError("Unable to initialize backend 'cuda'")

    monkeypatch.setattr(jax.random, "key", no_device)
    assert isinstance(prepare_jax().exception(), RuntimeError)
    assert capsys.readouterr() == ("", "")


def test_a_training_compiles_each_of_its_programs_once(tmp_path) -> None:
    """Were a program called in another way than it was compiled ahead, it would be there twice."""
    (tmp_path / "lines.txt").write_text("\n".join(themed_lines()) + "\n", encoding="utf-8")
    jax.clear_caches()
    corpus, workdir = f"--corpus={tmp_path / 'lines.txt'}", f"--workdir={tmp_path / 'run'}"
    with compiled() as found:
        run(*cli.parse(["train", corpus, *SMALL, "--test_share=0.2", "--valid_share=0.2", workdir]))
    training = ("init_variables", "_beginning", "_train_step", "eval_step", "all_finite")
    for name in (*training, "theta_step", "posterior_step", "topics_by_word", "prior_step", "word_shifts_step"):
        assert found.count(name) == 1, name
