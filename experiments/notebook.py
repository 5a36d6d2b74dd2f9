"""experiments/colab_tpu.ipynb, made from the commented experiments/colab_tpu.py, or a copy that has been executed.

    python -m experiments.notebook
    python -m experiments.notebook --execute=docs/colab_run.ipynb --repository=. --python=/usr/bin/python3

The notebook is kept without outputs: whoever opens it on Colab will run it, and would take another machine's figures
for their own. --execute writes a copy with them, from a kernel of that Python (which has ipykernel, pandas and jax),
started in --folder; but without the report, which is 3 MiB and which GitHub does not show.

Extra: notebook. Runtime: no time to make; two minutes to execute on 2 cores, besides installing.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from absl import flags

from etm_jax.cli import flags as cli
from etm_jax.util.console import note

SOURCE = Path(__file__).with_name("colab_tpu.py")
NOTEBOOK = SOURCE.with_suffix(".ipynb")
SECONDS_A_CELL = 3600


def made() -> nbformat.NotebookNode:
    """The notebook, without outputs. The same source gives the same bytes."""
    import jupytext

    notebook = jupytext.read(SOURCE)
    for i, cell in enumerate(notebook.cells):
        cell.id = f"cell-{i}"  # jupytext draws them at random.
    # What jupytext would need to write changes back into the source.
    notebook.metadata.pop("jupytext", None)
    nbformat.validate(notebook)
    return notebook


def with_parameters(notebook: nbformat.NotebookNode, **values: Any) -> nbformat.NotebookNode:
    """A copy in which these names have these values: in a cell after the one tagged parameters, as papermill has it."""
    cells = [cell.copy() for cell in notebook.cells]
    at = next(i for i, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", ()))
    source = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    given = nbformat.v4.new_code_cell(source, metadata={"tags": ["injected-parameters"]}, id="parameters")
    return nbformat.v4.new_notebook(metadata=notebook.metadata, cells=[*cells[: at + 1], given, *cells[at + 1 :]])


def client(notebook: nbformat.NotebookNode, folder: Path, python: str = sys.executable) -> Any:
    """Who executes the notebook in a folder: `execute()` fills in its outputs, or raises CellExecutionError."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    class Manager(AsyncKernelManager):
        """A kernel of that Python, whatever kernels the machine knows by name."""

        @property
        def kernel_spec(self) -> KernelSpec:
            argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=argv, display_name="Python 3", language="python")

    return NotebookClient(
        notebook,
        timeout=SECONDS_A_CELL,
        kernel_manager_class=Manager,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )


def main(argv: Sequence[str]) -> None:
    """Write the notebook, or an executed copy."""
    values = flags.FlagValues()
    for name, default in {"execute": "", "repository": ".", "python": sys.executable, "folder": "."}.items():
        flags.DEFINE_string(name, default, name, flag_values=values)
    if cli.wants_help(argv):
        print(__doc__)
        return
    cli.parse_only(values, argv)
    notebook, written = made(), NOTEBOOK
    if values.execute:
        written = Path(values.execute)
        notebook = with_parameters(notebook, REPOSITORY=values.repository)
        note("executing: about two minutes, and installing")
        client(notebook, Path(values.folder), values.python).execute()
        for cell in notebook.cells:
            shown = [output for output in cell.get("outputs", ()) if "<iframe" not in str(output.get("data"))]
            cell.update({"outputs": shown} if "outputs" in cell else {})
    nbformat.write(notebook, written)
    note(f"{written}: {written.stat().st_size / 2**10:,.0f} KiB")


if __name__ == "__main__":
    sys.exit(cli.run(main))
