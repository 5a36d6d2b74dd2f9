"""A run goes on under another Python, and under another JAX with its Orbax."""

import json
import os
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from etm_jax.cli import flags as cli
from etm_jax.train import main

OTHER = os.environ.get("ETM_OTHER_PYTHON", "")
"""The Python of another environment with this package's requirements. `make test-matrix` gives the newest JAX's to the
oldest one's."""

ROOT = Path(__file__).parents[2]
SAME = 2e-6
"""Of two versions of JAX and Orbax the numbers are the same to so much; 6e-7 has been seen. Equal bytes do not hold: in
jax 0.7.2 and 0.10.2 `random.normal` itself differs in 0.4% of its values, by up to 3 units in the last place."""

THEMES = ("boat harbour tide wave anchor sailor net fish", "street market bridge tower clock tram square bell")
FLAGS = (
    "--corpus=lines.txt", "--lang=en", "--no_below=1", "--no_above=0.9", "--n_topic=2", "--hidden=4", "--emb_dim=4",
    "--batch_size=8", "--lr_schedule=constant", "--checkpoint_every=2",
)  # fmt: skip


@pytest.fixture(autouse=True)
def english(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """lines.txt, in English, where the test is."""
    draw = np.random.default_rng(0)
    lines = [" ".join(draw.choice(THEMES[i % 2].split(), 12)) for i in range(24)]
    (tmp_path / "lines.txt").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def train(run: str, epochs: int) -> int:
    return cli.run(main, ["train", *FLAGS, f"--workdir={run}", f"--num_epochs={epochs}"])


def segmenter(run: str) -> str:
    return json.loads(Path(run, "vocabulary").read_text("utf-8"))["segmenter"]


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> str:
    """A run of two epochs of a Python that knows Unicode 13; this one knows another."""
    with monkeypatch.context() as other:
        other.setattr(unicodedata, "unidata_version", "13.0.0")
        assert train("run", 2) == 0
    assert segmenter("run") == "words 2 (Unicode 13.0.0)"
    return "run"


@pytest.mark.parametrize("is_kept", [True, False], ids=["with its prepared corpus", "without"])
def test_an_english_run_goes_on_under_another_python(begun: str, is_kept: bool) -> None:
    digest = json.loads(Path(begun, "config.json").read_text("utf-8"))["run"]["corpus_digest"]
    assert train("whole", 4) == 0
    if not is_kept:
        shutil.rmtree(Path(begun, "corpus"))
    assert train(begun, 4) == 0
    # It is the corpus of then, also for the Python that it was begun under.
    assert segmenter(begun) == "words 2 (Unicode 13.0.0)"
    assert json.loads(Path(begun, "config.json").read_text("utf-8"))["run"]["corpus_digest"] == digest
    assert [path.name for path in Path(begun, "corpus").iterdir()] == [digest[:16]]
    for name in ("beta", "theta_train"):
        assert Path(begun, "export", f"{name}.npy").read_bytes() == Path("whole", "export", f"{name}.npy").read_bytes()


def test_where_another_python_finds_other_words_both_are_named(begun: str, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(Path(begun, "corpus"))
    vocabulary = json.loads(Path(begun, "vocabulary").read_text("utf-8"))
    vocabulary["doc_freq"][0] += 1
    Path(begun, "vocabulary").write_text(json.dumps(vocabulary), encoding="utf-8")
    Path(begun, "SHA256SUMS").unlink(missing_ok=True)
    checkpoints = sorted(Path(begun, "checkpoints").iterdir())
    assert train(begun, 4) == 2
    said = capsys.readouterr().err
    assert (
        "is the text that the run in --workdir was started with, but its words were found by words 2 (Unicode 13"
        in said
    )
    assert f"(Unicode {unicodedata.unidata_version}) of this one does not find the same" in said
    assert sorted(Path(begun, "checkpoints").iterdir()) == checkpoints
    assert not list(Path(begun, "corpus").glob("*"))


def test_another_text_is_still_another_text(begun: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Path("lines.txt").open("a", encoding="utf-8") as file:
        file.write("boat bell\n")
    assert train(begun, 4) == 2
    assert "is not what the run in --workdir was started with" in capsys.readouterr().err


@pytest.mark.skipif(not OTHER, reason="ETM_OTHER_PYTHON names no Python of another environment")
def test_a_run_goes_on_under_another_jax_and_back() -> None:
    def trained(run: str, *stages: tuple[str, int]) -> dict[str, np.ndarray]:
        # XLA's flags and compiled programs are those of one version.
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("XLA_", "JAX_"))}
        for python, epochs in stages:
            command = [python, "-m", "etm_jax.train", *FLAGS, f"--workdir={run}", f"--num_epochs={epochs}"]
            subprocess.run(command, env=ours | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
        return {name: np.load(Path(run, "export", f"{name}.npy")) for name in ("beta", "theta_train", "rho")}

    here = trained("here", (sys.executable, 6))
    for other in (
        trained("there-and-back", (sys.executable, 2), (OTHER, 4), (sys.executable, 6)),
        trained("begun-there", (OTHER, 2), (sys.executable, 4), (OTHER, 6)),
    ):
        for name, values in here.items():
            np.testing.assert_allclose(other[name], values, atol=SAME, rtol=0)
