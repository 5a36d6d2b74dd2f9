"""Topic proportions of documents in many files: a Parquet file of each, whatever process of whatever machine makes it.

A part depends on its file, the model and the settings alone, and is made by the code that reads one file alone. It
stands under its name once it is whole; `_manifest.json` is written last, and readers of a folder of Parquet files pass
over it, as it begins with an underscore.
"""

import dataclasses
import hashlib
import json
import re
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.fields import fields_of
from etm_jax.corpus.metadata import Metadata
from etm_jax.corpus.new_documents import read_file, warn_of_version
from etm_jax.corpus.recounted import CountedDocuments, check_shards, recounted_shard
from etm_jax.corpus.shard_writing.job import InputFile, find_inputs
from etm_jax.corpus.shards.draws import PARTS
from etm_jax.corpus.shards.manifest import is_prepared
from etm_jax.corpus.sources import FORMATS, form_of
from etm_jax.corpus.words.segment import most_processes
from etm_jax.corpus.words.segmenters import segmenter_version
from etm_jax.inference.contexts import NewContexts
from etm_jax.inference.infer import Reading, Tally
from etm_jax.inference.predictor import (
    ExportPredictor,
    Predictor,
    mixtures,
    model_digest,
    names_of_topics,
    read_predictor,
)
from etm_jax.inference.theta_files import writer
from etm_jax.models.topic_edit import topic_columns
from etm_jax.ops.devices import one_thread
from etm_jax.ops.mesh import make_mesh
from etm_jax.util.beam import Beam
from etm_jax.util.console import note, silenced
from etm_jax.util.digests import file_digest
from etm_jax.util.errors import UserError
from etm_jax.util.extras import require
from etm_jax.util.files import DAMAGED, check_writable, replace_text
from etm_jax.util.forms import stamp
from etm_jax.util.lock import locked
from etm_jax.util.reading import read_object
from etm_jax.util.stages import Stage, run_stages
from etm_jax.util.work_folder import work_folder

MANIFEST = "_manifest.json"
FORMAT = 1
"""Version of what a folder holds."""

_PART = re.compile(r"part-\d{5,}-of-\d{5,}\.parquet")

_loading = threading.Lock()
"""Workers of some engines are threads of one process, which has the model once."""


@dataclass(frozen=True)
class PartsJob:
    """A model, files, and all settings that decide the parts.

    workdir: an absolute path; unfinished, mesh: of `read_predictor`. model: its `model_digest`. versions: of what
    computes, by name. counted: whether the files are shards. meta_sha256: of the file of --meta, if any.
    context: as of `Reading`.
    """

    workdir: str
    unfinished: bool
    mesh: str
    model: str
    versions: dict[str, str]
    files: tuple[InputFile, ...]
    settings: CorpusConfig
    counted: bool
    meta_sha256: str
    context: str = ""

    @property
    def request(self) -> str:
        """SHA-256 of the settings, the model, and what is known of the files without reading them."""
        settings = dataclasses.asdict(self.settings) | {"workers": 0, "follow_links": False, "meta": self.meta_sha256}
        files = [[file.name, file.size, file.changed] for file in self.files]
        return _sha256([FORMAT, self.model, self.mesh, self.counted, settings, files])

    @property
    def unfinished_request(self) -> str:
        """The same and the versions: parts of several versions are no parts of one result."""
        return _sha256([self.request, self.versions])

    def name(self, number: int) -> str:
        """The name of a part."""
        return f"part-{number:05}-of-{len(self.files):05}.parquet"


