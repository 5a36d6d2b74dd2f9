"""Texts as the pieces of an encoder's vocabulary, by the tokenizers library. Only this module imports it.

A folder's tokenizer.json is taken as it stands. Where there is vocab.txt alone, its pieces are those of BERT's own
`BasicTokenizer` and WordPiece, as tokenizer_config.json sets them.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from etm_jax.util.errors import UserError
from etm_jax.util.extras import require
from etm_jax.vectors.bert.config import BertConfig, read_json

TOKENIZER, VOCABULARY, SETTINGS, SENTENCES = (
    "tokenizer.json", "vocab.txt", "tokenizer_config.json", "sentence_bert_config.json"
)  # fmt: skip

_SPECIAL = {"unk": "[UNK]", "sep": "[SEP]", "pad": "[PAD]", "cls": "[CLS]", "mask": "[MASK]"}

_FEW = 0.9
"""A tokenizer with a smaller share of the model's vocabulary than this is another model's: models round theirs up."""

_BLOCK = 4096
"""Texts that are tokenised at once."""

_SURROGATES = str.maketrans(dict.fromkeys(range(0xD800, 0xE000), "\ufffd"))


class Pieces(NamedTuple):
    """The pieces of D texts, N in all.

    ids: [N] int32. starts: [D+1] int64, where each text begins and the last one ends. spans: [N, 2] int32, the
    characters of its text that each piece is made of, equal numbers for those that begin and end the text; None where
    they were not asked for. long: [D] bool, the texts that were longer than the model, and were cut off.
    """

    ids: np.ndarray
    starts: np.ndarray
    spans: np.ndarray | None
    long: np.ndarray


class TextPieces:
    """A folder's tokenizer.

    max_pieces: of a text, with those that begin and end it; the rest of a longer one is cut off. files: what it was
    read from.
    """

    def __init__(self, folder: Path, config: BertConfig) -> None:
        """Raises UserError where the library is not installed, or the folder has no tokenizer that fits the model."""
        require("tokenizers", "bert", "an encoder of the BERT family")
        settings = read_json(folder / SETTINGS) if (folder / SETTINGS).is_file() else {}
        sentences = read_json(folder / SENTENCES) if (folder / SENTENCES).is_file() else {}
        limits = (settings.get("model_max_length"), sentences.get("max_seq_length"))
        # Where nobody set one, transformers writes a number of thirty digits.
        given = [int(limit) for limit in limits if isinstance(limit, int | float) and 3 <= limit <= config.max_pieces]
        self.max_pieces = min(given, default=config.max_pieces)
        name = TOKENIZER if (folder / TOKENIZER).is_file() else VOCABULARY
        path = folder / name
        self.files = [file for file in (path, folder / SETTINGS, folder / SENTENCES) if file.is_file()]
        if not path.is_file():
            raise UserError(
                f"{folder} holds neither {TOKENIZER} nor {VOCABULARY}; write the former by transformers, "
                f"AutoTokenizer.from_pretrained(…).save_pretrained({folder.name!r})"
            )
        tokenizer = _from_json(path) if name == TOKENIZER else _from_vocabulary(path, settings)
        _check_fits(tokenizer, path, config)
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.max_pieces)
        self._tokenizer, self._path = tokenizer, path

    def __call__(self, texts: Sequence[str], spans: bool = False) -> Pieces:
        """The pieces of texts. What is no Unicode, as half of a pair of surrogates, is U+FFFD."""
        ids: list[np.ndarray] = []
        places: list[np.ndarray] = []
        lengths: list[int] = []
        long: list[bool] = []
        for found in self._encoded(texts, spans):
            ids.append(np.array(found.ids, np.int32))
            lengths.append(len(found.ids))
            long.append(bool(found.overflowing))
            if spans:
                places.append(np.array(found.offsets, np.int32).reshape(-1, 2))
        starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        return Pieces(
            np.concatenate(ids) if ids else np.zeros(0, np.int32),
            starts,
            (np.concatenate(places) if places else np.zeros((0, 2), np.int32)) if spans else None,
            np.array(long, bool),
        )

    def _encoded(self, texts: Sequence[str], spans: bool) -> Iterator[Any]:
        encode = self._tokenizer.encode_batch if spans else self._tokenizer.encode_batch_fast
        for low in range(0, len(texts), _BLOCK):
            some = [text.translate(_SURROGATES) for text in texts[low : low + _BLOCK]]
            try:
                found = encode(some)
            except Exception as error:  # As where the piece for what is unknown is none of the vocabulary.
                reason = (str(error).splitlines() or ["no reason is given"])[0][:200]
                raise UserError(f"{self._path} cannot cut a text into pieces ({reason}); copy it again") from error
            yield from found


def _from_json(path: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # The library raises a bare Exception.
        reason = (str(error).splitlines() or ["it is empty"])[0][:200]
        raise UserError(f"{path} is no tokenizer ({reason}); copy it again") from error


def _from_vocabulary(path: Path, settings: dict[str, Any]) -> Any:
    """BERT's tokenizer with the pieces of vocab.txt, one a line."""
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    try:
        # As transformers reads it: of a piece that stands there twice, the last number holds.
        lines = _lines(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as UTF-8 ({error}); copy it again") from error
    numbers = {piece: number for number, piece in enumerate(lines)}
    special = {kind: _content(settings.get(f"{kind}_token"), usual) for kind, usual in _SPECIAL.items()}
    for kind in ("unk", "cls", "sep"):
        if special[kind] not in numbers:
            raise UserError(f"{path} lacks {special[kind]}, so it is no vocabulary of BERT; copy it again")
    lower = settings.get("do_lower_case", True) is not False
    strip = settings.get("strip_accents")
    chinese = settings.get("tokenize_chinese_chars", True) is not False
    steps = [
        normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=chinese, strip_accents=False, lowercase=False),
        normalizers.NFC(),
    ]
    if lower:
        steps.append(normalizers.Lowercase())
    if strip or (strip is None and lower):
        steps += [normalizers.NFD(), normalizers.Replace(Regex(r"\p{Mn}"), "")]
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token=special["unk"], max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(
        (special["sep"], numbers[special["sep"]]), (special["cls"], numbers[special["cls"]])
    )
    known = [AddedToken(piece, special=True, normalized=False) for piece in special.values() if piece in numbers]
    tokenizer.add_special_tokens(known)
    return tokenizer


def _lines(path: Path) -> list[str]:
    # Not `splitlines`, since pieces may be characters that it parts lines at.
    lines = path.read_bytes().decode("utf-8").replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _content(given: object, usual: str) -> str:
    """A special piece as tokenizer_config.json has it: a text, or an object with its content."""
    content = given.get("content") if isinstance(given, dict) else given
    return content if isinstance(content, str) and content else usual


def _check_fits(tokenizer: Any, path: Path, config: BertConfig) -> None:
    """Raise UserError where the tokenizer's numbers are not those of the model's vocabulary."""
    pieces = tokenizer.get_vocab(with_added_tokens=True)
    largest = max(pieces.values(), default=-1)
    if largest >= config.vocab_size or len(pieces) < _FEW * config.vocab_size:
        raise UserError(
            f"{path} has {len(pieces):,} pieces, the largest with number {largest:,}, but the model's vocabulary has "
            f"{config.vocab_size:,}; copy both from one model"
        )
    for piece in ("[PAD]", "<pad>"):
        if pieces.get(piece, config.pad) != config.pad:
            raise UserError(
                f"{path} has {piece} as number {pieces[piece]}, but config.json says {config.pad}; copy both from one "
                "model"
            )
