"""Which engine cuts text: the decoder's two largest steps on numpy arrays, as it is, beside the same compiled by XLA.

    python -m benchmarks.xla_words

Scores are gathered by the same tables, and the best path is a scan over the same layout, padded to full width. Both
sides run on one core and give the same tags. Prints seconds a million characters, and what compiling takes.
"""

import sys
import time
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.text import news
from etm_jax.cli import flags as cli
from etm_jax.corpus.words.normalize import chunks
from etm_jax.corpus.words.pkuseg.decoder import LONGEST_PIECE
from etm_jax.corpus.words.pkuseg.files import find_model
from etm_jax.corpus.words.pkuseg.layout import Layout
from etm_jax.corpus.words.pkuseg.scores import scores
from etm_jax.corpus.words.pkuseg.tables_file import load_tables
from etm_jax.corpus.words.pkuseg.viterbi import best_tags
from etm_jax.corpus.words.ranges import code_points

CHARACTERS = 125_000
"""As many as the product cuts together."""


@jax.jit
def compiled_tags(padded: jax.Array, lengths: jax.Array, edges: jax.Array) -> jax.Array:
    """Tags [steps, pieces], from each piece's end. padded: [steps, pieces, T] int32 scores; lengths: [pieces]."""

    def back(after: jax.Array, step: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        row, number = step
        paths = after[:, None, :] + edges
        best = row + jnp.where(number == 0, 0, paths.max(axis=2))
        best = best - best[:, -1:]
        best = jnp.where((number < lengths)[:, None], best, after)
        return best, best

    steps = padded.shape[0]
    _, best = jax.lax.scan(back, jnp.zeros(padded.shape[1:], jnp.int32), (padded, jnp.arange(steps)))

    def forth(before: jax.Array, step: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        row, number = step
        begins = (number == lengths - 1)[:, None]
        tag = (row + jnp.where(begins, 0, edges[before])).argmax(axis=1)
        return tag, tag

    _, tags = jax.lax.scan(forth, jnp.zeros(padded.shape[1], int), (best, jnp.arange(steps)), reverse=True)
    return tags


@jax.jit
def compiled_pairs(keys: jax.Array, slots: jax.Array, held: jax.Array, rows: jax.Array) -> jax.Array:
    """The rows of pairs of neighbours, which takes most of a numpy score: [N] uint32 keys → [N, T−1] int32."""
    size = slots.shape[0]
    place = (keys * np.uint32(0x9E3779B1)) >> np.uint32(33 - size.bit_length())

    def probe(state: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        place, values, todo = state
        found = slots[place]
        values = jnp.where(todo & (found == keys), held[place], values)
        todo = todo & (found != keys) & (found != np.uint32(0xFFFFFFFF))
        return (place + 1) & (size - 1), values, todo

    none = jnp.zeros(keys.shape, jnp.int32)
    state = place, none, jnp.ones(keys.shape, bool)
    _, values, _ = jax.lax.while_loop(lambda state: state[2].any(), probe, state)
    return rows[values]


def _timed(function: object, *arguments: object) -> tuple[float, float, object]:
    """Seconds of the first call and the median of ten others, in processor time, and the result."""
    started = time.process_time()
    out = jax.block_until_ready(function(*arguments))  # type: ignore[operator]
    first, each = time.process_time() - started, []
    for _ in range(10):
        started = time.process_time()
        out = jax.block_until_ready(function(*arguments))  # type: ignore[operator]
        each.append(time.process_time() - started)
    return first, sorted(each)[5], out


def main(argv: Sequence[str]) -> None:
    """Measure and print."""
    del argv
    tables = load_tables(find_model())
    texts = [document.text for document in news(CHARACTERS)]
    pieces = [piece for text in texts for part in chunks(text, LONGEST_PIECE) for piece in part.split()]
    codes = code_points("  " + "".join([f"{piece}  " for piece in pieces]))
    lengths = np.array(list(map(len, pieces)), np.int64)
    layout = Layout.of(np.cumsum(lengths + 2) - lengths, lengths)
    ids, million = tables.char_ids[codes], len(codes) / 1e6
    _, of_scores, by_place = _timed(lambda: scores(ids, tables).take(layout.places, axis=0))
    _, of_tags, (tags, _) = _timed(lambda: best_tags(by_place, tables.edge_rows, layout))

    widths = [high - low for low, high in layout.steps]
    padded = np.zeros((len(widths), layout.widest, len(tables.edge_rows)), np.int32)
    for step, (low, high) in enumerate(layout.steps):
        padded[step, : high - low, :-1] = by_place[low:high]
    ordered = -np.sort(-lengths)
    first, tags_compiled, ours = _timed(compiled_tags, jnp.asarray(padded), jnp.asarray(ordered), tables.edge_rows)
    same = np.concatenate([np.asarray(ours)[step, :width] for step, width in enumerate(widths)])
    print(f"{len(codes):,} characters in {len(pieces):,} pieces, the longest of {len(widths):,}")
    print(f"numpy: scores {of_scores / million:.3f} s, best path {of_tags / million:.3f} s a million characters")
    print(
        f"XLA: best path {tags_compiled / million:.3f} s, {padded[..., 0].size / len(by_place):.1f} cells a "
        f"character; compiling {first:.1f} s; tags that differ: {int((same != tags).sum()):,}"
    )
    keys = jnp.asarray(ids[:-1].astype(np.uint32) * np.uint32(tables.num_chars) + ids[1:])
    slots, held = _table(np.unique(np.asarray(keys)))
    first, of_pairs, _ = _timed(compiled_pairs, keys, slots, held, jnp.asarray(tables.pair_rows[0]))
    _, in_numpy, _ = _timed(lambda: tables.pair_rows[0].take(tables.pairs.lookup(np.asarray(keys)), axis=0))
    print(f"a look-up of all pairs and their rows: numpy {in_numpy / million:.3f} s, XLA {of_pairs / million:.3f} s")


def _table(keys: np.ndarray) -> tuple[jax.Array, jax.Array]:
    """A table of the same load as the decoder's, for 32-bit arithmetic."""
    size = 1 << 21
    slots, held = np.full(size, 0xFFFFFFFF, np.uint32), np.zeros(size, np.int32)
    for number, key in enumerate(keys.tolist(), start=1):
        place = (key * 0x9E3779B1 & 0xFFFFFFFF) >> (33 - size.bit_length())
        while slots[place] != 0xFFFFFFFF:
            place = (place + 1) & (size - 1)
        slots[place], held[place] = key, number
    return jnp.asarray(slots), jnp.asarray(held)


if __name__ == "__main__":
    sys.exit(cli.run(main))
