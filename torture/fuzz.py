"""Give every reader files that a fuzzer makes, guided by the code that they reach (atheris, that is libFuzzer).

    python -m torture.fuzz --seconds=600 --output=torture/results/fuzz.json
    python -m torture.fuzz --seconds=60 --readers=csv,jsonl

Each reader has so many seconds in a process of its own, which fails where the reader raises anything but a UserError,
takes more than ten seconds of the processor for one input, or holds more than `--mebibytes` more than it did before its
first. Inputs are at most 64 KiB. What made it fail is kept, and its place told; `--again=FILE` gives that input once
more.
"""

import argparse
import gc
import gzip
import io
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torture.readers import NEEDS, READERS, Reader, is_there, outcome

MAX_BYTES = 1 << 16
SECONDS_FOR_ONE = 10
"""Of the processor's time: a process that others starve takes any time on the wall for an input."""

SECONDS_UNTIL_HUNG = 600
"""On the wall, after which libFuzzer takes a process for one that waits for ever."""

INSTRUMENTED = ("etm_jax", "gzip", "json", "pickletools", "zipfile")
"""Modules of which each branch that an input takes is counted."""


OWN_PEAK = ("sh", "-c", '"$@"; exit $?', "sh")
"""Before a command whose peak of memory is measured: on Linux a process starts with that of the one that forked it,
which of a test runner may be gigabytes, and then no growth is seen, or libFuzzer's limit is passed before the first
input. The shell between them is small."""


class Case:
    """A reader's valid files, one of which is changed at a time.

    The first byte of an input says which file, and whether the rest are its bytes, or what is packed in it.
    """

    def __init__(self, reader: Reader, place: Path) -> None:
        self.reader, self.valid, self.place = reader, place / "valid", place / "given"
        self.valid.mkdir(parents=True)
        reader.make(self.valid)
        self.names = sorted(path.relative_to(self.valid) for path in self.valid.rglob("*") if path.is_file())

    def seeds(self) -> list[bytes]:
        """Inputs that leave every file as it was."""
        whole = [(self.valid / name).read_bytes() for name in self.names]
        inputs = [bytes([number]) + content for number, content in enumerate(whole)]
        for number, content in enumerate(whole):
            if content.startswith(b"\x1f\x8b"):
                inputs.append(bytes([number | 128]) + gzip.decompress(content))
            if zipfile.is_zipfile(io.BytesIO(content)):
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    members = archive.namelist()
                    inputs += [bytes([number | 128, i]) + archive.read(name) for i, name in enumerate(members)]
        return inputs

    def put(self, data: bytes) -> None:
        """The valid files, with the change that `data` stands for."""
        name = self.names[(data[0] & 127) % len(self.names)]
        if self.place.exists():
            shutil.rmtree(self.place)
        shutil.copytree(self.valid, self.place, symlinks=True)
        target, content = self.place / name, data[1:]
        if data[0] & 128:
            content = _packed(target.read_bytes(), content)
        target.write_bytes(content)
        self.reader.seal(self.place)

    def give(self, data: bytes) -> str:
        """What the reader says of an input."""
        self.put(data)
        return outcome(self.reader, self.place)


def _packed(valid: bytes, content: bytes) -> bytes:
    """`content` where a valid archive has its own: of a zip file in the member that the first byte says."""
    if valid.startswith(b"\x1f\x8b"):
        return gzip.compress(content, compresslevel=1, mtime=0)
    if not content or not zipfile.is_zipfile(io.BytesIO(valid)):
        return content
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(valid)) as archive, zipfile.ZipFile(out, "w") as changed:
        members = archive.namelist()
        for i, name in enumerate(members):
            changed.writestr(name, content[1:] if i == content[0] % len(members) else archive.read(name))
    return out.getvalue()


def fuzz_here(names: list[str], place: Path, mebibytes: int, libfuzzer: list[str]) -> None:
    """Fuzz readers in this process, which libFuzzer ends. Of several an input's first byte says which."""
    import atheris

    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        cases = []
        for name in names:
            case = Case(READERS[name], place / name)
            # Given once before: what a reader imports is neither its time nor its memory. The other seeds leave the
            # same files.
            case.give(case.seeds()[0])
            cases.append(case)
    corpus = place / "corpus"
    corpus.mkdir()
    for number, case in enumerate(cases):
        for i, data in enumerate(case.seeds()):
            (corpus / f"{names[number]}{i}").write_bytes(bytes([number]) * (len(cases) > 1) + data)
    # What is there by now is not looked through for garbage again, as a reader that fails may do on purpose.
    gc.collect()
    gc.freeze()
    before = _peak_mib()

    def test_one_input(data: bytes) -> None:
        if len(cases) > 1 and data:
            case, data = cases[data[0] % len(cases)], data[1:]
        else:
            case = cases[0]
        if not data:
            return
        begun = time.process_time()
        case.give(data)
        took = time.process_time() - begun
        assert took < SECONDS_FOR_ONE, f"this input took {took:.0f} seconds of the processor"
        grown = _peak_mib() - before
        assert grown < mebibytes, f"the process holds {grown:.0f} MiB more than before its first input"

    atheris.Setup([sys.argv[0], str(corpus), *libfuzzer], _quiet(test_one_input))
    atheris.Fuzz()


