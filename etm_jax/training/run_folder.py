"""The folder of one run: its record, its metrics, and what may change when it is resumed.

config.json: version, what the corpus really was, and every setting. vocabulary: the words, their hash, phrases and
segmenter. metadata.json: what documents carry, if anything. metrics.jsonl: a line an epoch. checkpoints/: to resume
from. export/: the results. SHA256SUMS: the digests of all of these, by which damage and edits are found.
edit.json: what became of the topics, where they were edited. metrics.json: of etm_jax.evaluate. report.html: of
etm_jax.report. corpus/: the prepared corpus.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from etm_jax.config.build import Config
from etm_jax.config.declaration import Setting, by_name
from etm_jax.config.settings import ModelConfig, RunOptions
from etm_jax.corpus.counts import as_counts
from etm_jax.corpus.metadata import Metadata
from etm_jax.corpus.store.cache import vocabulary_to_json
from etm_jax.corpus.types import Corpus
from etm_jax.models.registry import model_kind
from etm_jax.training.run_record import RunRecord, default_dtype
from etm_jax.util.console import warn
from etm_jax.util.digests import DIGESTS, FolderDigests, digest, file_digest
from etm_jax.util.disk import written
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED, check_writable
from etm_jax.util.forms import ForeignError, foreign, stamp, stored_format, writer
from etm_jax.util.reading import as_object, read_array, read_object, read_sparse
from etm_jax.util.temporary import sweep

EVALUATION, PAGE = "metrics.json", "report.html"
"""What etm_jax.evaluate and etm_jax.report write into a folder of a run, or of a saved model, beside what is there."""

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
        self.edit = path / "edit.json"
        self.metrics = path / "metrics.jsonl"
        self._config = path / "config.json"
        self.evaluation = path / EVALUATION
        self.page = path / PAGE
        self._digests = FolderDigests(path)

    @property
    def parts(self) -> list[Path]:
        """The files and folders that a run writes and reads, whether they are there or not."""
        folders = [self.checkpoints, self.export, self.corpus]
        files = [self.vocabulary, self.metadata, self._config, self.metrics, self.path / DIGESTS, self.evaluation]
        return [*folders, *files, self.edit]

    @property
    def has_record(self) -> bool:
        """Whether the folder says that it is a run's."""
        return self._config.exists()

    def record(self) -> RunRecord | None:
        """The run that the folder holds, or None. Raises UserError where its record is damaged."""
        if not self._config.exists():
            return None
        values: dict[str, Any] = {}
        try:
            values = read_object(self._config)
            stored_format(values)  # Before the digests, which a later version may keep otherwise.
            self._digests.check(self._config.name)
            config = Config.from_json(values["config"])
            run: Any = as_object(values["run"])
            # Where a record lacks the weight, it is of a time when the setting itself was a number.
            later = RunRecord._field_defaults | {"overlap_weight": config.objective.overlap_weight}
            kept = {name: run.get(name, later[name]) if name in later else run[name] for name in RunRecord._fields[1:]}
            # JSON has no tuples.
            kept["seed_words"] = tuple(map(tuple, kept["seed_words"]))
            kept["metadata"] = Metadata.from_json(run.get("metadata", []))
            for name in (
                "vocab_size",
                "num_docs",
                "embed_dim",
                "batch_size",
                "num_epochs",
                "epoch_steps",
                "context_dim",
                "restarted_after",
            ):
                if type(kept[name]) is not int or not 0 <= kept[name] < (2**48 if name == "num_docs" else 2**31):
                    raise ValueError(f"its {name} is {kept[name]!r}")
            for name in ("ckpt", "corpus", "corpus_digest", "vocabulary_hash", "dtype", "context_digest"):
                if type(kept[name]) is not str:
                    raise TypeError(f"its {name} is not text")
            weight = kept["overlap_weight"]
            if type(weight) not in (int, float) or not 0 <= weight < math.inf:
                raise ValueError(f"its overlap_weight is {weight!r}")
            if kept["restarted_after"] >= max(kept["num_epochs"], 1):
                raise ValueError(f"its restarted_after is {kept['restarted_after']!r}")
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
        sweep(self.corpus)
        run = record._asdict() | {"metadata": record.metadata.to_json()}
        values = {**stamp(), "run": run, "config": run.pop("config").to_json()}
        contents = {
            self._config.name: json.dumps(values, ensure_ascii=False, indent=2),
            self.vocabulary.name: json.dumps(vocabulary_to_json(corpus.vocabulary), ensure_ascii=False),
        }
        if corpus.metadata.columns:
            contents[self.metadata.name] = json.dumps(corpus.metadata.to_json())
        self._digests.replace({name: f"{text}\n".encode() for name, text in contents.items()}, forget=[self._results])

    def tell_of_damaged_results(self) -> None:
        """Warn where the export folder is not as it was written, which the end of the run writes again."""
        if not self._digests.lists(self._results) or not self.export.is_dir():
            return
        try:
            self._digests.check(self._results)
            FolderDigests(self.export).check(*(FolderDigests(self.export).known() or {}))
        except (OSError, ValueError) as error:
            warn(f"{self.export} is damaged, or was changed ({error}): it is written again from the checkpoint")

    def finish(self) -> None:
        """Record that the run has ended, and that the export folder is of its last state."""
        # Of metrics.jsonl, as it was after its last row: no process will be killed any more while it writes that.
        logged = {name: found[-1:] for name, found in (self._digests.known() or {}).items()}
        self._digests.expect(logged | {self._results: [file_digest(self.export / DIGESTS)]})

    def log(self, row: dict[str, Any]) -> None:
        """Append one epoch's row of metrics."""
        line = (json.dumps(row) + "\n").encode()
        with written(self.metrics):
            before = self._logged()
            # Both, as the process may be killed in between.
            self._digests.expect({self.metrics.name: [digest(before), digest(before + line)]})
            with self.metrics.open("ab") as file:
                file.write(line)

    def epochs(self) -> list[dict[str, Any]]:
        """The row of every epoch that was logged, in order; lines that cannot be read are left out, with a warning."""
        content = self._logged()
        rows = [json.loads(line) for line in _lines(content) if math.isfinite(_epoch(line))]
        if not self._is_as_logged(content):
            warn(
                f"{self.metrics} is damaged, or was changed since the run wrote it: {len(rows)} epochs of it can be "
                "read, and they may be wrong"
            )
        return rows

    def forget_after(self, epoch: int) -> None:
        """Drop the rows of epochs that were not saved and will be trained again, a half-written line included."""
        content = self._logged()
        whole = content[: content.rfind(b"\n") + 1]
        if epoch and not self._is_as_logged(whole):
            warn(f"{self.metrics} is damaged, or was changed since the run wrote it; what can be read of it is kept")
        kept = "".join(line + "\n" for line in _lines(whole) if _epoch(line) <= epoch)
        if content:
            self._digests.replace({self.metrics.name: kept.encode()})

    def has(self, path: Path) -> bool:
        """Whether the run wrote this file, or it is there."""
        return path.exists() or path.name in (self._digests.known() or {})

    def check(self, path: Path) -> None:
        """Raise ValueError or OSError where one of the run's files is not as the run wrote it."""
        self._digests.check(path.relative_to(self.path).as_posix())

    def check_results(self, name: str) -> None:
        """Raise UserError where the run has not ended, ValueError or OSError where a file of its export is damaged."""
        if not self._digests.lists(self._results):
            raise UserError(
                f"the run in {self.path} has not ended, so that {self.export} is not of its last epoch; give its "
                "training command again, and let it end"
            )
        self._digests.check(self._results)
        FolderDigests(self.export).check(name)

    @property
    def has_ended(self) -> bool:
        """Whether the run has ended, and its results are written."""
        try:
            return self.export.is_dir() and self._digests.lists(self._results)
        except (OSError, ValueError):
            return False

    @property
    def _results(self) -> str:
        return (self.export / DIGESTS).relative_to(self.path).as_posix()

    def _logged(self) -> bytes:
        """The content of metrics.jsonl; none where it is not there."""
        return self.metrics.read_bytes() if self.metrics.exists() else b""

    def _is_as_logged(self, content: bytes) -> bool:
        """Whether this is what `log` wrote, as far as that is known."""
        known = self._digests.known()
        return known is None or digest(content) in known.get(self.metrics.name, [digest(b"")])


