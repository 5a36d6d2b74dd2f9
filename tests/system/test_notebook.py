"""The Colab notebook: that it is made from its source, and what it does, executed as it stands on this machine.

Needs the extra `notebook`; the Drive is a folder here, and nothing is installed, since all is there.
"""

import json
import os
import shutil
import signal
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest

import forked
from conftest import SMALL, themed_lines

MISSING = [
    name for name in ("IPython", "ipykernel", "jupytext", "matplotlib", "nbclient", "pandas") if not find_spec(name)
]
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"{', '.join(MISSING)}: not installed (extras: notebook, figures)"
)
ROOT = Path(__file__).parents[2]
EPOCHS = 20


@pytest.fixture
def folder(tmp_path) -> Path:
    """Where the notebook is started: what Colab calls /content."""
    (tmp_path / "lines.txt").write_text("\n".join(themed_lines()) + "\n", encoding="utf-8")
    return tmp_path


def flags(folder: Path) -> str:
    return " ".join(
        [
            f"--corpus={folder / 'lines.txt'}",
            *SMALL,
            "--vectors=ppmi",
            f"--num_epochs={EPOCHS}",
            "--log_quality_every=1",
        ]
    )


def started(folder: Path):
    """A client of the notebook with a small corpus."""
    from experiments.notebook import client, made, with_parameters

    small = with_parameters(made(), REPOSITORY=str(ROOT), FLAGS=flags(folder), SECONDS_BETWEEN_COPIES=0)
    return client(small, folder)


def told(cell) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


def cell_with(notebook, text: str):
    return next(cell for cell in notebook.cells if cell.cell_type == "code" and text in cell.source)


def unbroken(folder: Path) -> bytes:
    """The topics of a run that nothing stopped."""
    argv = [sys.executable, "-m", "etm_jax.train", *flags(folder).split(), f"--workdir={folder / 'unbroken'}"]
    forked.run(argv, cwd=ROOT, check=True, capture_output=True)
    return (folder / "unbroken" / "export" / "beta.npy").read_bytes()


def epochs_kept(folder: Path) -> list[int]:
    return sorted(int(sums.parent.name) for sums in folder.glob("drive/demo/checkpoints/*/SHA256SUMS"))


def kill_when_copied(folder: Path, over: threading.Event) -> None:
    """Kill -9 the notebook's training once the Drive's folder has the checkpoints of two epochs."""
    while not over.wait(0.005):
        if len([epoch for epoch in epochs_kept(folder) if epoch > 0]) >= 2:
            holder = json.loads((folder / "runs" / "demo" / ".lock").read_text("utf-8"))
            os.kill(holder["pid"], signal.SIGKILL)
            return


def executed(folder: Path):
    """The notebook as it was when its training was killed, and executed to its end by another kernel.

    Between the two all is lost that is not on the Drive, which got the newest checkpoint only in part.
    """
    from nbclient.exceptions import CellExecutionError

    first, second, over = started(folder), started(folder), threading.Event()
    killer = threading.Thread(target=kill_when_copied, args=(folder, over))
    killer.start()
    try:
        with pytest.raises(CellExecutionError, match="ended with status -9"):
            first.execute()
    finally:
        over.set()
        killer.join()
    shutil.rmtree(folder / "runs")
    newest = folder / "drive" / "demo" / "checkpoints" / str(epochs_kept(folder)[-1])
    largest = max((path for path in newest.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    os.truncate(largest, largest.stat().st_size // 2)
    second.execute()
    return first.nb, second.nb


def test_it_is_made_from_its_source():
    import nbformat

    from experiments.notebook import NOTEBOOK, made

    assert NOTEBOOK.read_text("utf-8") == nbformat.writes(made()) + "\n", "make notebook writes it anew"


def check_goes_on(before: str, after: str) -> None:
    """What the training cell told, before the disconnect and after."""
    assert "epoch 1/" in before
    assert f"epoch {EPOCHS}/" not in before
    assert "is brought back" in after
    assert "is damaged" in after
    assert "resumes after epoch" in after
    assert "epoch 1/" not in after


def check_shows(notebook) -> None:
    """The device, the topics, the report, its pictures, and a disconnect."""
    assert "computes on the CPU" in told(cell_with(notebook, "ASK ="))
    (table,) = (output.data["text/html"] for output in cell_with(notebook, "topics.csv").outputs)
    assert table.count("<tr") == 1 + 3
    (frame,) = (o.data["text/html"] for o in cell_with(notebook, "<iframe").outputs if o.output_type == "display_data")
    assert "about:srcdoc" in frame
    assert "Content-Security-Policy" in frame
    assert len([output.data["image/png"] for output in cell_with(notebook, "Image(").outputs]) == 3
    disconnect = told(cell_with(notebook, "if TRY_A_DISCONNECT"))
    assert "Killed" in disconnect
    assert "resumes after epoch" in disconnect
    assert disconnect.endswith("topics of both runs: 0\n")


def files(run: Path) -> dict[Path, bytes]:
    return {path.relative_to(run): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_a_new_machine_goes_on_and_ends_with_the_same_bytes(folder):
    # One test, since executing takes half a minute, and each process of the tests would do it anew.
    before, after = executed(folder)
    check_goes_on(*(told(cell_with(notebook, "train(NAME")) for notebook in (before, after)))
    check_shows(after)
    run, kept = files(folder / "runs" / "demo"), files(folder / "drive" / "demo")
    assert kept == run
    assert {Path("report.html"), Path("figures/map.png"), Path("metrics.jsonl")} <= kept.keys()
    assert kept[Path("export/beta.npy")] == unbroken(folder)
    assert [path.name for path in (folder / "drive").iterdir()] == ["demo"]


def test_a_fit_in_a_notebook_is_one_line_of_progress_and_a_table(tmp_path):
    import nbformat

    from experiments.notebook import client

    given = f"no_below=1, no_above=0.6, num_epochs={EPOCHS}, settings={{'hidden': (16,), 'embed_dim': 8}}"
    cells = [
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        f"from etm_jax import ETM\n"
        f"model = ETM(3, segmenter='whitespace', {given})",
        f"model.fit({themed_lines(60)})",
        "model.name_topics(lambda topic: topic.words[0])",
    ]
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    executing = client(notebook, tmp_path)
    executing.coalesce_streams = False  # All that the kernel sent, also what a line that was written anew then hid.
    executing.execute()
    fit, named = notebook.cells[1:]
    lines = told(fit).split("\n")
    progress = [line for line in lines if " left" in line]
    assert len(progress) == 1
    assert f"epoch {EPOCHS}/{EPOCHS}: 100%" in progress[0].split("\r")[-1]
    assert not any("epoch" in line for line in lines if line not in progress)
    for cell, titles in ((fit, 4), (named, 5)):
        (table,) = (o.data["text/html"] for o in cell.outputs if o.output_type == "execute_result")
        assert (table.count("<th"), table.count("<td")) == (1 + titles, 3 * titles)  # One of them is <thead>.


def test_without_a_repository_it_says_what_to_fill_in(folder):
    from nbclient.exceptions import CellExecutionError

    from experiments.notebook import client, made

    with pytest.raises(CellExecutionError) as raised:
        client(made(), folder).execute()
    assert raised.value.evalue.startswith("REPOSITORY is empty: fill in")
