"""A trained model without its run: read from the run's folder, or read from and written to a .safetensors file."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from etm_jax.config.build import Config
from etm_jax.corpus.metadata import Metadata
from etm_jax.corpus.store.cache import vocabulary_from_json, vocabulary_to_json
from etm_jax.corpus.types import Vocabulary
from etm_jax.interop.layouts import flatten, nested
from etm_jax.models.base import TopicModel
from etm_jax.models.layers import Params, Variables
from etm_jax.models.registry import model_kind
from etm_jax.training.checkpoint import Checkpoints
from etm_jax.training.edited_folder import read_edit
from etm_jax.training.ensemble import abstract_states, as_models, seeds
from etm_jax.training.run_folder import RunFolder
from etm_jax.training.saved_model import SavedModel
from etm_jax.training.steps import abstract_state
from etm_jax.util.console import warn
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED
from etm_jax.util.forms import FORMAT_KEY, ForeignError, foreign, stamp, stored_format, writer
from etm_jax.util.reading import parse_object, read_object
from etm_jax.util.tensor_files import read_metadata, read_tensors, write_tensors

MARK = "etm_jax"
"""The key of the metadata that marks a file as written by etm_jax."""

_DIGEST = "sha256"
"""The key of the metadata that holds the digest of all else in the file."""


def read_run_weights(path: str, unfinished: bool = False) -> SavedModel:
    """Read the model of a run: the epoch that it exports, of its best seed.

    Parameters
    ----------
    path : str
        The run's folder.
    unfinished : bool
        Whether to take a run whose training has not ended as it is, with a warning.

    Returns
    -------
    SavedModel

    Raises
    ------
    UserError
        Where the folder holds no run with a checkpoint, or the run is damaged or has not ended.
    """
    folder = RunFolder(Path(path).expanduser())
    record = folder.record()
    checkpoints = Checkpoints(folder.checkpoints, record.identity if record else None)
    if record is None or not checkpoints.epochs():
        raise UserError(f"{path} holds no run with a checkpoint; give the --workdir of a run, or a file of weights")
    train = record.config.train
    state, progress = checkpoints.restore(abstract_states(record.spec(), train.num_seeds), record.exported)
    newest = checkpoints.epochs()[-1]
    if newest < record.num_epochs:
        far = f"the run in {path} is at epoch {newest} of {record.num_epochs}"
        if not unfinished:
            raise UserError(
                f"{far}; give its training command again, and let it end; infer and convert take it as it is by "
                "--unfinished, and Python by unfinished=True"
            )
        warn(f"{far}: it has not ended")
    best = int(np.argmin(progress.by_seed))
    vocabulary = read_vocabulary(folder)
    of_seed = f" of seed {seeds(train)[best]}" if train.num_seeds > 1 else ""
    origin = f"{path} after epoch {progress.epoch}{of_seed}, of {record.num_epochs} epochs, of corpus {record.corpus}"
    variables = as_models(state.variables, record.spec(), train.num_seeds)[best]
    metadata = _read_metadata(folder).with_quantiles(record.metadata)
    digest = record.context_digest
    return SavedModel(record.config, jax.device_get(variables), vocabulary, origin, metadata, read_edit(folder), digest)


def read_vocabulary(folder: RunFolder) -> Vocabulary:
    """The vocabulary of a run. Raises UserError where its file is missing or damaged."""
    try:
        folder.check(folder.vocabulary)
        return vocabulary_from_json(read_object(folder.vocabulary))
    except DAMAGED as error:
        raise UserError(
            f"{folder.vocabulary} is damaged ({error}); the same training command writes it again"
        ) from error


def _read_metadata(folder: RunFolder) -> Metadata:
    """The metadata of a run's documents; empty where the run has no such file. Raises UserError where it is damaged."""
    if not folder.has(folder.metadata):
        return Metadata()
    try:
        folder.check(folder.metadata)
        return Metadata.from_json(json.loads(folder.metadata.read_text("utf-8")))
    except DAMAGED as error:
        raise UserError(f"{folder.metadata} is damaged ({error}); the same training command writes it again") from error


