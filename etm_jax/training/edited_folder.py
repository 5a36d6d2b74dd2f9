"""The folder of a run whose topics were edited: a copy of the run's, with a record of the edit, edit.json."""

import json
import shutil

from etm_jax.corpus.types import Corpus
from etm_jax.models.topic_edit import TopicEdit
from etm_jax.training.run_folder import RunFolder
from etm_jax.training.run_record import RunRecord
from etm_jax.util.digests import FolderDigests
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED
from etm_jax.util.forms import ForeignError, foreign, stamp, stored_format, writer
from etm_jax.util.reading import read_object


def copy_run(source: RunFolder, target: RunFolder, record: RunRecord, corpus: Corpus, edit: TopicEdit) -> None:
    """Copy all of a run but its results to an empty folder, and record there what became of the fitted topics."""
    target.start(record, corpus)
    for folder, copy in ((source.checkpoints, target.checkpoints), (source.corpus, target.corpus)):
        if folder.is_dir():
            shutil.copytree(folder, copy)
    contents = {target.edit.name: (json.dumps({**stamp(), **edit.to_json()}, indent=1) + "\n").encode()}
    if source.metrics.is_file():
        contents[source.metrics.name] = source.metrics.read_bytes()
    FolderDigests(target.path).replace(contents)


def read_edit(folder: RunFolder) -> TopicEdit | None:
    """What became of the topics of a run as it was fitted; None for a run that is as it was fitted.

    Raises UserError where the record of it is damaged, or of a later version.
    """
    if not folder.has(folder.edit):
        return None
    values = {}
    try:
        values = read_object(folder.edit)
        stored_format(values)
        folder.check(folder.edit)
        edit, record = TopicEdit.from_json(values), folder.record()
        if record is None or edit.num_topics != record.config.model.num_topics:
            raise ValueError(f"it is of a model of {edit.num_topics} topics")
        return edit
    except ForeignError as error:
        raise foreign(folder.edit, values, error) from error
    except DAMAGED as error:
        raise UserError(
            f"{folder.edit} is damaged ({error}); it was written by {writer(values)}; edit the topics of the run again"
        ) from error
