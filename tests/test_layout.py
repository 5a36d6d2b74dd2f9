"""The floors of the package: a file imports only from lower ones, and some libraries have one user alone."""

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = "etm_jax"
ROOT = Path(__file__).resolve().parent.parent

# From the ground up; a name stands for its submodules too, unless they have a row of their own. A file imports only
# from rows above its own. Several rows make a floor where one of its files needs another.
ROWS: list[tuple[int, tuple[str, ...]]] = [
    (0, ("etm_jax", "etm_jax.errors")),
    (0, ("etm_jax.console",)),
    (0, ("etm_jax.config", "etm_jax.files", "etm_jax.lock", "etm_jax.pairs", "etm_jax.stopping")),
    (1, ("etm_jax.corpus.types", "etm_jax.grid", "etm_jax.processes")),
    (1, ("etm_jax.sparse",)),
    (1, ("etm_jax.corpus", "etm_jax.batches", "etm_jax.objective", "etm_jax.refine")),
    (1, ("etm_jax.model", "etm_jax.vectors")),
    (1, ("etm_jax.warm_start",)),
    (2, ("etm_jax.optimizer", "etm_jax.first_layer", "etm_jax.metrics", "etm_jax.tensorboard")),
    (2, ("etm_jax.steps", "etm_jax.initial", "etm_jax.seed_words", "etm_jax.results", "etm_jax.vae")),
    (
        2,
        (
            "etm_jax.checkpoint",
            "etm_jax.inference",
            "etm_jax.run_folder",
            "etm_jax.members",
            "etm_jax.placing",
            "etm_jax.spread",
        ),
    ),
    (2, ("etm_jax.unsound",)),
    (2, ("etm_jax.export", "etm_jax.health")),
    (2, ("etm_jax.lda", "etm_jax.simulate", "etm_jax.interop")),
    (3, ("etm_jax.loop", "etm_jax.apply")),
    (3, ("etm_jax.theta_files",)),
    (3, ("etm_jax.start",)),
    (3, ("etm_jax.training",)),
    (3, ("etm_jax.run",)),
    (3, ("etm_jax.finished",)),
    (3, ("etm_jax.evaluation", "etm_jax.exchange")),
    (3, ("etm_jax.page",)),
    (3, ("etm_jax.figures",)),
    (3, ("etm_jax.parity.torch_models",)),
    (3, ("etm_jax.parity.vae_rows",)),
    (3, ("etm_jax.parity",)),
    (4, ("etm_jax.cli", "etm_jax.estimator")),
    (
        4,
        (
            "etm_jax.train",
            "etm_jax.infer",
            "etm_jax.convert",
            "etm_jax.evaluate",
            "etm_jax.report",
            "etm_jax.prepare",
            "etm_jax.parity.__main__",
        ),
    ),
    (4, ("etm_jax.command",)),
]
LEVEL = {name: level for level, (_, names) in enumerate(ROWS) for name in names}
FLOOR = {name: floor for floor, names in ROWS for name in names}

# The one file that may import each of these, so that replacing the library means changing that file.
ONE_USER = {
    "flax": "etm_jax.model",
    "orbax": "etm_jax.checkpoint",
    "jax.experimental.sparse": "etm_jax.sparse",
    "pickle": "etm_jax.corpus.plain_pickle",
    "pickletools": "etm_jax.corpus.plain_pickle",
    "safetensors": "etm_jax.interop.tensor_files",
    "grain": "etm_jax.corpus.shards.reading",
    "array_record": "etm_jax.corpus.shards.records",
    "apache_beam": "etm_jax.corpus.shards.pipeline",
}
# They run whatever code a file holds; nothing here reads such files.
NEVER = ("cloudpickle", "dill", "joblib", "marshal", "shelve")
FLAGS = "absl.flags"
# Grain reads a flag of its own, so absl has to be told that there is no command line for it.
MARKS_FLAGS = "etm_jax.corpus.shards.reading"
ENTRY_FLOOR = 4

# Too slow to load, or not always installed: imported inside the function that needs them.
HEAVY = (
    "apache_beam",
    "array_record",
    "gensim",
    "grain",
    "jax",
    "jieba",
    "matplotlib",
    "pandas",
    "pkuseg",
    "pyLDAvis",
    "pyarrow",
    "rjieba",
    "sklearn",
    "snownlp",
    "spacy_pkuseg",
    "tomotopy",
)


