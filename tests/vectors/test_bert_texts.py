"""Texts to vectors by an encoder: batches, padding, what is cut off, the cache, devices, precision, poolings."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from bert_folders import CONFIG, PIECES, numpy_states, random_state, write_folder

import forked
from etm_jax.util.tensor_files import write_tensors
from etm_jax.vectors.bert import cache as caches
from etm_jax.vectors.bert import encode_texts, model_digest
from etm_jax.vectors.bert.model import SHAPES, Encoder, batches

WORDS = [piece for piece in PIECES if len(piece) == 1 and "\u4e00" < piece < "\u9fff"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ETM_JAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "bert"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(write_folder(tmp_path / "model"))


def drawn_texts(number: int = 40, longest: int = 16) -> list[str]:
    rng = np.random.default_rng(5)
    return ["".join(rng.choice(WORDS, rng.integers(0, longest))) for _ in range(number)]


def test_vectors_are_those_of_the_formulas(folder: str) -> None:
    state = random_state(CONFIG)
    for text in ("海洋", "三体 the sea!"):
        encoder = Encoder(folder)
        ids = encoder.tokenize([text]).ids[None]
        states = numpy_states(CONFIG, state, ids, np.ones_like(ids))
        expected = {"cls": states[-1, 0, 0], "mean": states[-1, 0].mean(axis=0), "last4": states[-4:, 0].mean((0, 1))}
        for pooling, vector in expected.items():
            np.testing.assert_allclose(encode_texts(folder, [text], pooling).matrix[0], vector, atol=1e-5)


def test_a_text_has_the_same_vector_alone_and_among_others_in_any_order(folder: str) -> None:
    texts = drawn_texts()
    together = encode_texts(folder, texts).matrix
    for row in (0, 7, 23):
        np.testing.assert_allclose(encode_texts(folder, texts[row : row + 1]).matrix[0], together[row], atol=1e-6)
    order = np.random.default_rng(0).permutation(len(texts))
    shuffled = encode_texts(folder, [texts[row] for row in order]).matrix
    np.testing.assert_allclose(shuffled, together[order], atol=1e-6)
    twice = encode_texts(folder, [*texts, *texts]).matrix
    np.testing.assert_array_equal(twice[: len(texts)], twice[len(texts) :])


def test_no_texts_and_empty_ones(folder: str) -> None:
    assert encode_texts(folder, []).matrix.shape == (0, 24)
    found = encode_texts(folder, ["", " ", "海"]).matrix
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 0.1


def test_longer_texts_are_cut_off_and_counted(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    # 20 positions: 18 pieces between those that begin and end the text.
    exact, long = "海洋山峰城市" * 3, "海洋山峰城市" * 3 + "船鱼"
    found = encode_texts(folder, [exact, long, long, "海"])
    assert found.truncated == 2
    np.testing.assert_allclose(found.matrix[1], found.matrix[0], atol=1e-6)
    assert "2 of 4 texts are longer than the 20 pieces that" in capsys.readouterr().err
    assert encode_texts(folder, [exact, long, long, "海"]).truncated == 2  # From the cache.
    assert encode_texts(folder, [exact]).truncated == 0


def test_what_is_kept_is_not_computed_again(folder: str, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, computed = drawn_texts(10), []
    pooled = Encoder.pooled
    monkeypatch.setattr(Encoder, "pooled", lambda *given: computed.append(1) or pooled(*given))
    first = encode_texts(folder, texts)
    again = encode_texts(folder, texts)
    assert len(computed) == 1
    assert again.matrix.tobytes() == first.matrix.tobytes()
    assert again.digest == first.digest == model_digest(folder)
    for other in ({"texts": texts[::-1]}, {"pooling": "cls"}, {"dtype": "bfloat16"}):
        encode_texts(**({"folder": folder, "texts": texts} | other))
    assert len(computed) == 4
    for file in own_cache.iterdir():
        file.write_bytes(file.read_bytes()[:-40])
    np.testing.assert_array_equal(encode_texts(folder, texts).matrix, first.matrix)
    assert len(computed) == 5


def test_a_cache_that_cannot_be_written_costs_time_alone(folder: str, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ETM_JAX_CACHE", str(tmp_path / "file"))
    texts = drawn_texts(4)
    np.testing.assert_array_equal(encode_texts(folder, texts).matrix, encode_texts(folder, texts).matrix)


def test_what_was_used_longest_ago_leaves_the_cache(
    folder: str, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caches, "MOST", 3000)
    for number in range(1, 6):
        encode_texts(folder, drawn_texts(number))
    assert sum(file.stat().st_size for file in own_cache.iterdir()) <= 3000


def test_the_digest_is_that_of_weights_settings_tokenizer_and_pooling(folder: str) -> None:
    path, seen = Path(folder), [model_digest(folder), model_digest(folder, "cls")]
    changes = {
        "config.json": json.dumps(CONFIG | {"layer_norm_eps": 1e-9}),
        "vocab.txt": "\n".join([*PIECES[:-1], "other"]),
        "tokenizer_config.json": '{"do_lower_case": false}',
        "1_Pooling/config.json": '{"pooling_mode_cls_token": true}',
    }
    for name, text in changes.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(text)
        seen.append(model_digest(folder))
    # The last is not that of cls asked for, as the other files have changed.
    write_tensors(path / "model.safetensors", random_state(CONFIG, seed=1), {})
    seen.append(model_digest(folder))
    assert len(set(seen)) == len(seen)
    assert all(len(digest) == 64 for digest in seen)


def test_several_devices_give_what_one_does(folder: str, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("\n".join(drawn_texts(37)), encoding="utf-8")
    found = {}
    for devices in (1, 3):
        flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
        given = [folder, str(tmp_path / "lines.txt"), str(tmp_path / f"{devices}.npz")]
        done = forked.run(
            [sys.executable, str(Path(__file__).with_name("encode_on_devices.py")), *given],
            env=os.environ | {"XLA_FLAGS": flags, "ETM_JAX_CACHE": str(tmp_path / str(devices))},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        found[devices] = np.load(given[-1])
        assert found[devices]["devices"] == devices
    np.testing.assert_allclose(found[3]["matrix"], found[1]["matrix"], atol=1e-6)


def test_bfloat16_is_near(folder: str) -> None:
    texts = drawn_texts()
    exact, near = (encode_texts(folder, texts, dtype=dtype).matrix for dtype in ("float32", "bfloat16"))
    assert near.dtype == np.float32
    assert np.linalg.norm(near - exact) < 0.03 * np.linalg.norm(exact)
    assert np.abs(near - exact).max() > 0


def test_a_folder_says_how_its_pieces_become_one_vector(folder: str) -> None:
    texts, path = drawn_texts(5), Path(folder)
    by_name = {name: encode_texts(folder, texts, name).matrix for name in ("mean", "cls")}
    np.testing.assert_array_equal(encode_texts(folder, texts).matrix, by_name["mean"])
    (path / "1_Pooling").mkdir()
    (path / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": 24, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False})
    )
    np.testing.assert_allclose(encode_texts(folder, texts).matrix, by_name["cls"], atol=1e-6)
    types = [f"sentence_transformers.models.{name}" for name in ("Transformer", "Pooling", "Normalize")]
    (path / "modules.json").write_text(json.dumps([{"type": kind} for kind in types]))
    unit = by_name["cls"] / np.linalg.norm(by_name["cls"], axis=1, keepdims=True)
    np.testing.assert_allclose(encode_texts(folder, texts).matrix, unit, atol=1e-6)


def test_batches_hold_every_text_once_in_few_shapes() -> None:
    lengths = np.random.default_rng(0).integers(3, 700, 2000)
    for platform, devices in (("cpu", 1), ("cpu", 3), ("tpu", 4)):
        plan = batches(lengths, 699, platform, devices)
        assert sorted(np.concatenate([rows for rows, _ in plan]).tolist()) == list(range(2000))
        for rows, (count, width) in plan:
            assert len(rows) <= count
            assert count % devices == 0
            assert lengths[rows].max() <= width <= 699
        # Only the last one may have another number of texts than its length allows.
        assert len({shape for _, shape in plan}) <= len(SHAPES) + 2
    assert batches(lengths[:0], 699, "cpu", 2) == []
