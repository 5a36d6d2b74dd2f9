"""The folder of one run: its record, its metrics, and what may change when it is resumed.

config.json: version, what the corpus really was, and every setting. vocabulary: the words, their hash, phrases and
segmenter. metadata.json: what documents carry, if anything. metrics.jsonl: a line an epoch. checkpoints/: to resume
from. export/: the results. corpus/: the prepared corpus.
"""

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from etm_jax.config.build import Config
from etm_jax.config.declaration import Setting, by_name
from etm_jax.config.settings import ModelConfig, RunOptions
from etm_jax.corpus.store.cache import vocabulary_to_json
from etm_jax.corpus.types import Corpus
from etm_jax.models.registry import model_kind
from etm_jax.training.run_record import RunRecord, default_dtype
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED, check_writable, replace_text, written
from etm_jax.util.forms import ForeignError, foreign, stamp, stored_format, writer
from etm_jax.util.reading import as_object, read_array, read_object

Change = tuple[Setting, object, object]
"""A setting, what it was and what it is."""


class RunFolder:
    """Paths of a run, its record and its metrics. Creating the object writes nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.export = path / "export"
        self.corpus = path / "corpus"
        self.vocabulary = path / "vocabulary"
        self.metadata = path / "metadata.json"
        self._config = path / "config.json"
        self._metrics = path / "metrics.jsonl"

    def record(self) -> RunRecord | None:
        """The run that the folder holds, or None. Raises UserError where its record is damaged."""
        if not self._config.exists():
            return None
        values: dict[str, Any] = {}
        try:
            values = read_object(self._config)
            stored_format(values)
            config = Config.from_json(values["config"])
            run: Any = as_object(values["run"])
            # Where a record lacks the weight, it is of a time when the setting itself was a number.
            later = RunRecord._field_defaults | {"overlap_weight": config.objective.overlap_weight}
            kept = {name: run.get(name, later[name]) if name in later else run[name] for name in RunRecord._fields[1:]}
            # JSON has no tuples.
            kept["seed_words"] = tuple(map(tuple, kept["seed_words"]))
            for name in ("vocab_size", "num_docs", "embed_dim", "batch_size", "num_epochs", "epoch_steps"):
                if type(kept[name]) is not int or not 0 <= kept[name] < (2**48 if name == "num_docs" else 2**31):
                    raise ValueError(f"its {name} is {kept[name]!r}")
            for name in ("ckpt", "corpus", "corpus_digest", "vocabulary_hash", "dtype"):
                if type(kept[name]) is not str:
                    raise TypeError(f"its {name} is not text")
            weight = kept["overlap_weight"]
            if type(weight) not in (int, float) or not 0 <= weight < math.inf:
                raise ValueError(f"its overlap_weight is {weight!r}")
            columns = [j for topic in kept["seed_words"] for j in topic]
            if not all(type(j) is int and 0 <= j < kept["vocab_size"] for j in columns):
                raise ValueError("its seed_words are no columns of the vocabulary")
            return RunRecord(config=config, **kept)
        except ForeignError as error:
            raise foreign(self._config, values, error) from error
        except (*DAMAGED, UserError) as error:
            reason = f"it lacks {error}" if isinstance(error, KeyError) else error
            raise UserError(
                f"{self._config} is damaged ({reason}); it was written by {writer(values)}; give another folder"
            ) from error

    def check_usable(self) -> None:
        """Raise UserError where the folder could not be made or written to, and where it holds files but no run."""
        check_writable(self.path, "workdir")
        if "[" in str(self.path.absolute()):
            # Orbax then writes checkpoints that it cannot read again.
            raise UserError(
                f"--workdir={self.path.absolute()} has a [ in it, which Orbax takes for a pattern; rename it"
            )
        if self.path.is_dir() and not self._config.exists() and any(map(_is_content, self.path.iterdir())):
            raise UserError(f"--workdir={self.path} holds files but no run; give another --workdir")

    def start(self, record: RunRecord, corpus: Corpus) -> None:
        """Write a run's record, its words and its documents' metadata; remove what a killed run left of a corpus."""
        self.path.mkdir(parents=True, exist_ok=True)
        for partial in self.corpus.glob(".*"):
            shutil.rmtree(partial, ignore_errors=True)
        run = record._asdict()
        values = {**stamp(), "run": run, "config": run.pop("config").to_json()}
        replace_text(self._config, json.dumps(values, ensure_ascii=False, indent=2) + "\n")
        words = json.dumps(vocabulary_to_json(corpus.vocabulary), ensure_ascii=False)
        replace_text(self.vocabulary, words + "\n")
        if corpus.metadata.columns:
            replace_text(self.metadata, json.dumps(corpus.metadata.to_json()) + "\n")

    def log(self, row: dict[str, Any]) -> None:
        """Append one epoch's row of metrics."""
        with written(self._metrics), self._metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def epochs(self) -> list[dict[str, Any]]:
        """The row of every epoch that was logged, in order; a line half-written is left out."""
        if not self._metrics.exists():
            return []
        return [json.loads(line) for line in self._lines() if math.isfinite(_epoch(line))]

    def forget_after(self, epoch: int) -> None:
        """Drop the rows of epochs that were not saved and will be trained again, a half-written line included."""
        if self._metrics.exists():
            lines = self._lines()
            kept = [line for line in lines if _epoch(line) <= epoch]
            if kept != lines:
                replace_text(self._metrics, "".join(line + "\n" for line in kept))

    def _lines(self) -> list[str]:
        # A damaged line, which need not be UTF-8, is left out whole.
        return self._metrics.read_text("utf-8", errors="replace").splitlines()