class Module(NamedTuple):
    name: str
    is_package: bool


def modules() -> dict[Module, Path]:
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        found[Module(".".join(parts[:-1] if is_package else parts), is_package)] = path
    return found


MODULES = modules()
NAMES = {module.name for module in MODULES}


def row(name: str) -> str | None:
    """The name in ROWS that stands for the module `name`: its own or that of a package around it, below etm_jax."""
    while name not in LEVEL and name.count(".") > 1:
        name = name.rpartition(".")[0]
    return name if name in LEVEL else None


def imports(module: Module, source: str) -> Iterator[tuple[int, str]]:
    """Line and full name of all that `source` imports, in functions too. `from a import b` gives `a.b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.name if module.is_package else module.name.rpartition(".")[0]
                base = importlib.util.resolve_name("." * node.level + base, package)
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__"):
                yield node.lineno, str(node.args[0].value)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def faults(module: Module, source: str) -> list[str]:
    """What `source`, as the file of `module`, imports against the rules."""
    found = []
    own = row(module.name)
    assert own, f"{module.name} has no row in ROWS"
    for line, name in imports(module, source):
        here = f"{module.name}:{line} imports {name}"
        if within(name, PACKAGE):
            other = row(name if name in NAMES or name in LEVEL else name.rpartition(".")[0])
            siblings = other == own and (module.is_package or module.name != own)
            if other is None:
                found.append(f"{here}, which has no row in ROWS")
            elif not siblings and LEVEL[other] >= LEVEL[own]:
                found.append(f"{here}, which is not on a lower floor")
        for library, user in ONE_USER.items():
            if within(name, library) and module.name != user:
                found.append(f"{here}; only {user} may")
        if within(name, FLAGS) and FLOOR[own] < ENTRY_FLOOR and module.name != MARKS_FLAGS:
            found.append(f"{here}; only entry points read flags")
        if any(within(name, library) for library in NEVER):
            found.append(f"{here}, which can run code from a file")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
            found.append(f"{module.name}:{node.lineno} allows pickle")
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_every_module_keeps_to_its_floor(module: Module) -> None:
    assert faults(module, MODULES[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "name, source",
    [
        ("etm_jax.model", "from etm_jax.loop import fit"),
        ("etm_jax.model", "def f():\n    import etm_jax.loop"),
        ("etm_jax.model", "from etm_jax import loop"),
        ("etm_jax.model", "from . import loop"),
        ("etm_jax.model", "from .model import Encoder"),
        ("etm_jax.model", "from importlib import import_module\nimport_module('etm_jax.loop')"),
        ("etm_jax.corpus.readers", "from ..batches import pad"),
        ("etm_jax.loop", "from etm_jax.train import main"),
        ("etm_jax.corpus.types", "from etm_jax.corpus.readers import read_lines"),
        ("etm_jax.loop", "from flax import linen as nn"),
        ("etm_jax.loop", "import orbax.checkpoint as ocp"),
        ("etm_jax.model", "from jax.experimental import sparse"),
        ("etm_jax.loop", "from absl import flags"),
        ("etm_jax.loop", "import pickle"),
        ("etm_jax.loop", "import joblib"),
        ("etm_jax.loop", "np.load(path, allow_pickle=True)"),
    ],
)
def test_a_fault_is_seen(name: str, source: str) -> None:
    assert len(faults(Module(name, False), source)) == 1


@pytest.mark.parametrize(
    "name, source",
    [
        ("etm_jax.loop", "from etm_jax import __version__, steps\nfrom etm_jax.config import Config"),
        ("etm_jax.corpus.readers", "from etm_jax.corpus.decode import lines\nfrom .named import find"),
        ("etm_jax.vectors.ppmi", "from etm_jax.corpus.types import Corpus"),
        ("etm_jax.model", "import flax.linen as nn\nimport jax"),
        ("etm_jax.train", "from absl import app, flags"),
    ],
)
def test_what_is_allowed_is_not_a_fault(name: str, source: str) -> None:
    assert faults(Module(name, False), source) == []


def test_the_corpus_loads_without_heavy_packages() -> None:
    """Reading a text file must not wait for JAX, nor fail where an optional package is missing."""
    corpus = sorted(name for name in NAMES if within(name, "etm_jax.corpus"))
    code = f"import sys, {', '.join(corpus)}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert loaded.stdout.split() == []
