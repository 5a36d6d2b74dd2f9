"""Make one archive of this folder: what a commit of the past stores of a little text of ours.

    python tests/stored_forms/make.py NAME COMMIT

in an environment that the commit runs in. It takes the commit's own code out of git, and writes NAME.tar.xz, with

    lines.txt      the text
    run            a run of two epochs, its prepared corpus and the θ that it exported, without what readers do not read
    report         the same with --variant=report, where the commit knows it by that name alone
    model          what `ETM.save` wrote, and theta.npy, that model's θ of the text
    run.safetensors  the run, by etm_jax.convert
    shards         the text, by etm_jax.prepare --input

as far as the commit knows how to. Nothing is made anew: an archive is what a version really wrote.
"""

import os
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
THEMES = (
    "boat harbour tide wave anchor sailor net fish salt storm",
    "street market bridge tower clock tram square bell lamp roof",
)
RUN = (
    "--corpus=lines.txt --lang=en --no_below=1 --no_above=0.9 --n_topic=2 --hidden=4 --emb_dim=4 --batch_size=8 "
    "--lr_schedule=constant --num_epochs=2"
)
SAVE = """
import numpy as np
from etm_jax import ETM
lines = open("lines.txt", encoding="utf-8").read().splitlines()
model = ETM(num_topics=2, num_epochs=2, lang="en", no_below=1, no_above=0.9, settings={"hidden": (4,), "embed_dim": 4})
model.fit(lines).save("model")
np.save("theta.npy", model.transform(lines))
"""


def text() -> str:
    """24 documents of 12 words, each of one of two themes."""
    draw = random.Random(0)
    lines = [draw.choices(THEMES[i % 2].split(), k=9) + draw.choices(("the", "old", "we"), k=3) for i in range(24)]
    return "".join(" ".join(words) + "\n" for words in lines)


def make(name: str, commit: str) -> None:
    """Write the archive."""
    with tempfile.TemporaryDirectory() as made:
        code, place = Path(made, "code"), Path(made, "place")
        code.mkdir()
        place.mkdir()
        archived = ["git", "archive", commit, "etm_jax"]
        archive = subprocess.run(archived, cwd=HERE.parents[1], stdout=subprocess.PIPE, check=True)
        subprocess.run(["tar", "-x", "-C", code], input=archive.stdout, check=True)
        (place / "lines.txt").write_text(text(), encoding="utf-8")

        def python(*arguments: str) -> bool:
            environment = os.environ | {"PYTHONPATH": str(code)}
            return subprocess.run([sys.executable, *arguments], cwd=place, env=environment, check=False).returncode == 0

        assert python("-m", "etm_jax.train", *RUN.split(), "--workdir=run")
        is_there = [path.relative_to(code).as_posix() for path in code.rglob("*.py")]
        if "etm_jax/config.py" in is_there:
            assert python(
                "-m", "etm_jax.train", *RUN.split(), "--workdir=report", "--variant=report", "--vectors=random"
            )
            shutil.rmtree(place / "report" / "corpus")
        if "etm_jax/estimator.py" in is_there:
            assert python("-c", SAVE)
        if "etm_jax/convert.py" in is_there:
            assert python("-m", "etm_jax.convert", "--from=run", "--to=run.safetensors")
        if "etm_jax/prepare.py" in is_there:
            python("-m", "etm_jax.prepare", "--input=lines.txt", "--output=shards", "--lang=en", "--no_below=1",
                   "--no_above=0.9")  # fmt: skip
        for run in ("run", "report"):
            for path in place.glob(f"{run}/*"):
                unread = [f for f in path.glob("*") if path.name == "export" and f.name != "theta_train.npy"]
                for f in [*unread, *(f for f in path.glob("*") if path.name == "checkpoints" and f.name != "2")]:
                    shutil.rmtree(f) if f.is_dir() else f.unlink()
        with tarfile.open(HERE / f"{name}.tar.xz", "w:xz") as packed:
            for path in sorted(place.iterdir()):
                packed.add(path, path.name, filter=anonymous)


def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """The same file of nobody's, at no time."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    make(*sys.argv[1:])
