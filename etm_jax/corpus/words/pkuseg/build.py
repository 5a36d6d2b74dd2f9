"""From the strings of a pkuseg model to its tables."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from etm_jax.corpus.words.hash_table import HashTable
from etm_jax.corpus.words.pkuseg.model import PkusegModel
from etm_jax.corpus.words.pkuseg.symbols import char_map, symbols_of
from etm_jax.corpus.words.pkuseg.tables import DECIMAL, LONGEST, NEIGHBOUR_SLOTS, PAIRS, SINGLE, Tables, neighbour_slots
from etm_jax.corpus.words.word_hash import WordHashes

_NO_FEATURE = -1  # the last row of the weights, which is zero

_Couple = tuple[int, int]
_Features = Sequence[tuple[str, int]]


def build_tables(model: PkusegModel) -> Tables:
    """The tables of a model. For that of pkuseg it takes some 10 s, and 1 GB for that time."""
    by_kind = _by_kind(model.feature_index)
    numbers = _Numbers()
    single = [{numbers.of(rest): row for rest, row in by_kind[kind]} for kind in SINGLE]
    words = {word: symbols for word in sorted(model.words) if 2 <= len(symbols := symbols_of(word)) <= LONGEST}
    word_numbers = {word: i for i, word in enumerate(words, start=1)}
    trie = _Trie()
    for symbols in words.values():
        trie.add(symbols, [numbers.of(symbol) for symbol in symbols])
    pairs = _couples([by_kind[kind] for kind in PAIRS], ".", numbers.of, trie.of_two)
    touching = _couples([by_kind["ww.l"], by_kind["ww.r"]], "*", lambda word: word_numbers.get(word, 0))

    width = len(numbers.by_symbol) + 1
    single_features = np.full((len(SINGLE), width), _NO_FEATURE, np.int32)
    for column, row_of in zip(single_features, single, strict=True):
        row_of.pop(0, None)
        column[list(row_of)] = list(row_of.values())
    word_features = np.full((2, len(words) + 1), _NO_FEATURE, np.int32)
    for column, kind in zip(word_features, ("w1", "w-1"), strict=True):
        row_of = {word_numbers[rest]: row for rest, row in by_kind[kind] if rest in word_numbers}
        column[list(row_of)] = list(row_of.values())
    suffixes = _within(words, word_numbers, lambda symbols, size: symbols[-size:])
    prefixes = _within(words, word_numbers, lambda symbols, size: symbols[:size])

    weights = np.vstack([model.weights, np.zeros((1, model.weights.shape[1]))])
    rows, last, edge_rows = _rows_of(weights, model.edges)
    is_whole = len(last) > 0
    sums = rows if is_whole else np.zeros((len(rows), 0), np.int32)  # of which only whole numbers are added up here
    pair_features, touch_features = _columns(pairs.values(), len(PAIRS)), _columns(touching.values(), 2)
    node_words = np.array([word_numbers.get(prefix, 0) for prefix in trie.prefixes], np.int32)
    node_longest, node_rows = node_words.copy(), sums[word_features[0]][node_words]
    for node, (parent, _) in enumerate(trie.parents):
        node_longest[node] = node_longest[node] or node_longest[parent]
        node_rows[node] += node_rows[parent]
    deep = [node for node, (parent, _) in enumerate(trie.parents) if parent]
    chars, starts = _strings(sorted(model.dictionary))
    inside = np.ones(len(chars), bool)
    inside[starts[1:] - 1] = False
    inside = np.flatnonzero(inside)
    dict_pairs = np.zeros(NEIGHBOUR_SLOTS, bool)
    dict_pairs[neighbour_slots(chars[inside], chars[inside + 1])] = True
    return Tables(
        char_ids=char_map(numbers.by_symbol),
        bias=model.weights[0],  # pkuseg gives feature 0, the bias, to every character
        biased_rows=sums[single_features[0]] + sums[0],
        single_rows=rows[single_features],
        single_last=last[single_features] if is_whole else last,
        **_hashed("pair", _keys(pairs, width)),
        pair_rows=rows[pair_features],
        pair_last=last[pair_features] if is_whole else last,
        pair_nodes=np.array([0, *(trie.of_two.get(couple, 0) for couple in pairs)], np.int32),
        **_hashed("node", _keys([trie.parents[node] for node in deep], width), np.array(deep, np.int32)),
        node_words=node_words,
        node_longest=node_longest,
        node_rows=node_rows,
        word_rows=rows[word_features],
        word_last=last[word_features] if is_whole else last,
        end_rows=sums[word_features[1]][suffixes].sum(axis=1, dtype=np.int32),
        suffixes=suffixes,
        prefixes=prefixes,
        **_hashed("touch", _keys(touching, len(words) + 1)),
        touch_rows=rows[touch_features],
        touch_last=last[touch_features] if is_whole else last,
        edges=model.edges,
        edge_rows=edge_rows,
        starts_word=model.starts_word,
        **_hashed("dict", WordHashes.of(chars).ranges(starts[:-1], starts[1:])),
        dict_chars=chars,
        dict_starts=starts,
        dict_longest=np.array(np.diff(starts).max(initial=0)),
        dict_pairs=dict_pairs,
    )


class _Numbers:
    """The numbers of symbols, from 1."""

    def __init__(self) -> None:
        self.by_symbol: dict[str, int] = {}

    def of(self, text: str) -> int:
        """The number of the symbol that the text stands for, a new one if need be; 0 where it is not one symbol."""
        number = self.by_symbol.get(text)
        if number is None and symbols_of(text) == [text]:
            number = self.by_symbol[text] = len(self.by_symbol) + 1
        return number or 0


class _Trie:
    """Prefixes of words as nodes from 1, in an order in which shorter ones come first.

    prefixes, parents: of each node its string, and its parent with the number of the symbol that it adds. Those of two
    symbols have no parent; they are in `of_two` by both numbers.
    """

    def __init__(self) -> None:
        self.prefixes, self.parents = [""], [(0, 0)]
        self.of_two: dict[_Couple, int] = {}
        self._children: dict[_Couple, int] = {}

    def add(self, symbols: Sequence[str], ids: Sequence[int]) -> None:
        """Add a word of at least two symbols, with their numbers."""
        node = 0
        for size in range(2, len(ids) + 1):
            known, key = (self.of_two, (ids[0], ids[1])) if size == 2 else (self._children, (node, ids[size - 1]))
            if key not in known:
                known[key] = len(self.prefixes)
                self.prefixes.append("".join(symbols[:size]))
                self.parents.append((0, 0) if size == 2 else key)
            node = known[key]


def _by_kind(feature_index: Mapping[str, int]) -> dict[str, list[tuple[str, int]]]:
    """The features by what they are about, each without that and with its row."""
    kinds: dict[str, list[tuple[str, int]]] = {kind: [] for kind in (*SINGLE, *PAIRS, "w1", "w-1", "ww.l", "ww.r")}
    for feature, row in feature_index.items():
        kind, _, rest = feature.partition(".")
        if kind == "ww":
            side, _, rest = rest.partition(".")
            kind = f"ww.{side}"
        if kind in kinds:
            kinds[kind].append((rest, row))
    return kinds


def _couples(
    features: Sequence[_Features], between: str, number: Callable[[str], int], also: Iterable[_Couple] = ()
) -> dict[_Couple, list[int]]:
    """The rows of features about two things, one for each kind of feature, by the numbers of both.

    between: what parts the two in a feature. number: of each, 0 for one that no text has. also: further
    couples.
    """
    rows: dict[_Couple, list[int]] = {}
    for kind, of_kind in enumerate(features):
        for rest, row in of_kind:
            first, _, second = rest.partition(between)
            couple = number(first), number(second)
            if all(couple):
                rows.setdefault(couple, [_NO_FEATURE] * len(features))[kind] = row
    for couple in also:
        rows.setdefault(couple, [_NO_FEATURE] * len(features))
    return rows


def _within(
    words: Mapping[str, list[str]], numbers: Mapping[str, int], part: Callable[[list[str], int], list[str]]
) -> np.ndarray:
    """The words among the parts of each word, by size: [W+1, 5], 0 for none."""
    found = np.zeros((len(words) + 1, LONGEST - 1), np.int32)
    for i, symbols in enumerate(words.values(), start=1):
        for size in range(2, len(symbols) + 1):
            found[i, size - 2] = numbers.get("".join(part(symbols, size)), 0)
    return found


def _rows_of(weights: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, last tag's weights and edges of features [F+1, T], as `Tables` has them."""
    whole, whole_edges = np.rint(weights * DECIMAL), np.rint((edges - 1) * DECIMAL)
    decimals = np.array_equal(whole / DECIMAL, weights) and np.array_equal(1 + whole_edges / DECIMAL, edges)
    if not decimals or np.abs(whole).max() > np.iinfo(np.int32).max // 1000:
        return weights, np.zeros(0, np.int32), np.zeros((0, 0), np.int32)
    relative = (whole[:, :-1] - whole[:, -1:]).astype(np.int32)
    return relative, whole[:, -1].astype(np.int32), whole_edges.astype(np.int32)


def _keys(couples: Iterable[_Couple], width: int) -> np.ndarray:
    """[n] uint64."""
    both = np.array(list(couples), np.uint64).reshape(-1, 2)
    return both[:, 0] * np.uint64(width) + both[:, 1]


def _hashed(name: str, keys: np.ndarray, values: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """The table of keys and their values, else their places from 1, as fields of `Tables`."""
    table = HashTable.of(keys, np.arange(1, len(keys) + 1, dtype=np.int32) if values is None else values)
    return {f"{name}_keys": table.keys, f"{name}_values": table.values}


def _columns(rows: Iterable[list[int]], kinds: int) -> np.ndarray:
    """[kinds, n+1], the first without features."""
    return np.ascontiguousarray(np.array([[_NO_FEATURE] * kinds, *rows], np.int32).T)


def _strings(words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The characters of all words [C] uint32, and where each begins [n+1] int64."""
    chars = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), np.uint32)
    return chars, np.concatenate([[0], np.cumsum(list(map(len, words)))]).astype(np.int64)
