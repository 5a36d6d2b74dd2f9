"""Work in stages of numbered pieces, which leave their results in files: any machinery that can call functions runs it.

`run_stages` runs it in processes of this machine, `etm_jax.util.beam` wherever Apache Beam does.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import as_completed
from typing import NamedTuple

from etm_jax.util.console import track
from etm_jax.util.processes import process_pool


class Stage(NamedTuple):
    """Pieces of work that can be done in any order and anywhere, once all of the stage before are done.

    label, unit: what is done, and to what, for messages. numbers: those of the pieces, from 0 up; it is called once the
    stage before is done. piece: does the piece of that number. It leaves its result in files, at once, and sees there
    that it was done before: a piece can be asked for again, after a process was killed or by two at a time. Both are
    picklable. alone: whether it is one short piece, for the process that runs the stages where that can be.
    """

    label: str
    unit: str
    numbers: Callable[[], Iterable[int]]
    piece: Callable[[int], object]
    alone: bool = False


def run_stages(stages: Sequence[Stage], processes: int) -> None:
    """Run all stages in so many spawned processes; 1 for this one alone.

    Raises what a piece raises, and BrokenProcessPool where a process is killed.
    """
    if processes == 1:
        for stage in stages:
            _run_here(stage)
        return
    with process_pool(processes) as submit:
        for stage in stages:
            if stage.alone:
                _run_here(stage)
                continue
            futures = [submit(stage.piece, number) for number in stage.numbers()]
            for future in track(as_completed(futures), stage.label, total=len(futures), unit=stage.unit):
                future.result()


def _run_here(stage: Stage) -> None:
    """Do one piece after the other in this process."""
    for number in track(list(stage.numbers()), stage.label, unit=stage.unit):
        stage.piece(number)
