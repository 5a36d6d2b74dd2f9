"""What MALLET's train-topics writes: --output-state and --output-doc-topics.

https://github.com/mimno/Mallet, ParallelTopicModel.printState, printDocumentTopics and printDenseDocumentTopics.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from etm_jax.corpus.readers.decode import decode_lines, open_binary
from etm_jax.corpus.readers.text_files import numbered_lines
from etm_jax.util.console import track
from etm_jax.util.errors import UserError
from etm_jax.util.files import GZIP, unpacked

MOST_TOPICS = 10_000
"""More are taken for a broken file: what is kept has a number for each topic and word."""

_AT_ONCE = 1 << 16
_LARGEST = 1e9


class State(NamedTuple):
    """Which topic each word of each document has, summed over documents.

    counts: [K, V] int64, occurrences of the words that were asked for; beta: the prior's weight of a word in a topic.
    tokens: occurrences of all words in the file; others: different words in it that were not asked for.
    """

    counts: np.ndarray
    beta: float
    tokens: int
    others: int


def read_state(path: Path, words: Sequence[str], encoding: str = "utf-8") -> State:
    """Read a file of --output-state, packed as MALLET does, whatever its name, or not.

    words: V different ones, to be counted. The lines of the file are `#doc source pos typeindex type topic`,
    `#alpha : …` with a number for each topic, `#beta : …`, and then one for each word of each document. Raises
    UserError where it is no such file, and as `numbered_lines` does.
    """
    lines = _unpacked_lines(path, encoding)
    head = [line for _, line in islice(lines, 3)]
    header, of_alpha, of_beta = (*head, "", "", "")[:3]
    alpha, beta = _numbers(of_alpha, "#alpha"), _numbers(of_beta, "#beta")
    if not header.startswith("#doc ") or not alpha or len(beta) != 1:
        raise UserError(
            f"--state={path} does not begin with #doc, #alpha and #beta; give the file of mallet's --output-state"
        )
    if len(alpha) > MOST_TOPICS:
        raise UserError(f"--state={path} has {len(alpha):,} topics; at most {MOST_TOPICS:,} can be read")
    num_topics, column = len(alpha), {word: j for j, word in enumerate(words)}
    counts, tokens, others = np.zeros(num_topics * len(words), np.int64), 0, set[str]()
    shown = track(lines, f"reading {path.name}", unit="words")
    while some := list(islice(shown, _AT_ONCE)):
        cells = []
        for number, line in some:
            # The name of a document's source may hold blanks.
            parts = line.split(" ", 1)[-1].rsplit(" ", 4)
            if len(parts) != 5 or not parts[4].isdecimal() or len(parts[4]) > 9 or int(parts[4]) >= num_topics:
                raise UserError(
                    f"--state={path}, line {number}, is not `doc source pos typeindex type topic`, with a topic below "
                    f"{num_topics}; the file may be cut off: write it again"
                )
            if parts[3] in column:
                cells.append(int(parts[4]) * len(words) + column[parts[3]])
            else:
                others.add(parts[3])
        tokens += len(some)
        counts += np.bincount(np.array(cells, np.int64), minlength=len(counts))
    return State(counts.reshape(num_topics, len(words)), beta[0], tokens, len(others))


def read_doc_topics(
    path: Path, wanted: Collection[str], num_topics: int = 0, encoding: str = "utf-8"
) -> dict[str, np.ndarray]:
    """Read topic proportions of documents by their names, from a file of --output-doc-topics.

    wanted: names; documents that are called otherwise are left out. num_topics: K, where it is known, as small shares
    of the last topics may be in no line. Each document has K float64 that sum to 1.

    A line is the number of a document, its name, and a share for each topic; or, under a line `#doc …`, pairs of a
    topic and its share, best first, of which small ones may be left out. Raises UserError where it is no such file,
    where two lines are of the same document, and as `numbered_lines` does.
    """
    found: dict[str, np.ndarray] = {}
    pairs, width = False, 0
    for number, line in track(numbered_lines(path, encoding), f"reading {path.name}", unit="documents"):
        if number == 1 and line.startswith("#doc"):
            pairs = True
            continue
        if not line.strip():
            continue
        _, *named = line.strip().split("\t") if "\t" in line else line.split()
        shares = _shares(named[1:], pairs) if named else None
        if shares is None or (width and not pairs and len(shares) != width):
            what = "topics, each after its topic" if pairs else f"{width or 'all'} topics"
            raise UserError(
                f"--doc_topics={path}, line {number}, is not the number of a document, its name and shares of {what}; "
                "give the file of mallet's --output-doc-topics"
            )
        width = max(width, len(shares))
        if named[0] in found:
            raise UserError(f"--doc_topics={path}, line {number}: a second document {named[0]!r}; names must differ")
        if named[0] in wanted:
            found[named[0]] = shares
    return _even(found, max(width, num_topics) if pairs else width)


def _unpacked_lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, of a file whose name need not say that it is packed."""
    with open_binary(path) as file:
        packed = path.suffix.lower() != ".gz" and file.read(len(GZIP)) == GZIP
    if not packed:
        yield from numbered_lines(path, encoding)
        return
    with path.open("rb") as file, unpacked(file) as text:
        yield from enumerate(decode_lines(text, str(path), encoding), start=1)


def _shares(cells: Sequence[str], pairs: bool) -> np.ndarray | None:
    """Shares of topics from 0 on; None where the cells are none."""
    try:
        values = np.array(cells, np.float64)
    except ValueError:
        return None
    if not np.isfinite(values).all() or (values < 0).any() or not (pairs or values.sum() > 0):
        return None
    if not pairs:
        return values if len(values) <= MOST_TOPICS else None
    if len(values) % 2:
        return None
    topics, shares = values[::2], values[1::2]
    if (topics != np.trunc(topics)).any() or topics.max(initial=0) >= MOST_TOPICS:
        return None
    dense = np.zeros(int(topics.max(initial=-1)) + 1)
    dense[topics.astype(np.int64)] = shares
    return dense


def _even(found: Mapping[str, np.ndarray], num_topics: int) -> dict[str, np.ndarray]:
    """The same shares, of all topics each, that sum to 1; equal where a document has none."""
    even = {name: np.pad(shares, (0, num_topics - len(shares))) for name, shares in found.items()}
    return {
        name: shares / shares.sum() if shares.sum() > 0 else np.full(num_topics, 1 / max(num_topics, 1))
        for name, shares in even.items()
    }


def _numbers(line: str, name: str) -> list[float]:
    """The positive numbers of a line `name : …`; none where it is no such line."""
    head, _, rest = line.partition(":")
    try:
        numbers = [float(cell) for cell in rest.split()]
    except ValueError:
        return []
    return numbers if head.strip() == name and all(0 < value < _LARGEST for value in numbers) else []