def to_safetensors(path: str | Path, trained: SavedModel) -> None:
    """Write a model to one .safetensors file, replacing what is there.

    The arrays keep their dtype; settings, words and the documents' metadata are in the file's metadata.

    Parameters
    ----------
    path : str or Path
        The file to write.
    trained : SavedModel

    Raises
    ------
    UserError
        Where the file cannot be written, safetensors is not installed, or the model's topics were edited.
    """
    check_unedited(trained)
    variables = trained.variables
    arrays = {f"params.{key}": x for key, x in flatten(variables.params).items()}
    arrays |= {f"constants.{key}": x for key, x in variables.constants.items()}
    metadata = {key: str(value) for key, value in stamp().items()}
    metadata |= {"config": json.dumps(trained.config.to_json()), "origin": trained.origin}
    if trained.vocabulary:
        metadata["vocabulary"] = json.dumps(vocabulary_to_json(trained.vocabulary), ensure_ascii=False)
    if trained.metadata.columns:
        metadata["metadata"] = json.dumps(trained.metadata.to_json(), ensure_ascii=False)
    if trained.context_digest:
        metadata["context_digest"] = trained.context_digest
    contents = {key: np.asarray(x) for key, x in arrays.items()}
    metadata[_DIGEST] = _digest_of(contents, metadata)
    write_tensors(Path(path).expanduser(), contents, metadata)


def check_unedited(trained: SavedModel) -> None:
    """Raise UserError where a model's topics were edited, so that they are not those of its weights."""
    if trained.edit:
        raise UserError(
            f"the topics of {trained.origin} were edited, which its weights do not hold; give the model as it was "
            "before"
        )


def from_safetensors(path: str | Path) -> SavedModel:
    """Read what `to_safetensors` wrote, bit for bit.

    Parameters
    ----------
    path : str or Path
        The file to read.

    Returns
    -------
    SavedModel

    Raises
    ------
    UserError
        Where the file cannot be read, was not written by `to_safetensors`, or is damaged.
    """
    path = Path(path).expanduser()
    metadata: dict[str, str] = {}
    try:
        arrays, metadata = read_tensors(path), read_metadata(path)
        if MARK not in metadata:
            raise UserError("it was not written by etm_jax: it lacks the settings of the model")
        stored_format({**metadata, FORMAT_KEY: int(metadata.get(FORMAT_KEY, 0))})
        written = metadata.pop(_DIGEST, None)  # None: of a version that kept none.
        if written is not None and written != _digest_of(arrays, metadata):
            raise UserError("it is damaged: its content is not that of its digest; export it again")
        config = Config.from_json(parse_object(metadata["config"]))
        words = metadata.get("vocabulary")
        vocabulary = vocabulary_from_json(parse_object(words)) if words else None
        variables, origin = Variables(**nested_parts(arrays)), metadata["origin"]
        carried = Metadata.from_json(json.loads(metadata.get("metadata", "[]")))
    except ForeignError as error:
        raise foreign(path, metadata, error) from error
    except UserError as error:
        raise UserError(
            f"{path}: {error}" + (f" (it was written by {writer(metadata)})" if metadata else "")
        ) from error
    except DAMAGED as error:
        raise UserError(
            f"{path}: its settings or its words are damaged ({error!r}); it was written by {writer(metadata)}; export "
            "it again"
        ) from error
    digest = metadata.get("context_digest", "")
    trained = SavedModel(config, variables, vocabulary, origin, carried, context_digest=digest)
    if not fits_settings(trained):
        raise UserError(f"{path}: its arrays do not match the model that its settings name; export it again")
    if vocabulary and len(vocabulary) != trained.vocab_size:
        raise UserError(f"{path}: {len(vocabulary)} words for {trained.vocab_size} word vectors; export it again")
    return trained


def _digest_of(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    """The SHA-256 of all arrays, with their names, dtypes and shapes, and of all metadata, whatever their order."""
    found = hashlib.sha256(json.dumps(sorted(metadata.items())).encode())
    for name in sorted(arrays):
        array = arrays[name]
        found.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def nested_parts(arrays: Mapping[str, np.ndarray]) -> dict[str, Params]:
    """Arrays named as `params.mu.kernel` or `constants.background`, as the two parts of `Variables`."""
    parts: dict[str, dict[str, np.ndarray]] = {"params": {}, "constants": {}}
    for key, array in arrays.items():
        part, _, name = key.partition(".")
        parts[part][name] = array
    return {part: nested(flat) for part, flat in parts.items()}


def fits_settings(trained: SavedModel) -> bool:
    """Whether the model's arrays have the names and shapes that its settings require, and types that JAX takes."""
    kind = model_kind(trained.config.model.kind)
    if not issubclass(kind, TopicModel):
        return False
    try:
        kind.sizes(trained.variables.params)
    except (AttributeError, LookupError, TypeError, ValueError):
        # A model of this kind has other arrays.
        return False
    spec = trained.spec()
    try:
        expected = jax.tree.map(np.shape, abstract_state(spec).variables)
    except (OverflowError, TypeError, ValueError):
        # A size that no array can have.
        return False
    types = [np.asarray(values).dtype for values in jax.tree.leaves(trained.variables)]
    taken = all(each.isnative and each.itemsize <= 8 and jnp.issubdtype(each, jnp.number) for each in types)
    return taken and bool(expected == jax.tree.map(np.shape, trained.variables))