def _quiet(test_one_input: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Without the readers' warnings and progress on the screen, which would be thousands of lines."""
    from etm_jax.util import console

    for name in ("note", "warn"):
        setattr(console, name, lambda *lines: None)
    return test_one_input


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fuzz(names: list[str], seconds: int, mebibytes: int, findings: Path, runs: int = -1) -> dict[str, Any]:
    """Fuzz readers together in a process of their own; how often, and what it found.

    seconds: 0 for as long as `runs` inputs take, of which those that leave every file as it was are the first. runs: -1
    for as many as there is time for.
    """
    findings.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        command = [sys.executable, "-m", "torture.fuzz", f"--here={place}", f"--readers={','.join(names)}"]
        command += [f"--mebibytes={mebibytes}", "--", f"-max_total_time={seconds}", f"-timeout={SECONDS_UNTIL_HUNG}"]
        command += [f"-max_len={MAX_BYTES}", f"-artifact_prefix={findings}/", "-seed=1", "-rss_limit_mb=4096"]
        command += ["-print_final_stats=1", "-verbosity=1", f"-runs={runs}"]
        env = os.environ | {"JAX_PLATFORMS": "cpu", "TQDM_DISABLE": "1"}
        done = subprocess.run(
            [*OWN_PEAK, *command], capture_output=True, text=True, errors="replace", env=env, check=False
        )
    told = done.stdout + done.stderr
    executions = re.search(r"number_of_executed_units: (\d+)", told)
    coverage = re.findall(r"cov: (\d+)", told)
    return {
        "readers": names,
        "seconds": round(time.monotonic() - begun),
        "executions": int(executions[1]) if executions else 0,
        "branches": int(coverage[-1]) if coverage else 0,
        "failure": "" if done.returncode == 0 and executions else _without_noise(told),
    }


def _without_noise(told: str) -> str:
    noise = ("INFO:", "WARNING:", "#", "stat::", "0x", "Base64:")
    return "\n".join(line[:400] for line in told.splitlines() if not line.startswith(noise))[-4000:]


def main() -> int:
    """Fuzz each reader, or some, and say what came out."""
    parser = argparse.ArgumentParser(prog="python -m torture.fuzz", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=int, default=60, help="for each reader (default: 60)")
    parser.add_argument("--readers", default=",".join(READERS), help=f"default: {','.join(READERS)}")
    parser.add_argument("--mebibytes", type=int, default=256, help="that a process may come to hold (default: 256)")
    parser.add_argument("--findings", type=Path, default=Path("runs/fuzz"), help="where failing inputs are kept")
    parser.add_argument("--output", type=Path, help="a file for the figures")
    parser.add_argument("--again", type=Path, help="give this input to the one reader in --readers, and end")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    given, libfuzzer = parser.parse_known_args()
    names = given.readers.split(",")
    if unknown := set(names) - set(READERS):
        parser.error(f"--readers: {', '.join(sorted(unknown))} is none of {', '.join(READERS)}")
    if given.here:
        fuzz_here(names, given.here, given.mebibytes, [arg for arg in libfuzzer if arg != "--"])
    if given.again:
        with tempfile.TemporaryDirectory() as place:
            print(Case(READERS[names[0]], Path(place) / "case").give(given.again.read_bytes()))
        return 0
    rows = []
    for name in names:
        if not is_there(name):
            print(f"{name}: not fuzzed, as {NEEDS[name]} is not installed", flush=True)
            continue
        row = fuzz([name], given.seconds, given.mebibytes, given.findings / name)
        rows.append(row)
        found = "FAILED" if row["failure"] else "nothing found"
        print(f"{name:15}{row['executions']:>10,} inputs{row['seconds']:>6} s  {found}", flush=True)
        if row["failure"]:
            print(row["failure"], file=sys.stderr, flush=True)
    if given.output:
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_text(json.dumps({"bytes_at_most": MAX_BYTES, "readers": rows}, indent=1) + "\n", "ascii")
    return int(any(row["failure"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
