"""Encoders and tokenizers beside those of torch's transformers, where it is installed: pip install transformers.

The slow tokenizer, Python alone, is that of transformers below 5.
"""

import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bert_folders import CONFIG, PIECES, write_folder

from conftest import double_precision
from etm_jax.vectors.bert import encode_texts
from etm_jax.vectors.bert.config import read_config
from etm_jax.vectors.bert.encoder import hidden_states
from etm_jax.vectors.bert.tokens import TextPieces
from etm_jax.vectors.bert.weights import read_params

os.environ.setdefault("HF_HUB_OFFLINE", "1")
torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")

SMALL = {
    "vocab_size": len(PIECES),
    "hidden_size": 48,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "max_position_embeddings": 40,
}

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", {}),
    "chinese-roberta-wwm, macbert, bge": ("Bert", {"pad_token_id": 0, "layer_norm_eps": 1e-12}),
    "minilm": ("Bert", {"hidden_size": 36, "num_attention_heads": 6}),
    "multilingual-e5-small": ("Bert", {"hidden_act": "gelu", "pad_token_id": 1}),
    "gelu_new": ("Bert", {"hidden_act": "gelu_new"}),
    "roberta": ("Roberta", {"pad_token_id": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5}),
    "xlm-roberta": ("XLMRoberta", {"pad_token_id": 1, "type_vocab_size": 1}),
    "camembert": ("Camembert", {"pad_token_id": 1, "type_vocab_size": 1}),
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETM_JAX_CACHE", str(tmp_path / "cache"))


def model_of(name: str, folder: Path) -> Any:
    """A model with random weights that all matter, saved to a folder as transformers does, with a vocabulary."""
    kind, changed = MODELS[name]
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**(SMALL | changed))
    model = getattr(transformers, f"{kind}Model")(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * (0.3 if weight.ndim == 1 else 0.2))
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return model


@pytest.mark.parametrize("name", MODELS)
def test_hidden_states_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    model = model_of(name, tmp_path)
    config = read_config(tmp_path)
    lengths = np.array([30, 1, 17, 4], np.int32)
    mask = (np.arange(30) < lengths[:, None]).astype(np.int64)
    drawn = np.random.default_rng(0).integers(2, config.vocab_size, mask.shape)
    ids = np.where(mask == 1, drawn, config.pad)
    for double, near in ((False, 1e-5), (True, 1e-10)):
        model = model.double() if double else model
        with torch.inference_mode():
            given = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
            theirs = torch.stack(model(**given, output_hidden_states=True).hidden_states).numpy()
        if double:
            with double_precision():
                params = read_params(tmp_path, config, np.float64)
                ours = np.asarray(hidden_states(params, config, ids.astype(np.int32), lengths))
        else:
            ours = np.asarray(hidden_states(read_params(tmp_path, config), config, ids.astype(np.int32), lengths))
        real = mask == 1
        assert ours.dtype == theirs.dtype
        worst = np.abs(ours[:, real] - theirs[:, real]).max()
        print(f"{name}: float{64 if double else 32}, largest difference {worst:.1e}")
        assert worst < near