def infer_parts(
    workdir: str,
    source: str,
    output: str,
    reading: Reading,
    *,
    runner: str = "local",
    beam_options: str = "",
    unfinished: bool = False,
    mesh: str = "",
) -> None:
    """Write the topic proportions of the documents in many files into the folder `output`, a part a file.

    source: a pattern of files, or a folder of shards. runner: `local` for processes of this machine, or `beam` for a
    pipeline with `beam_options`. The others are as of `infer`. What an earlier run with the same arguments finished is
    not repeated. Raises UserError where something cannot be read or written, and where the folder holds anything else.
    """
    require("pyarrow", "parquet", f"--output={output}")
    beam = Beam(beam_options) if runner == "beam" else None
    folder = Path(output).expanduser()
    _loaded.cache_clear()
    place = str(Path(workdir).expanduser().absolute())
    model, digest = _loaded(place, unfinished, mesh)
    if reading.context.startswith("file:"):
        raise UserError(
            f"--context={reading.context} is for --input of one file, whose documents its rows are of; give a file as "
            "--output"
        )
    if reading.contexts(model) and is_prepared(Path(source).expanduser()):
        raise UserError(
            f"the model was trained with --context={model.config.model.context}, which reads documents' texts, and "
            f"--input={source} has counts alone; give the texts"
        )
    job = _make_job(model, digest, place, source, reading, unfinished=unfinished, mesh=mesh)
    reading.check_output(folder, [file.path for file in job.files], workdir, model)
    check_writable(folder, "output")
    note(f"topics of {model.origin}")
    with locked(folder, "output"):
        if (folder / MANIFEST).exists():
            _check_same(folder, job)
            note(f"{folder} already holds the topics of these documents by this model")
            return
        work = work_folder(folder, job.unfinished_request, lambda name: bool(_PART.fullmatch(name)))
        if done := _num_done(work):
            note(f"{done:,} of {len(job.files):,} parts were made by an earlier run")
        stage = Stage("inferring", "parts", partial(range, len(job.files)), partial(_make_part, job, work=work))
        processes = min(reading.workers or _most_processes(job), len(job.files))
        if beam:
            beam.run([stage], processes, partial(_progress, job, work), lambda: _num_done(work) == len(job.files))
        else:
            _run_local(stage, processes)
        tally = _finish(folder, work, job)
        shutil.rmtree(work)
    tally.tell(output, workdir, model)


def _make_job(
    model: Predictor | ExportPredictor,
    digest: str,
    workdir: str,
    source: str,
    reading: Reading,
    *,
    unfinished: bool,
    mesh: str,
) -> PartsJob:
    """The job for the files or shards that `source` names. Raises UserError where there are none."""
    settings = dataclasses.replace(reading.settings(model), names_by_line=False, corpus="", corpus_fallback="")
    folder = Path(source).expanduser()
    counted = is_prepared(folder)
    if counted:
        manifest = check_shards(folder, fields_of(settings))
        shards = [path.absolute() for part in PARTS for path in manifest.paths(folder, part)]
        files = tuple(InputFile(path.name, path, (at := path.stat()).st_size, at.st_mtime_ns) for path in shards)
    elif folder.is_dir() or source == "-":
        raise UserError(
            f"--input={source}: a folder of parts takes files, as 'docs-*.jsonl.gz', or a folder that etm_jax.prepare "
            "made; or give a file as --output"
        )
    else:
        files = find_inputs(source, settings.follow_links)
        first = str(files[0].path)
        # The first file tells for all of them, so that all have the same columns.
        settings = reading.with_columns(first, settings, model)
        form = form_of(files[0].path, settings)
        settings = dataclasses.replace(settings, form=form if settings.form or not FORMATS[form].suffixes else "name")
        warn_of_version(settings, model.vocabulary)
    versions = _versions(settings, counted=counted)
    meta_sha256 = file_digest(Path(settings.meta).expanduser()) if settings.meta else ""
    return PartsJob(workdir, unfinished, mesh, digest, versions, files, settings, counted, meta_sha256, reading.context)


def _versions(settings: CorpusConfig, *, counted: bool) -> dict[str, str]:
    """The versions here of what computes, by name; counts need no segmenter."""
    found = {name: version(name) for name in ("jax", "numpy", "pyarrow")}
    if not counted:
        found["segmenter"] = segmenter_version(settings.segmenter, settings.segmenter_model)
    return found


def _make_part(job: PartsJob, number: int, work: Path) -> None:
    """Write the part of a file into the folder `work`, and then its record, unless that is there."""
    record = work / f"{number}.json"
    if record.exists():
        return
    # What there is to say of the model and the settings, the command has said.
    with silenced():
        model = _model(job)
        read = model.spec.metadata if isinstance(model, Predictor) else Metadata()
        file, fields, tally = job.files[number], fields_of(job.settings), Tally(read)
        joined, example = 0, ""
        topics = topic_columns(names_of_topics(model))
        with writer(work / job.name(number), topics, fields.names, tidy=False) as out:
            for some in tally.counting(mixtures(model, _documents(job, file, model), _contexts(job, model))):
                joined += sum(map(fields.has_row, some.ids)) if fields.file else 0
                example = example or some.ids[0]
                out.write(some)
        _check_unchanged(file)
    about = {**tally.counts, "joined": joined, "example": example, "sha256": file_digest(work / job.name(number))}
    replace_text(record, json.dumps(about), tidy=False)


def _documents(job: PartsJob, file: InputFile, model: Predictor | ExportPredictor) -> Iterator[CountedDocuments]:
    if job.counted:
        return recounted_shard(file.path, model.vocabulary, fields_of(job.settings))
    return read_file(file.path, file.name, job.settings, model.vocabulary)


