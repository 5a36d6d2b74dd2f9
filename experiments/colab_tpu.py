# ---
# jupyter:
#   accelerator: TPU
#   colab:
#     gpuType: V5E1
#     provenance: []
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Topics on Colab: from text to a report
#
# This notebook finds fifty topics in a month of a Chinese newspaper, or the topics of your own text, with
# [the Embedded Topic Model](https://arxiv.org/abs/1907.04907). It runs on the TPU, the GPU or the plain processor (CPU)
# that Colab lends you, and needs no knowledge of any of them.
#
# 1. *Runtime → Change runtime type* chooses the machine. The demo is small: any of them will do.
# 2. Fill in `REPOSITORY` below.
# 3. *Runtime → Run all*. Colab asks once whether it may use your Google Drive.
#
# Colab takes its machine back after some hours, or when the browser was closed for long, and all files on it are gone
# then. So what is trained is copied to your Drive as it comes into being. **After a disconnect choose *Run all*
# again**: training goes on from the newest copy, and ends as if nothing had happened.

# %% cellView="form" tags=["parameters"]
# @title What to train, and what it is called
# @markdown The repository of etm_jax: an address that git can clone, or a folder that holds a copy of it.
REPOSITORY = ""  # @param {type:"string", placeholder:"https://.../etm_jax.git"}
# @markdown Flags of `etm_jax.train`. For a text of your own, a document a line, in Chinese:
# @markdown `--corpus=/content/drive/MyDrive/my_documents.txt --segmenter=rjieba`;
# @markdown in English: `--corpus=/content/drive/MyDrive/my_documents.txt --lang=en`.
FLAGS = "--flagfile=experiments/peoples_daily.flags"  # @param {type:"string"}
# @markdown The name of the run and of its folder on the Drive. Other `FLAGS` need another `NAME`.
NAME = "demo"  # @param {type:"string"}
# @markdown At most so often is it copied to the Drive, and once more at the end.
SECONDS_BETWEEN_COPIES = 60  # @param {type:"number"}
# @markdown Whether to show, at the end, that a run survives the loss of its machine, which takes another training.
TRY_A_DISCONNECT = True  # @param {type:"boolean"}

# %% [markdown]
# ## Your Drive
#
# On Colab what is to stay lies in *My Drive → etm_jax*; anywhere else, in the folder `drive` beside this notebook.

# %%
import filecmp
import html
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import HTML, Image, Markdown, display

try:
    from google.colab import drive
except ImportError:
    drive = None

if not REPOSITORY:
    raise ValueError("REPOSITORY is empty: fill in, in the form above, the address of etm_jax's repository")
if drive:
    drive.mount("/content/drive")
RUNS = Path("runs").absolute()
KEPT = Path("/content/drive/MyDrive/etm_jax" if drive else "drive").absolute()
print(f"Runs are trained in {RUNS} and kept in {KEPT}.")

# %% [markdown]
# ## Installing
#
# Colab's jax was built for its TPU or GPU, and another version would not find it. So pip is told to keep the versions
# that are there of jax, of its parts and of the packages that this notebook has loaded, and they are compared
# afterwards. The first time this takes a minute or two; where the packages are there already, a few seconds.
#
# If pip says that something else on Colab `requires` another version: that concerns other programs than ours.

# %%
PINNED = ("jax", "jaxlib", "libtpu", "jax-cuda12-plugin", "jax-cuda12-pjrt", "numpy", "scipy", "pandas")


def run(command: list[str], each_line: Callable[[str, subprocess.Popen], object] = lambda line, process: None) -> None:
    """Run a program, show how it gets on, and fail where it fails. The cells below show its results, from its files."""
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", errors="replace"
    ) as process:

        def follow() -> None:
            for line in process.stderr:
                print(line, end="", flush=True)
                each_line(line, process)

        try:
            follow()
        except KeyboardInterrupt:
            follow()  # The stop button reaches the program too, which saves what it has and then ends.
    if process.returncode:
        raise RuntimeError(
            f"the program above ended with status {process.returncode}: it says why, or was stopped from outside, and "
            "then this cell, run again, goes on"
        )


