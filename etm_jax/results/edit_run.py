"""Editing the topics of a finished run: what `etm_jax.edit` does."""

from collections.abc import Iterable
from pathlib import Path

from etm_jax.corpus.sources import files_trained_on
from etm_jax.metrics.topic_tree import most_alike
from etm_jax.metrics.topics import topic_shares
from etm_jax.models.registry import model_kind
from etm_jax.models.topic_edit import TopicEdit
from etm_jax.results.export import write_export
from etm_jax.results.run import Run, read_run
from etm_jax.results.summary import summarize, topic_table
from etm_jax.results.topic_names import AUTO, automatic_names, read_names
from etm_jax.training.edited_folder import copy_run
from etm_jax.training.run_folder import RunFolder
from etm_jax.util.console import note, show
from etm_jax.util.errors import UserError
from etm_jax.util.files import check_writable, replace_folder
from etm_jax.util.overlap import check_not_read, given


def edit_run(
    workdir: str,
    output: str,
    *,
    merge: str = "",
    drop: str = "",
    order: str = "",
    reduce_to: int = 0,
    rename: str = "",
) -> None:
    """Write a run whose topics are those of the run in `workdir`, edited, to the new folder `output`.

    All numbers of topics are those of `workdir`, which stays as it is.

    Parameters
    ----------
    workdir : str
        The folder of a finished run, itself edited or not.
    output : str
        A folder that does not exist, or is empty.
    merge : str
        Groups of topics that become one, as ``3,7`` or ``3,7/1,12``.
    drop, order : str
        Topics to leave out, and topics that come first, as ``12,5``.
    reduce_to : int
        Merge the most alike topics, until so many are left; 0 for none. After `merge` and `drop`.
    rename : str
        A file with columns topic and name, or ``auto``; empty to keep the names that there are.

    Raises
    ------
    UserError
        If there is nothing to do, a topic does not exist, or something cannot be read or written.
    """
    if not (merge or drop or order or reduce_to or rename):
        raise UserError("nothing to do; give --merge, --drop, --order, --reduce_to or --rename")
    target = Path(output).expanduser()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UserError(f"--output={output} is there already; give a new folder")
    if "[" in str(target.absolute()):
        # Orbax could not read the checkpoints there.
        raise UserError(f"--output={output} has a [ in its path, which Orbax takes for a pattern; give another folder")
    check_writable(target, "output")
    run = read_run(Path(workdir).expanduser())
    named_in = "" if rename == AUTO else rename
    check_not_read([("--output", target)], [*given("rename", named_in), *files_trained_on(run.record.config)])
    kind = run.record.config.model.kind
    if not model_kind(kind).is_mixture:
        raise UserError(
            f"--workdir={workdir} is of --model={kind}, whose words are no mixture of its topics, so that topics can "
            "be neither merged nor dropped; edit a run of another model"
        )
    if "alpha_time" in run.model.own:
        raise UserError(
            f"--workdir={workdir} is of --model={kind}, whose topics move over time, and are not edited; edit a run of "
            "--model=etm"
        )
    names = read_names(named_in, "rename", run.model.beta, run.corpus.vocabulary)
    edit = _edit(
        run,
        merge=[_numbers("merge", group) for group in merge.split("/")] if merge else [],
        drop=_numbers("drop", drop),
        order=_numbers("order", order),
        reduce_to=reduce_to,
        names=names,
    )
    if rename == AUTO:
        beta = edit.means(run.model.beta)
        edit = edit._replace(names=tuple(automatic_names(beta, run.corpus.vocabulary)))
    _write(run, edit, target)


def _edit(
    run: Run,
    *,
    merge: list[list[int]],
    drop: list[int],
    order: list[int],
    reduce_to: int,
    names: dict[int, str],
) -> TopicEdit:
    """The edit of the run's topics as they are now."""
    share = topic_shares(run.model.theta_train, run.corpus.train.counts)
    if not reduce_to:
        return TopicEdit.of(share, merge=merge, drop=drop, order=order, names=names, dashes="--")
    first = TopicEdit.of(share, merge=merge, drop=drop, dashes="--")
    if not 1 <= reduce_to <= len(first.groups):
        raise UserError(f"--reduce_to={reduce_to} is out of range; give 1 to {len(first.groups)}")
    joined = most_alike(first.means(run.model.beta), reduce_to, first.embeddings(run.model.own).get("alpha"))
    grouped = [[k for j in group for k in first.groups[j]] for group in joined]
    members = {k for group in grouped for k in group}
    kept = [group for group in merge if not members & set(group)]
    return TopicEdit.of(share, merge=[*kept, *grouped], drop=drop, order=order, names=names, dashes="--")


def _write(run: Run, edit: TopicEdit, target: Path) -> None:
    """Write the edited run, whole or not at all; print its topics, and what each of them was."""
    model, corpus = edit.applied(run.model), run.corpus
    before = run.edit.names if run.edit else ("",) * edit.num_topics
    named = tuple(
        name or next((before[k] for k in group if before[k]), "")
        for name, group in zip(edit.names, edit.groups, strict=True)
    )
    edit = edit._replace(names=named)
    shifts = model.shifts
    log_px = shifts.log_px(model.theta_test_h1, model.beta, corpus.test_h2, corpus.test.meta) if shifts else None
    summary = summarize(model, corpus, log_px)
    with replace_folder(target) as new:
        folder = RunFolder(new)
        copy_run(run.folder, folder, run.record, corpus, edit.after(run.edit))
        write_export(folder.export, model, corpus, summary, names=edit.names)
        folder.finish()
    show(topic_table(summary, corpus.vocabulary.words, edit.names))
    note("", *_told(edit))
    note(f"{target} holds the edited run: etm_jax.report, infer and evaluate take it; {run.folder.path} is as it was")


def _told(edit: TopicEdit) -> Iterable[str]:
    """A line for each topic that was merged, and one for all that were dropped."""
    for j, group in enumerate(edit.groups):
        if len(group) > 1:
            yield f"topic {j} was {' and '.join(map(str, group))}"
    kept = {k for group in edit.groups for k in group}
    if dropped := [k for k in range(edit.num_topics) if k not in kept]:
        yield f"dropped: {', '.join(map(str, dropped))}; documents' other topics sum to 1 again"


def _numbers(flag: str, text: str) -> list[int]:
    """The numbers between commas. Raises UserError where one is none."""
    parts = [part.strip() for part in text.split(",")] if text else []
    if not all(part.isdecimal() for part in parts):
        raise UserError(f"--{flag}={text} must be numbers of topics such as 3,7")
    return list(map(int, parts))
