"""Damage every file that the product keeps, in every way, and give it to every command that reads it.

    python -m torture.damage --output=torture/results/damage.json
    python -m torture.damage --things=model,tensors

A finished run, an edited and an unfinished one, a saved model, a prepared corpus, shards and a .safetensors file are
made once. Of each, one file at a time is cut to its half, emptied, filled with zeros, given one other bit or one other
digit, or deleted. What reads it may give the very numbers of the undamaged one, refuse in one line, or give others and
say which file is to blame. Other numbers without a word, and tracebacks, are failures.
"""

import argparse
import contextlib
import hashlib
import importlib
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np

from etm_jax.cli import flags
from etm_jax.util.errors import UserError

BITS = 4
"""Bits that are flipped in each file, one at a time."""

SMALL = ["--n_topic=3", "--emb_dim=8", "--hidden=8", "--no_below=1", "--no_above=1", "--segmenter=whitespace"]
SMALL += ["--batch_size=32", "--seed=1"]


class Told(NamedTuple):
    """What a command did: its exit status, what it printed, the digest of its numbers."""

    status: int
    text: str
    digest: str


class Thing(NamedTuple):
    """Something the product keeps, and what reads it.

    readers: by name; each gets the damaged copy, which lies where the thing itself lay, and returns what it computed.
    """

    path: Path
    readers: dict[str, Callable[[], bytes]]


# What is kept ---------------------------------------------------------------------------------------------------------