def check_resumable(record: RunRecord, given: Config, options: RunOptions, workdir: Path) -> None:
    """Raise UserError that names the settings which a resumed run cannot change, with both values.

    All of them are named where several differ, as they do where the defaults of an earlier version were others.
    """
    if not options.bkpt_continue:
        raise UserError(f"--workdir={workdir} holds a run; give another --workdir, or drop --nobkpt_continue")
    saved = record.config
    option = by_name(RunOptions)
    if saved.variant != given.variant:
        raise _changed([(option["variant"], saved.variant, given.variant)], workdir)
    # Before the settings: another model reads other ones, and the first of those would be named in its place.
    if saved.model.kind != given.model.kind:
        raise _changed([(by_name(ModelConfig)["kind"], saved.model.kind, given.model.kind)], workdir)
    if not model_kind(saved.model.kind).fits_itself and record.dtype != (now := default_dtype()):
        raise UserError(
            f"this process computes in {now}, but the run in {workdir} was started in {record.dtype}; set "
            f"JAX_ENABLE_X64={int(record.dtype == 'float64')}, or give another --workdir"
        )
    if record.ckpt != options.ckpt:
        raise _changed([(option["ckpt"], record.ckpt, options.ckpt)], workdir)
    changed: list[Change] = []
    for (_, setting, before), (_, _, now) in zip(saved.settings(), given.settings(), strict=True):
        # Without a schedule that ends with the last epoch, a longer run starts as the shorter one does.
        longer = setting.name == "num_epochs" and given.optimizer.lr_schedule == "constant" and now > before > 0
        if before != now and not setting.resumable and not longer:
            changed.append((setting, before, now))
    if changed:
        raise _changed(changed, workdir)


def exported(folder: RunFolder, name: str) -> np.ndarray:
    """An array of the export folder. Raises UserError where it is not there, or damaged."""
    path = folder.export / f"{name}.npy"
    try:
        return read_array(path)
    except DAMAGED as error:
        raise UserError(
            f"{path} cannot be read ({error}); the training command of this run, given again, writes its results again"
        ) from error


def _changed(changed: Sequence[Change], workdir: Path) -> UserError:
    was = ", ".join(setting.spelled(before) for setting, before, _ in changed)
    now = ", ".join(setting.spelled(value) for setting, _, value in changed)
    return UserError(
        f"this command has {now}, but the run in {workdir} was started with {was}; make it the same, or give another "
        "--workdir"
    )


def _is_content(path: Path) -> bool:
    """Whether a file or folder is other than what a run leaves that was killed before it wrote its record."""
    return path.name != "corpus" and not path.name.startswith(".")


def _epoch(line: str) -> float:
    try:
        return float(json.loads(line)["epoch"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return float("inf")
