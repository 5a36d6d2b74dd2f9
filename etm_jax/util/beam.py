"""Work in stages as an Apache Beam pipeline: the one user of apache_beam.

The pipeline is a chain of Create, ParDo and GroupByKey, which every engine has, and holds numbers alone: side inputs,
several outputs, combiners and branches are not known to all engines, and the DaskRunner gives other results for some of
them without a word. What pieces leave for each other is in files, so that an engine which does a piece again, since a
worker was killed, finds what is done.
"""

import logging
import re
import shlex
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from etm_jax.util.console import SECONDS_BETWEEN_LINES, note
from etm_jax.util.errors import UserError
from etm_jax.util.extras import require
from etm_jax.util.stages import Stage

_OUR_ERROR = re.compile(
    r"^(?:RuntimeError: )?etm_jax\.util\.errors\.UserError: (.+?)(?: \[while running .*)?$", re.MULTILINE
)
_STEP = re.compile(r" \[while running .*", re.DOTALL)
"""What Beam adds to the message of an error."""

_NOTHING = -1
"""Number of a piece that is none: each stage has it, so that those behind a stage without pieces are reached."""


class Beam:
    """Runs stages as a pipeline. options: of Beam, as on a command line; empty for processes of this machine.

    What the pieces read and write must be at the same paths on all machines. Raises UserError where Beam is missing.
    """

    def __init__(self, options: str) -> None:
        require("apache_beam", "scale", "--runner=beam")
        self._options = shlex.split(options)

    def run(
        self, stages: Sequence[Stage], processes: int, progress: Callable[[], str], is_done: Callable[[], bool]
    ) -> None:
        """Run all stages. processes: of this machine, where no options say more. progress: what to show now and then.

        is_done: whether the results of all pieces are there. Raises UserError where a piece does, and where the engine
        gives up: not all of them say so.
        """
        # Beam warns on import of cloud services whose packages are missing, and logs each error twice. Errors that end
        # the pipeline are raised here in any case.
        logging.getLogger().setLevel(logging.CRITICAL)
        from apache_beam import Pipeline
        from apache_beam.options.pipeline_options import PipelineOptions

        given = self._options or ["--direct_running_mode=multi_processing", f"--direct_num_workers={processes}"]
        note(f"running the pipeline with {' '.join(given)}")
        try:
            quiet = PipelineOptions(given, default_sdk_harness_log_level="CRITICAL")
            with _shown(progress), Pipeline(options=quiet) as pipeline:
                _silence_dask()
                _build(pipeline, stages)
        except Exception as error:
            if message := _message(error):
                raise UserError(message) from error
            raise
        if not is_done():  # The DaskRunner ends without an error where the scheduler is lost.
            raise UserError(
                "the engine of --runner=beam ended the pipeline before all was done, as where its scheduler or master "
                "is lost; the same command goes on with what is not done"
            )


def _silence_dask() -> None:
    """Keep Dask, where a runner has imported it, from logging what is told here in a line, as a lost scheduler."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _message(error: Exception) -> str:
    """The message of a UserError of ours that an engine passes on, or of one for workers that were killed; or none."""
    if isinstance(error, UserError):
        return _STEP.sub("", str(error))
    # A worker's error can come as text.
    if messages := _OUR_ERROR.findall(str(error)):
        return str(messages[-1])
    if type(error).__name__ == "KilledWorker":  # Dask's, for a piece on which several workers have ended.
        return (
            "the workers of --runner=beam were killed again and again at the same piece, most likely because memory "
            "ran out; give them more, or fewer threads: the same command goes on with what is not done"
        )
    return ""


def _build(pipeline: Any, stages: Sequence[Stage]) -> None:
    """Add all stages to the pipeline, one behind the other."""
    import apache_beam as beam

    # Where the first numbers are made, some engines divide them; others do at the GroupByKey behind.
    chain = pipeline | "begin" >> beam.Create(list(_numbers(None, stages[0])))
    for place, stage in enumerate(stages):
        if place:
            chain = chain | f"{place}: numbers" >> beam.FlatMap(_numbers, stage)
        # Not a Reshuffle, which some engines take for nothing.
        chain = chain | f"{place}: spread" >> beam.GroupByKey()
        chain = chain | f"{place}: {stage.label} {stage.unit}" >> beam.Map(_do, stage)
        chain = chain | f"{place}: wait" >> beam.GroupByKey()


def _numbers(_: Any, stage: Stage) -> Iterator[tuple[int, None]]:
    """A key for each piece of a stage, and one for none."""
    yield _NOTHING, None
    for number in stage.numbers():
        yield number, None


def _do(keyed: tuple[int, Any], stage: Stage) -> tuple[int, None]:
    """Do a piece, and give the key that all pieces have in common."""
    if keyed[0] != _NOTHING:
        stage.piece(keyed[0])
    return 0, None


@contextmanager
def _shown(progress: Callable[[], str]) -> Iterator[None]:
    """Within the block, show every few seconds what `progress` says."""
    ended = threading.Event()

    def report() -> None:
        while not ended.wait(SECONDS_BETWEEN_LINES):
            note(progress())

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