def write_corpus(path: Path) -> None:
    """A table of 120 made-up documents with a source each, which speak of one of three themes."""
    rng = np.random.default_rng(1)
    rows = ["text,source"]
    for i in range(120):
        words = rng.integers(12, size=20) + 12 * (i % 3)
        rows.append(f"{' '.join(chr(0x4E00 + 7 * j) * 2 for j in words)},{'ab'[i % 2]}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


THINGS = ("run", "edited", "unfinished", "cache", "shards", "tensors", "model")


def make_things(place: Path, wanted: Collection[str] = THINGS) -> dict[str, Thing]:
    """Make those that are wanted below `place`, with their readers."""
    from etm_jax.estimator import ETM

    corpus, new = place / "corpus.csv", place / "new.txt"
    write_corpus(corpus)
    texts = [line.rpartition(",")[0] for line in corpus.read_text("utf-8").splitlines()[1:]]
    new.write_text("\n".join(texts[:10]) + "\n", encoding="utf-8")
    given = [f"--corpus={corpus}", "--meta_fields=source", *SMALL]

    run, edited, cut = place / "run", place / "edited", place / "unfinished"
    cached, cache = place / "cached", place / "cache"
    command("train", *given, "--num_epochs=2", f"--workdir={run}")
    if "edited" in wanted:
        command("edit", f"--workdir={run}", f"--output={edited}", "--merge=0,2", "--rename=auto")
    if "unfinished" in wanted:
        stop_within_training(*given, "--num_epochs=3", f"--workdir={cut}")
    if "cache" in wanted:
        command("train", *given, "--num_epochs=2", f"--workdir={cached}", f"--cache_dir={cache}")
    shards, tensors, model = place / "shards", place / "model.safetensors", place / "model"
    if "shards" in wanted:
        prepared = [f"--output={shards}", "--block_docs=32", *SMALL[3:6]]
        command("prepare", f"--input={corpus}", "--meta_fields=source", *prepared)
    command("convert", f"--from={run}", f"--to={tensors}")
    if "model" in wanted:
        ETM(3, segmenter="whitespace", no_below=1, no_above=1.0, num_epochs=2, verbose=0).fit(texts).save(model)

    def trained(*more: str) -> Callable[[], bytes]:
        # In a folder of its own, as only the corpus is the damaged one.
        def train() -> bytes:
            out = place / "trained"
            shutil.rmtree(out, ignore_errors=True)
            command("train", *more, "--num_epochs=2", f"--workdir={out}")
            return arrays(out / "export")

        return train

    def of_run(folder: Path, *epochs: str) -> dict[str, Callable[[], bytes]]:
        def train() -> bytes:
            command("train", *given, *epochs, f"--workdir={folder}")
            return arrays(folder / "export")

        return {"train": train, **of_results(folder), **of_weights(folder)}

    def of_results(folder: Path) -> dict[str, Callable[[], bytes]]:
        def report() -> bytes:
            command("report", f"--workdir={folder}", f"--output={place / 'page.html'}")
            return (place / "page.html").read_bytes()

        def evaluate() -> bytes:
            command("evaluate", f"--workdir={folder}")
            return (folder / "metrics.json").read_bytes()

        return {"report": report, "evaluate": evaluate}

    def of_weights(path: Path, *more: str) -> dict[str, Callable[[], bytes]]:
        def infer() -> bytes:
            command("infer", f"--workdir={path}", f"--input={new}", f"--output={place / 'theta.csv'}", *more)
            return (place / "theta.csv").read_bytes()

        def convert() -> bytes:
            command("convert", f"--from={path}", f"--to={place / 'again.safetensors'}", *more)
            return tensors_of(place / "again.safetensors")

        def load() -> bytes:
            from etm_jax.interop import read_saved_model

            saved = read_saved_model(str(path), unfinished=bool(more))
            return b"".join(np.asarray(x).tobytes() for x in saved.variables.params.values() if hasattr(x, "shape"))

        return {"infer": infer, "convert": convert, "load": load}

    def transform() -> bytes:
        try:
            loaded = ETM.load(model)
        except ValueError as error:  # What people who write Python are told, and it names the folder.
            raise UserError(str(error)) if str(model) in str(error) else error from error
        return loaded.transform(texts[:10]).tobytes()

    started = trained(*given, f"--ckpt={tensors}")
    things = {
        "run": Thing(run, of_run(run, "--num_epochs=2")),
        # Its topics are not those of its weights, which is why nothing converts them.
        "edited": Thing(edited, of_results(edited) | {name: of_weights(edited)[name] for name in ("infer", "load")}),
        "unfinished": Thing(cut, of_run(cut, "--num_epochs=3") | of_weights(cut, "--unfinished")),
        "cache": Thing(cache, {"train": trained(*given, f"--cache_dir={cache}")}),
        "shards": Thing(shards, {"train": trained(f"--corpus={shards}", *SMALL[:3], *SMALL[6:])}),
        "tensors": Thing(tensors, of_weights(tensors) | {"train --ckpt": started}),
        "model": Thing(model, {"load": transform}),
    }
    return {name: things[name] for name in wanted}


def tensors_of(path: Path) -> bytes:
    """The arrays and the settings of a .safetensors file, whose header has them in another order each time."""
    from etm_jax.util.tensor_files import read_metadata, read_tensors

    values = {name: array.tobytes() for name, array in read_tensors(path).items()}
    values |= {name: text.encode() for name, text in read_metadata(path).items()}
    return b"".join(name.encode() + values[name] for name in sorted(values))


def arrays(export: Path) -> bytes:
    """The numbers of an export folder, and its tables."""
    names = ("beta.npy", "theta_train.npy", "theta_test.npy", "topics.csv", "doc_topics.csv")
    return b"".join((export / name).read_bytes() for name in names)


def stop_within_training(*argv: str, epoch: int = 1) -> None:
    """Train, and let SIGTERM come when that epoch has been logged, so that the run saves and ends."""
    from etm_jax.training.run_folder import RunFolder

    def log(self: RunFolder, row: dict[str, object]) -> None:
        write(self, row)
        if row["epoch"] == epoch:
            os.kill(os.getpid(), signal.SIGTERM)

    write = RunFolder.log
    with mock.patch.object(RunFolder, "log", log), contextlib.suppress(CommandError):
        command("train", *argv)


# Commands -------------------------------------------------------------------------------------------------------------


class CommandError(Exception):
    """A command ended with a status other than 0."""


def command(name: str, *argv: str) -> None:
    """Run a command in this process. Raises CommandError where its status is not 0."""
    module = importlib.import_module("etm_jax.report.__main__" if name == "report" else f"etm_jax.{name}")
    status = flags.run(module.main, [module.__name__, *argv])
    if status:
        raise CommandError(str(status))


def told_by(reader: Callable[[], bytes]) -> Told:
    """Call a reader; what it did, said and computed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            digest, status = hashlib.sha256(reader()).hexdigest(), 0
        except CommandError as error:
            digest, status = "", int(str(error))
        except UserError as error:
            digest, status = "", 2
            print(f"error: {error}")
        except Exception:
            digest, status = "", 1
            traceback.print_exc(file=out)
    return Told(status, out.getvalue(), digest)


FINE = ("same", "refused", "said")


def verdict(told: Told, whole: Told, damaged: str) -> str:
    """`same`, `refused`, `said`, or one of the failures: `other numbers`, `traceback`, `unclear`."""
    if "Traceback" in told.text or told.status not in (0, 2):
        return "traceback"
    errors = [line for line in told.text.splitlines() if line.startswith("error:")]
    if told.status:
        return "refused" if len(errors) == 1 else "unclear"
    if told.digest == whole.digest and told.status == whole.status:
        return "same"
    warnings = [line for line in told.text.splitlines() if line.startswith("warning:")]
    return "said" if any(damaged in line for line in warnings) else "other numbers"


# Damage ---------------------------------------------------------------------------------------------------------------


def damages(content: bytes, rng: np.random.Generator, bits: int = BITS) -> list[tuple[str, bytes | None]]:
    """Names and contents, None for no file. What leaves the content as it was is left out."""
    changed: list[tuple[str, bytes | None]] = [
        ("half", content[: len(content) // 2]),
        ("empty", b""),
        ("zeros", bytes(len(content))),
        ("gone", None),
    ]
    for _ in range(bits if content else 0):
        flipped = bytearray(content)
        flipped[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        changed.append(("one bit", bytes(flipped)))
    digits = [i for i, byte in enumerate(content) if 0x30 <= byte <= 0x39]
    if digits:
        other, at = bytearray(content), digits[rng.integers(len(digits))]
        other[at] = 0x30 + (other[at] - 0x30 + 1 + int(rng.integers(9))) % 10
        changed.append(("one digit", bytes(other)))
    return [(name, after) for name, after in changed if after != content]


def damage_all(
    name: str, thing: Thing, seed: int = 1, bits: int = BITS, wanted: Callable[[str], bool] = lambda file: True
) -> list[dict[str, str]]:
    """Each file of a thing × each damage × each reader; a row for every case. wanted: by a file's path in the thing."""
    kept = thing.path.with_name(f"{thing.path.name}.kept")
    _copy(thing.path, kept)
    whole = {}
    for reader, read in thing.readers.items():
        whole[reader] = told_by(read)
        _copy(kept, thing.path)
    files = sorted(path for path in kept.rglob("*") if path.is_file()) if kept.is_dir() else [kept]
    rows = []
    for number, file in enumerate(files):
        relative = file.relative_to(kept)
        if not wanted(relative.as_posix()):
            continue
        target = thing.path / relative if kept.is_dir() else thing.path
        rng = np.random.default_rng([seed, number])
        for damage, content in damages(file.read_bytes(), rng, bits):
            for reader, read in thing.readers.items():
                if content is None:
                    target.unlink()
                else:
                    target.write_bytes(content)
                told = told_by(read)
                row = {"thing": name, "file": str(relative), "damage": damage, "reader": reader}
                row["verdict"] = verdict(told, whole[reader], target.name)
                if row["verdict"] not in FINE:
                    row["told"] = told.text[-1500:]
                rows.append(row)
                _copy(kept, thing.path)
        print(f"{name}: {number + 1} of {len(files)} files, {len(rows):,} cases", file=sys.stderr, flush=True)
    return rows


def _copy(source: Path, target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)


def main() -> int:
    """Damage all, or some; print a table; the exit status is 1 where there was a failure."""
    everything = ",".join(THINGS)
    parser = argparse.ArgumentParser(prog="python -m torture.damage", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--things", default=everything, help=f"default: {everything}")
    parser.add_argument("--output", type=Path, help="a file for the figures, and what failed")
    given = parser.parse_args()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    rows: list[dict[str, str]] = []
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        things = make_things(Path(place).resolve(), given.things.split(","))
        for name in things:
            rows += damage_all(name, things[name])
    for name in things:
        for reader in things[name].readers:
            found = Counter(row["verdict"] for row in rows if (row["thing"], row["reader"]) == (name, reader))
            print(f"{name:11}{reader:13}{sum(found.values()):>6}  " + ", ".join(f"{k} {v}" for k, v in found.items()))
    failed = [row for row in rows if "told" in row]
    print(f"{len(rows):,} cases, {len(failed)} failures, {time.monotonic() - begun:.0f} s")
    if given.output:
        given.output.parent.mkdir(parents=True, exist_ok=True)
        table = Counter((r["thing"], r["reader"], r["damage"], r["verdict"]) for r in rows)
        counts = [[*key, count] for key, count in sorted(table.items())]
        given.output.write_text(json.dumps({"cases": len(rows), "counts": counts, "failed": failed}) + "\n")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