def installed(name: str) -> str:
    """The version of a package, empty where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def pinned() -> dict[str, str]:
    """The versions that are installed of what must stay as it is."""
    return {name: version for name in PINNED if (version := installed(name))}


if "jax" not in pinned():
    raise ValueError("jax is not installed here: on Colab it is; elsewhere, pip install jax")
CHECKOUT = Path(REPOSITORY).absolute()
if not CHECKOUT.is_dir():
    CHECKOUT = Path("etm_jax_repository").absolute()
    if not CHECKOUT.exists():
        subprocess.run(["git", "clone", "--quiet", "--depth=1", REPOSITORY, CHECKOUT], check=True)

before = pinned()
if not installed("etm_jax"):
    print("Installing: a minute or two.")
    keep = Path("keep.txt").absolute()
    keep.write_text("".join(f"{name}=={version}\n" for name, version in before.items()))
    wanted = f"{CHECKOUT}[demo,zh,figures]"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    try:
        run([*pip, "--constraint", str(keep), wanted])
    except RuntimeError:
        print("pip finds no versions that fit together. uv takes those that are there, whatever others ask for.")
        run([*pip, "uv"])
        uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
        run([*uv, "--override", str(keep), wanted])
    if drive:
        # Chinese in pictures; Colab's own fonts have none.
        run(["apt-get", "install", "--quiet", "--quiet", "fonts-wqy-microhei"])
if pinned() != before:
    raise RuntimeError(f"an install changed what was to stay: {before} became {pinned()}; start with a new runtime")
print("Kept as they were: " + ", ".join(f"{name} {version}" for name, version in before.items()))

# %% [markdown]
# ## The machine
#
# Only one program at a time can hold a TPU. That is why this notebook never loads jax itself: here, and wherever it
# computes, it starts a program of its own, which lets go of the TPU when it ends.

# %%
ASK = "import jax, json; d = jax.devices(); print(json.dumps([d[0].platform, d[0].device_kind, len(d)]))"
told = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True)
if told.returncode:
    raise RuntimeError(f"jax found no device; Runtime → Restart session often helps.\n{told.stderr}")
platform, kind, number = json.loads(told.stdout.splitlines()[-1])
if platform == "cpu":
    print(f"jax {before['jax']} computes on the CPU, the plain processor. For the demo it is fast: 16 s on 2 cores.")
    if told.stderr:
        print(f"If you chose a TPU or a GPU, this is why it is not used:\n{told.stderr}")
else:
    print(f"jax {before['jax']} computes on a {platform.upper()}: {number} × {kind}.")
    print("How long the demo takes on it has not been measured yet; on 2 CPU cores it is 16 s.")

# %% [markdown]
# ## Training
#
# The program's own lines appear as it works. A line an epoch, that is, a pass over all documents:
#
# - `nelbo` is what training makes small: how badly the topics explain the words, in nats a document; `recon` and `kl`
#   are its two parts, and `valid` is the same of documents that it does not learn from;
# - `coherence` says how often a topic's words stand in the same documents (above 0.2 is good), `diversity` how few
#   words the topics share (1 is none).
#
# It trains on the machine's own disk, since a Drive has no locks, and moves folders one file at a time; what is there
# whole is copied. Each checkpoint holds the digests of its files, so that one of which the Drive got only a part is
# found out when training goes on, and the one before it is taken. Nothing keeps two notebooks from copying to the same
# NAME at once: leave the other one closed.


# %%
def copy_to_drive(name: str) -> None:
    """Make the Drive's folder of a run what the run's own is now, writing only what differs."""
    here, there, still = RUNS / name, KEPT / name, RUNS / f".{name}.still"
    if not (here / "config.json").exists():
        return  # It has not begun.
    # The run goes on meanwhile, and deletes old checkpoints: links to its files stand still, and take no time or room.
    for attempt in range(3):
        shutil.rmtree(still, ignore_errors=True)
        try:
            shutil.copytree(here, still, copy_function=os.link, ignore=shutil.ignore_patterns(".*"))
            break
        except (shutil.Error, FileNotFoundError):
            if attempt == 2:
                raise
    files = [path.relative_to(still) for path in still.rglob("*") if path.is_file()]
    # Checkpoints last: one that is there has its epoch's line in metrics.jsonl, too.
    for file in sorted(files, key=lambda file: file.parts[0] == "checkpoints"):
        if not (there / file).exists() or not filecmp.cmp(still / file, there / file, shallow=False):
            (there / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(still / file, there / file)
    # The old goes only when the new is there.
    for path in sorted(there.rglob("*"), reverse=True):
        if not (still / path.relative_to(there)).exists():
            path.rmdir() if path.is_dir() else path.unlink()
    shutil.rmtree(still)


def bring_back(name: str) -> None:
    """Where this machine does not have a run that the Drive has, copy it here."""
    here, there = RUNS / name, KEPT / name
    if there.exists() and not here.exists():
        print(f"{there} is brought back.")
        part = RUNS / f".{name}.part"
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(there, part)
        part.rename(here)


def train(name: str, seconds: float, each_line: Callable[[str, subprocess.Popen], object] = lambda *_: None) -> None:
    """Train a run, or go on with it, and keep it on the Drive; a copy at most every so many seconds."""
    copied = time.monotonic()

    def copy_if_due(line: str, process: subprocess.Popen) -> None:
        nonlocal copied
        if time.monotonic() - copied >= seconds:
            try:
                copy_to_drive(name)
            except OSError as error:
                print(f"warning: not copied to the Drive ({error.strerror or error}); the next copy tries again")
            copied = time.monotonic()
        each_line(line, process)

    bring_back(name)
    command = [sys.executable, "-m", "etm_jax.train", *shlex.split(FLAGS)]
    try:
        run([*command, "--checkpoint_every=1", f"--workdir={RUNS / name}"], copy_if_due)
    except RuntimeError:
        copy_to_drive(name)
        raise
    copy_to_drive(name)


train(NAME, SECONDS_BETWEEN_COPIES)

# %% [markdown]
# ## The topics
#
# The largest first: its share of all words, its most probable words, and its coherence (NPMI).

# %%
topics = pd.read_csv(RUNS / NAME / "export" / "topics.csv")
topics["share"] = topics["share"].map("{:.1%}".format)
topics["coherence"] = topics["npmi"].map("{:.2f}".format)
with pd.option_context("display.max_colwidth", None):
    table = topics[["topic", "share", "coherence", "words"]].to_html(index=False, justify="left")
display(HTML(table.replace("<td>", '<td style="text-align: left">').replace("<th>", '<th style="text-align: left">')))

# %% [markdown]
# ## The report
#
# The same as one page, with a map of words and topics, the documents of each topic, and a search; click into it. It is
# `report.html` in the run's folder on the Drive: any browser opens it, without the net. The pictures below it are
# there too, in `figures`, for a paper.

# %%
run([sys.executable, "-m", "etm_jax.report", f"--workdir={RUNS / NAME}", "--figures"])
copy_to_drive(NAME)
# A page within a page takes its links for its parent's, unless it is told that it is its own.
page = (RUNS / NAME / "report.html").read_text("utf-8").replace("<head>", '<head><base href="about:srcdoc">', 1)
frame = f'<iframe srcdoc="{html.escape(page)}" title="report" style="width: 100%; height: 800px; border: 0"></iframe>'
display(HTML(f"<div>{frame}</div>"))

# %%
for picture in ("map", "quality", "loss"):
    if (path := RUNS / NAME / "figures" / f"{picture}.png").exists():
        display(Image(filename=path, width=800))

# %% [markdown]
# ## What happens at a disconnect
#
# Here is one made on purpose. A run of the same settings is killed, without warning, after its second epoch, and all
# that this machine has of it is deleted. Then the same call as above is made again. On a CPU the topics are the same to
# the last bit; a TPU or a GPU may add numbers up in another order, and differ in the last digits.


# %%
def kill_in_the_middle(line: str, process: subprocess.Popen) -> None:
    """What a disconnect does: nothing is saved or copied any more."""
    if line.startswith("epoch 2/"):
        process.kill()
        raise ConnectionAbortedError


if TRY_A_DISCONNECT:
    again = f"{NAME}_disconnected"
    for folder in (RUNS / again, KEPT / again):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        train(again, 0, kill_in_the_middle)
    except ConnectionAbortedError:
        print("\n=== Killed, and deleted from this machine. Now the same once more. ===\n")
    shutil.rmtree(RUNS / again)
    train(again, 0)
    beta, unbroken = (np.load(RUNS / name / "export" / "beta.npy") for name in (again, NAME))
    print(f"\nThe largest difference between the topics of both runs: {np.abs(beta - unbroken).max():g}")
    shutil.rmtree(KEPT / again)

# %% [markdown]
# ## Before you close it
#
# Colab copies what is written to the Drive in the background. This waits until all of it is there, and then lets go of
# the Drive; to train more, choose *Run all* again.

# %%
if drive:
    drive.flush_and_unmount()
kept = sorted(path.name for path in (RUNS / NAME).iterdir() if not path.name.startswith("."))
display(Markdown(f"`{KEPT / NAME}` holds: {', '.join(kept)}"))
