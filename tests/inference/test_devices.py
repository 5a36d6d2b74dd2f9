"""Inference and evaluation on several devices: the same numbers as on one."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import forked
from conftest import SMALL, themed_lines
from etm_jax.cli import flags as cli
from etm_jax.cli.run import run

DEVICES = "--xla_force_host_platform_device_count=8"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("devices")
    # More than a batch of 512, and neither a multiple of it nor of the eight devices.
    (folder / "lines.txt").write_text("\n".join(["", *themed_lines(1037, seed=3)]) + "\n", encoding="utf-8")
    run(*cli.parse(["train", f"--corpus={folder / 'lines.txt'}", *SMALL, f"--workdir={folder / 'run'}"]))
    return folder


def called(devices: bool, command: str, *argv: str) -> str:
    """What the command says. In a process of its own, as XLA reads how many devices there are when it begins."""
    flags = f"{os.environ['XLA_FLAGS']} {DEVICES}" if devices else os.environ["XLA_FLAGS"]
    done = forked.run(
        [sys.executable, "-m", f"etm_jax.{command}", *argv],
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize("mesh", ["", "data:3", "data:4,vocab:2"])
def test_theta_of_eight_devices_is_that_of_one(mesh: str, trained: Path) -> None:
    """To the byte where documents are split, as each is computed by one device; to rounding where words are."""
    given = [f"--workdir={trained / 'run'}", f"--input={trained / 'lines.txt'}"]
    one, several = trained / "one.npy", trained / "several.npy"
    if not one.exists():
        called(False, "infer", *given, f"--output={one}")
    called(True, "infer", *given, f"--output={several}", f"--mesh={mesh}")
    assert len(np.load(one)) == 1037
    if "vocab" in mesh:
        np.testing.assert_allclose(np.load(several), np.load(one), atol=2e-6)
    else:
        assert several.read_bytes() == one.read_bytes()


def test_figures_of_eight_devices_are_those_of_one(trained: Path) -> None:
    found = []
    for devices in (False, True):
        called(devices, "evaluate", f"--workdir={trained / 'run'}")
        found.append(json.loads((trained / "run" / "metrics.json").read_text("utf-8")))
    one, several = (dict(numbers_in(figures)) for figures in found)
    assert several == pytest.approx(one, rel=1e-5, nan_ok=True)
    assert len(one) > 50


def numbers_in(value: object, name: str = "") -> Iterator[tuple[str, float]]:
    """All numbers of a JSON value, by where they stand in it."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from numbers_in(part, f"{name}/{key}")
    elif isinstance(value, int | float):
        yield name, float(value)
