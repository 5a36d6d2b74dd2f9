"""Turn a trained model into a file, or weights from torch into ours and back.

    python -m etm_jax.convert --from=runs/demo --to=demo.safetensors
    python -m etm_jax.convert --from=runs/3body --to=3body.pt --layout=ntm
    python -m etm_jax.convert --from=etm_20ng.pt --to=etm_20ng.safetensors

--from takes torch checkpoints of zll17/Neural_Topic_Models, adjidieng/ETM, embedded-topic-model and TopMost's ETM,
recognised by their keys. A .safetensors file keeps settings and words; a file for torch keeps the weights alone. What
is there is replaced. `--ckpt=FILE` of etm_jax.train starts from either.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from etm_jax.cli import flags as cli
from etm_jax.config.declaration import setting


@dataclass(frozen=True)
class ConvertFlags:
    """What the command takes."""

    source: str = setting(
        "",
        "a run's folder (the epoch that it exports), a .safetensors file, or a torch checkpoint",
        flag="from",
        shown="RUN_OR_FILE",
        required=True,
    )
    target: str = setting(
        "",
        "the file to write: .safetensors, or .pt, .pth or .ckpt for torch",
        flag="to",
        shown="FILE",
        endings=(".safetensors", ".pt", ".pth", ".ckpt"),
        required=True,
    )
    layout: str = setting(
        "",
        "of a file for torch, whose names it has",
        choices={
            "ntm": "zll17/Neural_Topic_Models: models of --variant=ntm and of --model=gsm",
            "etm": "adjidieng/ETM and embedded-topic-model: models of --variant=paper",
            "topmost": "TopMost's ETM: models of --variant=paper",
            "detm": "adjidieng/DETM: models of --model=detm --variant=paper",
            "topmost_d": "TopMost's DETM, but for the batch normalisation that it does not use: the same",
        },
        shown="NAME",
    )
    rho: str = setting(
        "",
        "the word embeddings [V, L], a .npy file, of an adjidieng/ETM that was trained on fixed ones, which its file "
        "lacks",
        shown="FILE",
    )
    unfinished: bool = setting(False, "take a run that has not ended as it is, with a warning that names its epoch")


def main(argv: Sequence[str]) -> None:
    """Read, write, and say what it was."""
    given = cli.parse_small(ConvertFlags, argv, __doc__)
    if given is None:
        return
    # JAX takes a second to import, which neither --help nor a mistyped flag should cost.
    from etm_jax.interop.convert import convert

    convert(given.source, given.target, given.layout, given.rho, given.unfinished)


if __name__ == "__main__":
    sys.exit(cli.run(main))
