"""Encoding sentences by a BERT of 6 layers, 384 wide, beside torch's transformers, in turn:

    pip install 'torch==2.13.0' transformers
    python -m benchmarks.bert

Both sides have the same random weights, pieces and batches, and give the mean of each sentence's pieces. torch computes
with two threads and, as a side of its own, with one.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.compare import Row, Side, measure, ratios
from etm_jax.cli import flags as cli
from etm_jax.util.console import show, table
from etm_jax.util.tensor_files import write_tensors

VOCABULARY, PIECES, BATCH = 21128, 32, 48
CONFIG = {
    "model_type": "bert",
    "vocab_size": VOCABULARY,
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}


def drawn(sentences: int) -> np.ndarray:
    """Random pieces, [sentences, PIECES] int32."""
    return np.random.default_rng(0).integers(5, VOCABULARY, (sentences, PIECES)).astype(np.int32)


def write_model(folder: Path) -> None:
    """A folder with random weights."""
    rng = np.random.default_rng(0)

    def weight(*shape: int) -> np.ndarray:
        return rng.normal(scale=0.02, size=shape).astype(np.float32)

    width, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    state = {
        "embeddings.word_embeddings.weight": weight(VOCABULARY, width),
        "embeddings.position_embeddings.weight": weight(512, width),
        "embeddings.token_type_embeddings.weight": weight(2, width),
    }
    norms = ["embeddings"]
    for index in range(CONFIG["num_hidden_layers"]):
        at = f"encoder.layer.{index}"
        norms += [f"{at}.attention.output", f"{at}.output"]
        for name, rows, columns in (
            *((f"attention.self.{part}", width, width) for part in ("query", "key", "value")),
            ("attention.output.dense", width, width),
            ("intermediate.dense", inner, width),
            ("output.dense", width, inner),
        ):
            state |= {f"{at}.{name}.weight": weight(rows, columns), f"{at}.{name}.bias": weight(rows)}
    for name in norms:
        state |= {f"{name}.LayerNorm.weight": 1 + weight(width), f"{name}.LayerNorm.bias": weight(width)}
    (folder / "config.json").write_text(json.dumps(CONFIG))
    write_tensors(folder / "model.safetensors", state, {"format": "pt"})
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*special, *(f"w{number}" for number in range(VOCABULARY - len(special)))]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")


def ours(folder: str, sentences: int) -> Callable[[], dict[str, float]]:
    """Encode by this package, from pieces to vectors in numpy."""
    from etm_jax.vectors.bert import model
    from etm_jax.vectors.bert.tokens import Pieces

    model.PIECES["cpu"] = BATCH * PIECES
    encoder, ids = model.Encoder(folder, "mean"), drawn(sentences)
    starts = np.arange(0, ids.size + 1, PIECES)

    def timed() -> dict[str, float]:
        begun = time.process_time()
        found = encoder.pooled(Pieces(ids.ravel(), starts, None, np.zeros(sentences, bool)), "bert")
        return {"checksum": float(np.abs(found).sum()), "cpu": time.process_time() - begun}

    timed()
    return timed


def theirs(folder: str, sentences: int, threads: int) -> Callable[[], dict[str, float]]:
    """The same by transformers, in inference mode."""
    import torch
    from transformers import BertModel

    torch.set_num_threads(threads)
    encoder, ids = BertModel.from_pretrained(folder, add_pooling_layer=False).eval(), torch.tensor(drawn(sentences))

    def timed() -> dict[str, float]:
        found, begun = [], time.process_time()
        with torch.inference_mode():
            for some in ids.split(BATCH):
                mask = torch.ones_like(some)
                pieces = encoder(input_ids=some, attention_mask=mask).last_hidden_state
                found.append((pieces * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))
        return {"checksum": float(torch.cat(found).abs().sum()), "cpu": time.process_time() - begun}

    timed()
    return timed


def main(argv: Sequence[str]) -> None:
    """Print medians of five repetitions, the ratios of those that ran one after the other, and peaks of memory."""
    sentences = int(argv[1]) if len(argv) > 1 else 2000
    with TemporaryDirectory() as place:
        write_model(Path(place))
        given = {"folder": place, "sentences": sentences}
        others = [
            Side(f"transformers, {n} thread{'s' * (n > 1)}", "benchmarks.bert:theirs", given | {"threads": n})
            for n in (2, 1)
        ]
        row = Row("bert", "Encoding", "run", Side("etm_jax", "benchmarks.bert:ours", given), tuple(others))
        measured = measure(row, Path(place) / "log.txt")
    lines = []
    for side in measured:
        if side.not_run:
            lines.append([side.name, f"not run: {side.not_run}", "", "", "", "", ""])
            continue
        of_ours = sorted(ratios(measured[0], side))
        spread = f"{of_ours[0]:.2f}–{of_ours[-1]:.2f}"
        middle, figures = of_ours[len(of_ours) // 2], side.figures[0]
        speed, checksum = f"{sentences / side.median:.0f}", f"{figures['checksum']:.2f}"
        cpu = f"{1000 * statistics.median(each['cpu'] for each in side.figures) / sentences:.2f}"
        lines.append([side.name, speed, f"{middle:.2f}", spread, cpu, f"{side.peak_mib:.0f}", checksum])
    header = ["side", "sentences/s", "time over ours", "range", "CPU ms a sentence", "peak MiB", "sum of |vectors|"]
    show(table(lines, header, "<>>>>>>"))


if __name__ == "__main__":
    sys.exit(cli.run(main))
