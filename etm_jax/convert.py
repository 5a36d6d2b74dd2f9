"""Turn a trained model into a file, or weights from torch into ours and back.

    python -m etm_jax.convert --from=runs/demo --to=demo.safetensors
    python -m etm_jax.convert --from=runs/3body --to=3body.pt --layout=ntm
    python -m etm_jax.convert --from=etm_20ng.pt --to=etm_20ng.safetensors

--from is a run's folder (the epoch that it exports), a .safetensors file, or a torch checkpoint of
zll17/Neural_Topic_Models, adjidieng/ETM, embedded-topic-model or TopMost's ETM, told by its keys. --to ends in
.safetensors, which keeps settings and words, or in .pt, .pth or .ckpt, which torch reads and which keeps the weights
alone. What is there is replaced.
`--ckpt=FILE` of etm_jax.train starts from either.

--layout, of a file for torch: whose names it has
    ntm       zll17/Neural_Topic_Models: models of --variant=report and of --model=gsm
    etm       adjidieng/ETM and embedded-topic-model: models of --variant=paper
    topmost   TopMost's ETM: models of --variant=paper
--rho=FILE.npy: the word embeddings [V, L] of an adjidieng/ETM that was trained on fixed ones, which its file lacks
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

from etm_jax.cli import flags as cli
from etm_jax.config.settings import VARIANTS
from etm_jax.util.console import note, warn
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED
from etm_jax.util.reading import read_array

LAYOUTS = ("ntm", "etm", "topmost")
TORCH_SUFFIXES = (".pt", ".pth", ".ckpt")


def main(argv: Sequence[str]) -> None:
    """Read, write, and say what it was."""
    values = flags.FlagValues()
    flags.DEFINE_string("from", "", "what to read", flag_values=values)
    flags.DEFINE_string("to", "", "the file to write", flag_values=values)
    flags.DEFINE_enum("layout", "", ("", *LAYOUTS), "whose names a file for torch is written in", flag_values=values)
    flags.DEFINE_string("rho", "", "word embeddings (.npy) that the weights lack", flag_values=values)
    if cli.wants_help(argv):
        print(__doc__)
        return
    cli.parse_only(values, argv)
    source, target = values["from"].value, Path(values.to)
    if not source or target.suffix not in (".safetensors", *TORCH_SUFFIXES):
        raise UserError("give --from=RUN_OR_FILE and --to=FILE, which ends in .safetensors or .pt; --help shows how")
    for_torch = target.suffix in TORCH_SUFFIXES
    if for_torch and not values.layout:
        raise UserError(f"--to={values.to} needs --layout, whose names torch is to find: {', '.join(LAYOUTS)}")
    if values.layout and not for_torch:
        raise UserError(f"--layout={values.layout} is for torch; leave it out, or give a --to that ends in .pt")
    # JAX takes a second to import, which neither --help nor a mistyped flag should cost.
    from etm_jax.interop import read_saved_model, save_torch, to_safetensors
    from etm_jax.interop.layouts import LAYOUTS as TORCH_LAYOUTS

    trained = read_saved_model(source, _rho(values.rho))
    if for_torch:
        if trained.variables.constants and trained.variables.constants["background"].any():
            raise UserError(
                f"{source} has a background, which torch's codes have no place for: its topics would be others there; "
                "a model of --variant=report or --variant=paper can be written"
            )
        save_torch(target, trained.variables.params, values.layout)
        model = trained.config.model
        theirs = VARIANTS[TORCH_LAYOUTS[values.layout].variant]["encoder_input"]
        ours = "tfidf" if model.use_tfidf else model.encoder_input
        if ours != theirs:
            warn(f"this encoder reads {ours}, and the code that reads {target} gives it {theirs}: its θ will be others")
        if trained.vocabulary:
            note(f"{target} does not hold the words that its columns stand for; keep {source} with it")
    else:
        to_safetensors(target, trained)
    note(f"{target}: {trained.origin}; {trained.vocab_size:,} words, {trained.config.model.num_topics} topics")


def _rho(path: str) -> np.ndarray | None:
    if not path:
        return None
    try:
        return read_array(Path(path).expanduser())
    except DAMAGED as error:
        raise UserError(f"--rho={path} cannot be read as an array ({error}); give a .npy file of V rows") from error


if __name__ == "__main__":
    sys.exit(cli.run(main))