def _contexts(job: PartsJob, model: Predictor | ExportPredictor) -> NewContexts | None:
    return Reading(context=job.context).contexts(model)


def _check_unchanged(file: InputFile) -> None:
    """Raise UserError where a file is not what it was when it was found."""
    try:
        now = file.path.stat()
    except OSError as error:
        raise UserError(f"{file.path} cannot be read: {error.strerror}; check its permissions") from error
    if (now.st_size, now.st_mtime_ns) != (file.size, file.changed):
        raise UserError(f"{file.path} changed while it was read; run the command again when nothing writes to it")


def _model(job: PartsJob) -> Predictor | ExportPredictor:
    """The model of a job, which a process reads once. Raises UserError where it, or what computes, is another here."""
    here = _versions(job.settings, counted=job.counted)
    if differ := [name for name in here if here[name] != job.versions[name]]:
        name = differ[0]
        raise UserError(
            f"a worker has {name} {here[name]} and the command {job.versions[name]}, whose numbers may differ; install "
            "the same versions wherever --runner=beam runs"
        )
    with _loading:
        model, digest = _loaded(job.workdir, job.unfinished, job.mesh)
        if digest != job.model:  # A worker that outlives a command has the model of before.
            _loaded.cache_clear()
            model, digest = _loaded(job.workdir, job.unfinished, job.mesh)
    if digest != job.model:
        raise UserError(
            f"--workdir={job.workdir} holds another model where a worker reads it, or has changed; give a folder that "
            "all workers see, and run the command again"
        )
    return model


@lru_cache(maxsize=1)
def _loaded(workdir: str, unfinished: bool, mesh: str) -> tuple[Predictor | ExportPredictor, str]:
    """A model and its digest, in a process whose parts do not depend on the number of its cores."""
    one_thread()
    model = read_predictor(workdir, unfinished, make_mesh(mesh))
    return model, model_digest(model)


def _most_processes(job: PartsJob) -> int:
    """On CPUs as many as cut text at once; else one, as a process takes nearly all memory of an accelerator."""
    return most_processes(job.settings.segmenter) if jax.default_backend() == "cpu" else 1


def _run_local(stage: Stage, processes: int) -> None:
    """Make the parts in processes of this machine."""
    try:
        run_stages([stage], processes)
    except BrokenProcessPool as error:
        raise UserError(
            "a process that infers was killed, most likely because memory ran out; give "
            f"--workers={processes - 1 or 1}: finished parts are kept"
        ) from error


def _num_done(work: Path) -> int:
    """How many parts are made."""
    return len(list(work.glob("*.json")))


def _progress(job: PartsJob, work: Path) -> str:
    """The same for people."""
    return f"{_num_done(work):,} of {len(job.files):,} parts are made"


def _finish(folder: Path, work: Path, job: PartsJob) -> Tally:
    """Move the parts from the folder `work` to `folder`, write the manifest, and add up what was counted.

    Raises UserError where --meta names none of the documents.
    """
    records = [json.loads((work / f"{number}.json").read_text("utf-8")) for number in range(len(job.files))]
    tally = Tally()
    for record in records:
        tally.add(record)
    joined, example = (
        sum(record["joined"] for record in records),
        next(filter(None, (r["example"] for r in records)), ""),
    )
    fields_of(job.settings).check_joined(joined, tally.documents, example)
    names = [job.name(number) for number in range(len(job.files))]
    for path in folder.iterdir():
        if _PART.fullmatch(path.name) and path.name not in names:
            path.unlink()  # Of another request, which was killed here.
    for name in names:
        # An earlier run that was killed here has already moved it.
        if (work / name).exists():
            (work / name).replace(folder / name)
    parts = [
        {"file": name, "of": file.name, "documents": record["documents"], "sha256": record["sha256"]}
        for name, file, record in zip(names, job.files, records, strict=True)
    ]
    values = stamp(FORMAT) | {"request": job.request, "model": job.model, "versions": job.versions, "parts": parts}
    replace_text(folder / MANIFEST, json.dumps(values, indent=1, ensure_ascii=False) + "\n")
    return tally


def _check_same(folder: Path, job: PartsJob) -> None:
    """Raise UserError where a folder holds the parts of another request."""
    try:
        request = read_object(folder / MANIFEST).get("request")
    except DAMAGED as error:
        raise UserError(f"{folder / MANIFEST} is damaged ({error}); give another --output") from error
    if request != job.request:
        raise UserError(
            f"--output={folder} holds topics of other documents, or by another model or settings; give another "
            "--output, or remove that folder"
        )


def _sha256(value: Any) -> str:
    """SHA-256 of a plain value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
