"""Files to a folder of shards: what `etm_jax.prepare --input --output` does."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.config.declaration import files_read
from etm_jax.corpus.checks import warn_of_language
from etm_jax.corpus.filter_report import format_phrases, format_report, report_warnings
from etm_jax.corpus.shard_writing import local
from etm_jax.corpus.shard_writing.advertisements import with_advertisements
from etm_jax.corpus.shard_writing.job import BLOCK_DOCS, Job, make_job
from etm_jax.corpus.shard_writing.passes import num_counted
from etm_jax.corpus.shard_writing.phrase_sample import with_phrases
from etm_jax.corpus.shard_writing.pipeline import BeamRunner
from etm_jax.corpus.shard_writing.plan import Plan
from etm_jax.corpus.shard_writing.summary import Summary
from etm_jax.corpus.shard_writing.writing import Written, finish
from etm_jax.corpus.shards.manifest import NAME, SUFFIX, VOCABULARY, Manifest
from etm_jax.corpus.shards.records import check_installed
from etm_jax.corpus.store.cache import vocabulary_from_json
from etm_jax.corpus.words.tokenizer import make_ready
from etm_jax.corpus.words.tokens import given_warnings
from etm_jax.corpus.words.unicode_words import segmenter_named
from etm_jax.util.console import note, warn
from etm_jax.util.errors import UserError
from etm_jax.util.files import check_writable
from etm_jax.util.lock import locked
from etm_jax.util.overlap import check_not_read
from etm_jax.util.work_folder import work_folder

Runner = Callable[[Job, Path], tuple[Plan, Summary, list[Written]]]


def prepare_files(
    pattern: str,
    output: str,
    config: CorpusConfig,
    *,
    runner: str = "local",
    beam_options: str = "",
    block_docs: int = BLOCK_DOCS,
    num_shards: int = 0,
) -> None:
    """Prepare the files that `pattern` names into the folder `output`, and report what it holds.

    runner: `local` for processes of this machine, or `beam` for a pipeline with `beam_options`. Raises UserError as
    `make_job` and `prepare_shards` do, and where the arguments contradict each other.
    """
    if not pattern or not output:
        kept = "; to keep what --corpus is prepared to, give --cache_dir" if config.corpus else ""
        raise UserError(
            f"--input and --output go together: the files to read, and the folder to fill{kept}; see --help"
        )
    if config.corpus:
        raise UserError(f"--corpus={config.corpus} and --input={pattern} are two corpora; leave one out")
    if beam_options and runner != "beam":
        raise UserError("--beam_options is for --runner=beam; give both, or leave it out")
    folder = Path(output).expanduser()
    job = make_job(pattern, config, block_docs, num_shards)
    inputs = [*(("--input", file.path) for file in job.files), *files_read(config)]
    check_not_read([("--output", folder)], inputs)
    run = BeamRunner(beam_options) if runner == "beam" else local.run
    manifest = prepare_shards(job, folder, run)
    note(*format_report(manifest.report).split("\n"))
    for warning in report_warnings(manifest.report):
        warn(warning)
    vocabulary = vocabulary_from_json(json.loads((folder / VOCABULARY).read_text("ascii")))
    if phrases := format_phrases(vocabulary):
        note(phrases)
    for warning in given_warnings(vocabulary.words, config):
        warn(warning)
    warn_of_language(vocabulary.words, vocabulary.words, config.lang, segmenter_named(vocabulary.segmenter))
    documents = {name: part.total("documents") for name, part in manifest.parts.items()}
    size = sum(part.total("bytes") for part in manifest.parts.values())
    shares = f"{documents['train']:,} to train, {documents['valid']:,} to validate, {documents['test']:,} to test"
    note(f"{folder}: {manifest.num_words:,} words; documents: {shares}; {size / 2**20:,.1f} MiB")
    note(f"--corpus={folder} trains on them")


def prepare_shards(job: Job, folder: Path, runner: Runner = local.run) -> Manifest:
    """Prepare `job` into `folder`, and return its manifest.

    A folder that already holds the result of the same job is left as it is. Unfinished work of the same job is resumed,
    whatever ran it; unfinished work of another job is deleted. Raises UserError where the folder holds anything else.
    """
    check_installed()
    check_writable(folder, "output")
    with locked(folder, "output"):
        if (folder / NAME).exists():
            manifest = Manifest.read(folder)
            if manifest.request not in (job.request, job.request_by(str(manifest.settings.get("segmenter")))):
                raise UserError(
                    f"--output={folder} holds a corpus that was prepared from other files, or with other settings; "
                    "give another --output, or remove that folder"
                )
            note(f"{folder} was already prepared from these files with these settings")
            return manifest
        work = work_folder(folder, job.request, lambda name: name == VOCABULARY or name.endswith(SUFFIX))
        make_ready(job.config)
        job = with_phrases(with_advertisements(job, work), work)
        if done := num_counted(job, work):
            note(f"{done:,} of {len(job.files):,} files were counted by an earlier run")
        plan, summary, shards = runner(job, work)
        if blank := summary.cleaning.blank:
            note(
                f"{blank:,} of {blank + summary.docs:,} rows have no text and are left out; results will have no row "
                "for them, as shards hold documents by chance, not in the order of the input"
            )
        manifest = finish(work, folder, job, plan, summary, shards)
        shutil.rmtree(work)
        return manifest
