"""Folders of encoders as users bring them: whole, in parts, damaged, not fitting; and their tokenizers."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bert_folders import CONFIG, PIECES, random_state, write_folder

from etm_jax.util.errors import UserError
from etm_jax.util.tensor_files import write_tensors
from etm_jax.vectors.bert import encode_texts, model_digest
from etm_jax.vectors.bert.config import read_config
from etm_jax.vectors.bert.tokens import TextPieces
from etm_jax.vectors.bert.weights import read_params

TEXTS = ["海洋的船", "the sea ship", "山", "三体 电影 in the city!"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETM_JAX_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "model")


def params_equal(one: dict, other: dict) -> None:
    for name in ("word", "position", "scale", "bias"):
        np.testing.assert_array_equal(one[name], other[name])
    for name, values in one["layers"].items():
        np.testing.assert_array_equal(values, other["layers"][name])


def write_shards(folder: Path, state: dict[str, np.ndarray]) -> None:
    names = sorted(state)
    halves = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, some in halves.items():
        write_tensors(folder / file, {name: state[name] for name in some}, {})
    places = {name: file for file, some in halves.items() for name in some}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def test_weights_in_parts_and_under_a_prefix_are_the_same(folder: Path, tmp_path: Path) -> None:
    config = read_config(folder)
    whole = read_params(folder, config)
    state = random_state(CONFIG)
    write_shards(write_folder(tmp_path / "shards"), state)
    (tmp_path / "shards" / "model.safetensors").unlink()
    head = {"cls.predictions.decoder.weight": np.full((2, 2), np.nan, np.float32)}
    renamed = {f"bert.{name}".replace("LayerNorm.weight", "LayerNorm.gamma"): x for name, x in state.items()}
    write_folder(tmp_path / "prefix", renamed | head)
    for name in ("shards", "prefix"):
        params_equal(read_params(tmp_path / name, config), whole)


def test_half_precision_weights_are_read_as_they_are(tmp_path: Path) -> None:
    import ml_dtypes

    state = random_state(CONFIG)
    for dtype in (np.float16, ml_dtypes.bfloat16):
        half = {name: values.astype(dtype) for name, values in state.items()}
        found = read_params(write_folder(tmp_path / "half", half), read_config(tmp_path / "half"))
        expected = half["embeddings.word_embeddings.weight"].astype(np.float32)
        np.testing.assert_array_equal(found["word"], expected)


def test_a_torch_file_is_read_without_running_what_is_in_it(folder: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    config = read_config(folder)
    whole = read_params(folder, config)
    (folder / "model.safetensors").unlink()
    torch.save({name: torch.tensor(x) for name, x in random_state(CONFIG).items()}, folder / "pytorch_model.bin")
    params_equal(read_params(folder, config), whole)
    torch.save({"run": os.system}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="holds more than weights"):
        read_params(folder, config)


def of_config(**changed: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "config.json").write_text(json.dumps(CONFIG | changed))

    return change


def of_state(change: Callable[[dict[str, np.ndarray]], None]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        change(state := random_state(CONFIG))
        write_tensors(folder / "model.safetensors", state, {})

    return changed


def of_file(name: str, text: str | None) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        if text is None:
            (folder / name).unlink()
        else:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)

    return change


def nan_weight(state: dict[str, np.ndarray]) -> None:
    state["encoder.layer.2.output.dense.bias"][3] = np.nan


def more_layers(state: dict[str, np.ndarray]) -> None:
    state["encoder.layer.5.output.dense.weight"] = state["encoder.layer.4.output.dense.weight"]


def lost(state: dict[str, np.ndarray]) -> None:
    del state["encoder.layer.1.attention.self.key.bias"]


def wide(state: dict[str, np.ndarray]) -> None:
    state["embeddings.word_embeddings.weight"] = np.zeros((len(PIECES) + 1, 24), np.float32)


def another(state: dict[str, np.ndarray]) -> None:
    state |= {"wte.weight": state.pop("embeddings.word_embeddings.weight")}


SHARD_LIST = "model.safetensors.index.json"

FAULTS = {
    "no config": (of_file("config.json", None), r"config.json is missing; give the folder"),
    "no JSON": (of_file("config.json", "{"), r"config.json cannot be read"),
    "a list": (of_file("config.json", "[]"), r"config.json cannot be read"),
    "gpt2": (of_config(model_type="gpt2"), r"of a model of type 'gpt2'; give a folder of one of bert, roberta"),
    "no type": (of_config(model_type=None), r"of a model of type None"),
    "relative": (of_config(position_embedding_type="relative_key"), "relative positions"),
    "swish": (of_config(hidden_act="swish"), "hidden_act='swish' is not computed here"),
    "no number": (of_config(hidden_size="24"), "hidden_size='24' is no positive whole number"),
    "heads": (of_config(num_attention_heads=5), "hidden_size=24 is no multiple of num_attention_heads=5"),
    "a pad": (of_config(pad_token_id=3), r"has \[PAD\] as number 0, but config.json says 3"),
    "no room": (of_config(max_position_embeddings=2), "no room for a text"),
    "eps": (of_config(layer_norm_eps=-1), "layer_norm_eps=-1 is no small number"),
    "no weights": (of_file("model.safetensors", None), "holds no model.safetensors or pytorch_model.bin"),
    "no tensors": (of_file("model.safetensors", "PK no"), "cannot be read as safetensors"),
    "nan": (of_state(nan_weight), "encoder.layer.2.output.dense.bias holds nan or inf"),
    "a weight lost": (of_state(lost), "weights lack encoder.layer.1.attention.self.key.bias"),
    "a vocabulary": (of_state(wide), rf"is \[{len(PIECES) + 1}, 24\] where config.json asks for \[{len(PIECES)}, 24\]"),
    "more layers": (of_state(more_layers), "more layers than config.json says"),
    "no BERT": (of_state(another), "are of no BERT"),
    "no tokenizer": (of_file("vocab.txt", None), "holds neither tokenizer.json nor vocab.txt"),
    "short": (of_file("vocab.txt", "[UNK]\n[CLS]\n[SEP]\n"), "has 3 pieces, the largest with number 2, but the model"),
    "long": (
        of_file("vocab.txt", "\n".join([*PIECES, "more"])),
        f"with number {len(PIECES)}, but the model",
    ),
    "no UNK": (of_file("vocab.txt", "\n".join(PIECES[2:])), r"lacks \[UNK\]"),
    "broken tokenizer": (of_file("tokenizer.json", "{}"), "tokenizer.json is no tokenizer"),
    "dense": (of_file("modules.json", '[{"type": "models.Dense"}]'), "a module Dense, which is not computed"),
    "no modules": (of_file("modules.json", "{"), "modules.json cannot be read"),
    "max": (of_file("1_Pooling/config.json", '{"pooling_mode_max_tokens": true}'), "asks for pooling_mode_max_tokens"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_with_a_folder_is_said_in_one_line(fault: str, folder: Path) -> None:
    change, message = FAULTS[fault]
    change(folder)
    with pytest.raises(UserError, match=message) as caught:
        encode_texts(str(folder), TEXTS)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_that_fails_on_a_text_is_said_in_one_line(folder: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed (extra: bert)")
    given = {piece: number for number, piece in enumerate(PIECES)}
    tokenizers.Tokenizer(tokenizers.models.WordPiece(given, unk_token="[NONE]")).save(str(folder / "tokenizer.json"))
    with pytest.raises(UserError, match=r"tokenizer.json cannot cut a text into pieces \(WordPiece error"):
        encode_texts(str(folder), ["unknown"])


@pytest.mark.parametrize("places", ['{"a": "../a"}', '{"a": "gone.safetensors"}', "[]", "{}"])
def test_a_list_of_parts_names_files_that_lie_beside_it(places: str, folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / SHARD_LIST).write_text(f'{{"weight_map": {places}}}')
    with pytest.raises(UserError, match=r"names no files beside it|is missing; copy it too"):
        encode_texts(str(folder), TEXTS)


def test_no_folder_and_unknown_names_are_refused(folder: Path) -> None:
    for given, message in (
        ({"folder": f"{folder}x"}, "is no folder"),
        ({"pooling": "max"}, "pooling='max' is unknown; give one of cls, mean, last4"),
        ({"dtype": "float16"}, "dtype='float16'"),
    ):
        with pytest.raises(UserError, match=message):
            encode_texts(**({"folder": str(folder), "texts": TEXTS} | given))


def test_weights_that_overflow_are_found(folder: Path) -> None:
    state = random_state(CONFIG)
    state["encoder.layer.0.output.dense.weight"] *= np.float32(1e30)
    state["encoder.layer.0.output.dense.bias"] += np.float32(3e38)
    write_tensors(folder / "model.safetensors", state, {})
    with pytest.raises(UserError, match="gives nan or inf in float32"):
        encode_texts(str(folder), TEXTS)


def test_a_missing_tokenizers_library_names_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs tokenizers, which is not installed; pip install 'etm_jax\[bert\]'"):
        model_digest(str(folder))


def pieces_of(folder: Path, text: str) -> list[str]:
    return [PIECES[number] for number in TextPieces(folder, read_config(folder))([text]).ids]


@pytest.mark.parametrize(
    ("settings", "text", "pieces"),
    [
        ({}, "海洋Words,海", "海 洋 word ##s , 海"),
        ({}, "the\u3000sea\u00a0\t\r\nSHIP\x00\ufffd", "the sea ship"),
        ({}, "Café", "cafe"),
        ({}, "cafe\u0301 ΣΑΣ", "cafe σ ##α ##σ"),
        ({"do_lower_case": False}, "cafe\u0301 café", "café café"),
        ({"do_lower_case": False}, "The sea", "[UNK] sea"),
        ({"strip_accents": False}, "CAFÉ", "café"),
        ({"strip_accents": False}, "CAFÉ ΣΑΣ", "café σ ##α ##σ"),
        ({"tokenize_chinese_chars": False}, "海洋", "[UNK]"),
        ({}, "a [MASK] b《三体》1", "a [MASK] b 《 三 体 》 1"),
        ({}, "\u00ad\u200bx\u200dy\ue000", "x ##y"),
        ({}, "x" * 101, "[UNK]"),
        ({}, "1880 🙂", "1 ##8 ##8 ##0 [UNK]"),
        ({"unk_token": {"content": "[MASK]"}}, "nothing", "[MASK]"),
        ({}, "a \ud83d b", "a b"),
        ({}, "", ""),
    ],
)
def test_pieces_of_a_vocabulary_by_hand(settings: dict, text: str, pieces: str, folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    assert pieces_of(folder, text) == ["[CLS]", *pieces.split(), "[SEP]"]


def test_the_shortest_limit_that_is_given_cuts_texts(folder: Path) -> None:
    config, long = read_config(folder), "海 " * 50
    for name, limit, most in (
        ("tokenizer_config.json", {"model_max_length": 10**30}, 20),
        ("tokenizer_config.json", {"model_max_length": 12}, 12),
        ("sentence_bert_config.json", {"max_seq_length": 9}, 9),
    ):
        (folder / name).write_text(json.dumps(limit))
        found = TextPieces(folder, config)(["海", long])
        assert np.diff(found.starts).tolist() == [3, most]
        assert found.long.tolist() == [False, True]
        assert PIECES[found.ids[-1]] == "[SEP]"


def test_a_folder_with_positions_after_padding_has_room_for_fewer_pieces(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "roberta", model_type="roberta", pad_token_id=0)
    assert TextPieces(folder, read_config(folder)).max_pieces == 19
