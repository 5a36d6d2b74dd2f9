"""Writing a trained model to a .safetensors or a torch file: what `etm_jax.convert` does."""

from pathlib import Path

import numpy as np

from etm_jax.config.variants import VARIANTS
from etm_jax.corpus.sources import files_trained_on
from etm_jax.interop import read_saved_model, save_torch, to_safetensors
from etm_jax.interop.layouts import LAYOUTS
from etm_jax.interop.native_files import check_unedited
from etm_jax.interop.read import model_files
from etm_jax.training.saved_model import SavedModel
from etm_jax.util.console import note, warn
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED
from etm_jax.util.overlap import check_not_read, given
from etm_jax.util.reading import read_array
from etm_jax.util.tensor_files import is_tensor_file


def convert(source: str, target: str, layout: str = "", rho: str = "", unfinished: bool = False) -> None:
    """Write the model that `source` holds to the file `target`, and print what was written.

    target: a .safetensors file, or a torch file with the parameter names of `layout`. rho: a file of the word
    embeddings that the weights lack. unfinished: take a run that has not ended as it is. Raises UserError where
    something cannot be read or written, or the format of `target` cannot represent the model.
    """
    file = Path(target).expanduser()
    for_torch = not is_tensor_file(file)
    if for_torch and not layout:
        raise UserError(f"--to={target} needs --layout, the code whose parameter names to use: {', '.join(LAYOUTS)}")
    if layout and not for_torch:
        raise UserError(f"--layout={layout} is for torch; leave it out, or give a --to that ends in .pt")
    trained = read_saved_model(source, _rho(rho), unfinished)
    check_unedited(trained)
    inputs = [*(("--from", path) for path in model_files(source)), *given("rho", rho)]
    check_not_read([("--to", file)], [*inputs, *files_trained_on(trained.config)])
    if for_torch:
        _to_torch(file, trained, layout, source)
    else:
        to_safetensors(file, trained)
    note(f"{file}: {trained.origin}; {trained.vocab_size:,} words, {trained.config.model.num_topics} topics")


def _to_torch(file: Path, trained: SavedModel, layout: str, source: str) -> None:
    """Write a model for torch, with a warning where that code feeds its encoder other inputs."""
    constants = trained.variables.constants
    if "background" in constants and constants["background"].any():
        raise UserError(
            f"{source} has a background, which the torch codes have no place for, so its topics would differ there; "
            "a model of --variant=ntm or --variant=paper can be written"
        )
    save_torch(file, trained.variables.params, layout)
    model = trained.config.model
    theirs = VARIANTS[LAYOUTS[layout].variant]["encoder_input"]
    ours = "tfidf" if model.use_tfidf else model.encoder_input
    if ours != theirs:
        warn(f"this encoder reads {ours}, but the code that reads {file} gives it {theirs}: its θ will differ")
    if trained.vocabulary:
        note(f"{file} does not hold the vocabulary; keep {source} with it")


def _rho(path: str) -> np.ndarray | None:
    """The word embeddings [V, L] in a .npy file; None without a path. Raises UserError where it cannot be read."""
    if not path:
        return None
    try:
        return read_array(Path(path).expanduser())
    except DAMAGED as error:
        raise UserError(f"--rho={path} cannot be read as an array ({error}); give a .npy file of V rows") from error
