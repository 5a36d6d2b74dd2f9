"""What import-linter (`make lint`, .importlinter) cannot state: rules on functions, and on what loads when."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = {path.relative_to(ROOT).as_posix(): path for path in sorted((ROOT / "etm_jax").rglob("*.py"))}

# Reading flags anywhere else would make a result depend on a command line that a library's user does not have; entry
# points declare theirs. Grain reads a flag of its own, so absl has to be told where it is imported that there is no
# command line for it.
MARKS_FLAGS = "etm_jax/corpus/shards/reading.py"
READ_FLAGS = ("etm_jax/cli/", MARKS_FLAGS)

# They run whatever code a file holds.
UNPICKLE = ("pickle", "pickletools", "cloudpickle", "dill", "joblib", "marshal", "shelve")
ONE_UNPICKLER = "etm_jax/util/plain_pickle.py"

# What is printed is escaped there, and so is what goes into a table.
ONE_FILE = {
    "print": "etm_jax/util/console.py",
    "sys.stdout.write": "etm_jax/util/console.py",
    "sys.stderr.write": "etm_jax/util/console.py",
    "csv.writer": "etm_jax/util/tables.py",
    "csv.DictWriter": "etm_jax/util/tables.py",
}

# Too slow to load, or not always installed: imported inside the function that needs them.
HEAVY = [
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
]


def imported(source: str) -> Iterator[str]:
    """The full name of all that `source` imports, in functions too. `from a import b` gives `a.b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def faults(name: str, source: str) -> list[str]:
    """What `source`, as the file `name`, does against the rules."""
    found = []
    for library in imported(source):
        if f"{library}.".startswith("absl.flags.") and not name.startswith(READ_FLAGS):
            found.append(f"{name} reads flags")
        if library.partition(".")[0] in UNPICKLE and name != ONE_UNPICKLER:
            found.append(f"{name} imports {library}, which can run code from a file")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and (rule := ONE_FILE.get(ast.unparse(node.func))) and name != rule:
            found.append(f"{name}:{node.lineno} calls {ast.unparse(node.func)}, which {rule} is for")
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
            found.append(f"{name}:{node.value.lineno} allows pickle")
    return found


def test_what_one_file_is_for_no_other_does() -> None:
    assert [fault for name, path in FILES.items() for fault in faults(name, path.read_text("utf-8"))] == []


@pytest.mark.parametrize(
    "source",
    [
        "from absl import flags",
        "def f():\n    import pickle",
        "import joblib",
        "np.load(path, allow_pickle=True)",
        "print('x')",
        "csv.writer(file)",
    ],
)
def test_a_fault_is_seen(source: str) -> None:
    assert len(faults("etm_jax/training/trainer.py", source)) == 1
    assert faults("etm_jax/cli/flags.py", "from absl import flags") == []


def test_the_corpus_loads_without_heavy_packages() -> None:
    """Reading a text file must not wait for JAX, nor fail where an optional package is missing."""
    names = [name.removesuffix(".py").removesuffix("/__init__") for name in FILES if name.startswith("etm_jax/corpus")]
    code = f"import sys, {', '.join(names).replace('/', '.')}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert loaded.stdout.split() == []


def test_no_file_is_too_long_to_hold_one_idea() -> None:
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in FILES.items()}
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}
