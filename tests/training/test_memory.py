"""Models that no memory holds are refused before anything is computed."""

from types import SimpleNamespace
from typing import Any

import pytest

from conftest import SMALL, planted_counts, small_etm
from etm_jax.cli import flags as cli
from etm_jax.config.build import make_config
from etm_jax.train import main
from etm_jax.training import memory
from etm_jax.util.errors import UserError


def test_bytes_are_those_of_arrays_that_grow_with_topics() -> None:
    def least(**given: object) -> int:
        return memory.least_bytes(make_config("default", {"num_topics": 10, **given}), vocab_size=100, num_docs=7)

    assert least() == 4 * (2 * 10 * 100 + 2 * 10 * 10 + 10 * 7)
    assert least(overlap_weight=0.0) == 4 * (2 * 10 * 100 + 10 * 7)
    assert least(num_seeds=3) == 4 * (3 * (2 * 10 * 100 + 2 * 10 * 10) + 10 * 7)


def test_too_many_topics_are_refused_in_python_with_what_they_need() -> None:
    told = r"^num_topics=10000000 needs at least 745,0\d\d GiB of memory, .*, such as num_topics=2 for the"
    with pytest.raises(ValueError, match=told):
        small_etm(num_topics=10**7).fit(planted_counts(60, 30, 3))


def test_so_are_they_on_the_command_line_and_no_run_is_begun(lines_file, tmp_path, capsys) -> None:
    flags = [f"--corpus={lines_file}", f"--workdir={tmp_path / 'run'}", *SMALL, "--n_topic=10000000"]
    assert cli.run(main, ["train", *flags]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: --n_topic=10000000 needs at least")
    assert not (tmp_path / "run" / "config.json").exists()


def test_memory_that_is_not_known_refuses_nothing(monkeypatch) -> None:
    corpus: Any = SimpleNamespace(vocabulary=["船"] * 30, num_train=60)
    config = make_config("default", {"num_topics": 10**7})
    monkeypatch.setattr(memory, "device_bytes", lambda: 16 << 30)
    with pytest.raises(UserError, match="GiB of memory, and there are 16; give fewer"):
        memory.check_memory(config, corpus)
    monkeypatch.setattr(memory, "device_bytes", lambda: None)
    memory.check_memory(config, corpus)