def check_resumable(record: RunRecord, given: Config, options: RunOptions, workdir: Path) -> None:
    """Raise UserError that names the settings which a resumed run cannot change, with both values.

    All of them are named where several differ, as they do where the defaults of an earlier version were others.
    """
    if not options.bkpt_continue:
        raise UserError(f"--workdir={workdir} holds a run; give another --workdir, or drop --nobkpt_continue")
    if RunFolder(workdir).edit.exists():
        raise UserError(
            f"--workdir={workdir} holds topics that etm_jax.edit made of a run's; train that run, or give another "
            "--workdir"
        )
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
        longer = setting.name == "num_epochs" and now > record.num_epochs and _can_be_longer(workdir, given)
        if before != now and not setting.resumable and not longer:
            changed.append((setting, before, now))
    if changed:
        raise _changed(changed, workdir)


def _can_be_longer(workdir: Path, given: Config) -> bool:
    """Whether the run can be given more epochs.

    Without a schedule that ends with the last epoch, a longer run starts as the shorter one does. With one, a run that
    has ended goes on with a schedule for the epochs that are new, which would be another one where it has not.
    """
    return given.optimizer.lr_schedule == "constant" or RunFolder(workdir).has_ended


def exported(folder: RunFolder, name: str) -> np.ndarray:
    """An array of the export folder. Raises UserError where it is not there, or damaged."""
    path = folder.export / f"{name}.npy"
    try:
        folder.check_results(path.name)
        return read_array(path)
    except DAMAGED as error:
        raise UserError(
            f"{path} cannot be read ({error}); the training command of this run, given again, writes its results again"
        ) from error


def exported_counts(folder: RunFolder) -> sp.csr_matrix:
    """The counts of the training documents in the export folder: [D, V]. Raises UserError as `exported` does."""
    path = folder.export / "train.npz"
    try:
        folder.check_results(path.name)
        return as_counts(sp.csr_matrix(read_sparse(path)), "train")
    except DAMAGED as error:
        raise UserError(f"{path} cannot be read ({error}); train again to write it") from error


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


def _lines(content: bytes) -> list[str]:
    """The lines, of which a damaged one need not be UTF-8."""
    return content.decode(errors="replace").splitlines()


def _epoch(line: str) -> float:
    try:
        return float(json.loads(line)["epoch"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return float("inf")