ODD = [
    "海洋里的一艘船，the Sea Ship!",
    "三体III：死神永生（2010年）",
    "naïve café CAFÉ cafe\u0301",
    "ΣΑΣ ΟΔΥΣΣΕΥΣ Σ aΣ Σa A.Σ. ΑΣ'Α",
    "İstanbul Iı ẞ ß ŉ ǰ ﬁ",
    "zero\u200bwidth \u00ad soft \ufeff bom \u2028 line \u2029 para \x85 nel \x0b vt \x1c fs",
    "\ufffd \x00 \x07 bell \ue000 private \U000e0001 tag",
    "ｆｕｌｌ　ｗｉｄｔｈ １２３，。！",
    "한국어 텍스트 カタカナ ひらがな ｶﾀｶﾅ",
    "हिन्दी देवनागरी ภาษาไทย العربية עִבְרִית",
    "🙂👩‍👩‍👧‍👦🇨🇳 e\u0301\u0302\u0303",
    "[CLS] [MASK] [PAD]海[SEP]x[UNK] [mask]",
    "a" * 100 + " " + "a" * 101,
    "http://x.y/z?a=1&b=2 #tag @me $1.80 1,880 50% C++ a_b ~`^|",
    "\U00020000\U0002f800㐀豈﨎",
    "《三体》 — “quotes” ‘x’ … ·",
    "",
    " \t\n ",
]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"do_lower_case": False},
        {"strip_accents": False},
        {"do_lower_case": False, "strip_accents": True},
        {"tokenize_chinese_chars": False},
    ],
)
def test_pieces_are_those_of_the_slow_tokenizer(settings: dict[str, bool], tmp_path: Path) -> None:
    if int(transformers.__version__.partition(".")[0]) >= 5:
        pytest.skip("transformers from 5 on has no slow tokenizer of BERT: letters with separate accents stay so there")
    letters = sorted(
        {c for text in ODD for form in (text, text.lower(), unicodedata.normalize("NFD", text)) for c in form}
    )
    pieces = [*PIECES, *(c for c in letters if not c.isspace() and c not in PIECES)]
    pieces += [f"##{c}" for c in letters if not c.isspace() and f"##{c}" not in pieces]
    write_folder(tmp_path, {}, vocab_size=len(pieces), max_position_embeddings=512)
    (tmp_path / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8", newline="\n")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    slow = transformers.BertTokenizer(str(tmp_path / "vocab.txt"), **settings)
    ours = TextPieces(tmp_path, read_config(tmp_path))
    rng = np.random.default_rng(0)
    # The slow one parts lines of its vocabulary at what only some take for their ends.
    assert len(slow) == len(pieces)
    mixed = ["".join(rng.choice(letters, 12)) for _ in range(300)]
    for text in [*ODD, *mixed]:
        found = [pieces[number] for number in ours([text]).ids]
        assert found == slow.convert_ids_to_tokens(slow(text)["input_ids"]), ascii(text)


@pytest.mark.parametrize("pooling", ["cls", "mean", "last4"])
def test_texts_are_truncated_and_pooled_alike(pooling: str, tmp_path: Path) -> None:
    model = model_of("bert", tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"model_max_length": 24}')
    tokenizer = transformers.BertTokenizerFast(str(tmp_path / "vocab.txt"), model_max_length=24)
    texts = ["海洋的船", "", "the sea ship, words! " * 9, "三体 电影 in the city " * 2, "山"]
    given = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        found = model(**given, output_hidden_states=True)
        mask = given["attention_mask"][..., None].float()
        pieces = torch.stack(found.hidden_states[-4:]).mean(0) if pooling == "last4" else found.last_hidden_state
        mean = (pieces * mask).sum(1) / mask.sum(1)
        theirs = (found.last_hidden_state[:, 0] if pooling == "cls" else mean).numpy()
    ours = encode_texts(str(tmp_path), texts, pooling)
    np.testing.assert_allclose(ours.matrix, theirs, atol=1e-5)
    full = tokenizer(texts)["input_ids"]
    assert ours.truncated == sum(len(ids) > 24 for ids in full) > 0


def test_a_tokenizer_that_transformers_saved_gives_its_pieces(tmp_path: Path) -> None:
    write_folder(tmp_path, {}, vocab_size=len(PIECES))
    tokenizer = transformers.BertTokenizerFast(str(tmp_path / "vocab.txt"), model_max_length=20)
    (tmp_path / "vocab.txt").unlink()
    tokenizer(["海洋"], padding="max_length", truncation=True)  # Which leaves padding and a limit in the file.
    tokenizer.save_pretrained(tmp_path)
    assert (tmp_path / "tokenizer.json").is_file()
    for text in ODD:
        expected = tokenizer(text, truncation=True)["input_ids"]
        assert TextPieces(tmp_path, read_config(tmp_path))([text]).ids.tolist() == expected
    assert CONFIG["vocab_size"] == len(PIECES)
