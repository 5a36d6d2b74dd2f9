"""Strict switches for every test, and what several of them share."""

import dataclasses
import gc
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

from programs import folder_of_programs, forget_old_programs, write_whole_programs

# Compiling takes far longer than what the tests then compute: it is done quickly, and every program is kept, however
# small, for the other workers and for subprocesses: to read one takes a quarter of compiling it. `XLA_FLAGS= pytest`
# compiles as users' programs are compiled. Workers share the processors.
QUICKLY = [
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    # In one piece: the programs are small, and preparing up to 32 parts of each takes a fifth of compiling.
    "--xla_cpu_parallel_codegen_split_count=1",
]
if tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 11):
    # Newer ones have no other way to compile what is fused, and end where they are told to take it.
    QUICKLY += ["--xla_cpu_use_fusion_emitters=false", "--xla_llvm_force_inline_before_split=false"]
os.environ.setdefault("XLA_FLAGS", " ".join(QUICKLY))
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder_of_programs()))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import numpy as np
import pytest
import scipy.sparse as sp

from contexts import share_contexts
from etm_jax import ETM
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.types import Document, TokenStream
from etm_jax.corpus.words.segment import segment_documents
from etm_jax.corpus.words.tokenizer import cleaner
from etm_jax.models.base import Output, TopicModel
from etm_jax.models.batch import Batch
from etm_jax.models.layers import Variables
from etm_jax.models.noise import Noise, Posterior, draw

jax.config.update("jax_numpy_rank_promotion", "raise")
share_contexts()
write_whole_programs()
# Python looks for garbage after every 700 objects that it has not freed: after a whole module, with all that is traced
# and compiled in it, is soon enough. What is to be gone sooner is collected where it is.
gc.set_threshold(20_000, 20, 20)

pytest_plugins = ["quick"]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Bound what is kept of compiled programs, once the workers have ended."""
    if not hasattr(session.config, "workerinput"):
        forget_old_programs()


@pytest.fixture(scope="module", autouse=True)
def _kept_is_not_searched() -> None:
    """What is imported, compiled and cached so far is left out of what is searched for garbage.

    It is there to the end, and looking through it takes a third of a second. Reading damaged arrays does so twice.
    """
    gc.collect()
    gc.freeze()


def words_of(config: CorpusConfig, documents: list[Document], workers: int = 1) -> list[list[str]]:
    """The words of each document. config: resolved."""
    config, clean = dataclasses.replace(config, workers=workers), cleaner(config)
    lists = [tokens for some in segment_documents(lambda: iter(documents), config) for tokens in some.tokens.lists()]
    return [[word for word in map(clean, tokens) if word] for tokens in lists]


AS_IN_A_TERMINAL = ("env", "--default-signal=INT,HUP,TERM") if sys.platform == "linux" else ()
"""Before a command that is sent signals: what nohup or a shell's & had started would ignore some of them."""

needs_scale = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("grain", "array_record"))),
    reason="grain or array_record is not installed (extra: scale)",
)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared material that a checkout may have beside it: the paper's corpus and the yardstick."""
    folder = Path(os.environ.get("ETM_SHARED", Path(__file__).parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there (the paper's corpus and the yardstick; set ETM_SHARED)")
    return folder


def yardstick(shared: Path, export: Path) -> dict[str, float]:
    """What the yardstick finds in an export folder, by its own code but before it rounds for printing."""
    spec = importlib.util.spec_from_file_location("score", shared / "yardstick" / "score.py")
    score = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(score)
    said: list[dict[str, float]] = []
    vars(score).update(
        round=lambda value, _: value, print=lambda _: None, json=SimpleNamespace(dumps=lambda found: said.append(found))
    )
    score.main(export)
    return said[0]


@contextmanager
def double_precision() -> Iterator[None]:
    """JAX computes in double precision, so that tolerances can be those of the mathematics."""
    jax.config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", False)


@pytest.fixture
def float64() -> Iterator[None]:
    """Double precision for the whole test."""
    with double_precision():
        yield


def planted_counts(num_docs: int, vocab_size: int, num_topics: int, seed: int = 0, length: int = 30) -> sp.csr_matrix:
    """[D, V] counts of documents that speak of one topic each, a block of V // K words of its own, with some noise."""
    rng = np.random.default_rng(seed)
    width = vocab_size // num_topics
    topics = rng.integers(num_topics, size=num_docs)
    own = topics[:, None] * width + rng.integers(width, size=(num_docs, length))
    words = np.where(rng.random((num_docs, length)) < 0.9, own, rng.integers(vocab_size, size=(num_docs, length)))
    rows = np.repeat(np.arange(num_docs), length)
    counts = sp.csr_matrix(
        (np.ones(words.size, np.int32), (rows, words.ravel())), shape=(num_docs, vocab_size), dtype=np.int32
    )
    counts.sum_duplicates()
    return counts


def forward(module: TopicModel, variables: Variables, batch: Batch, noise: Noise) -> Output:
    """One pass as the paper has it, without refinement of the posterior."""
    objective = dataclasses.replace(module.objective, refine_steps=0)
    model = module.clone(objective=objective).with_variables(variables)
    return model.forward(model.read(batch, noise), batch, noise)


def posterior_of(module: TopicModel, variables: Variables, batch: Batch) -> Posterior:
    """q(δ | x) as the encoder gives it, without noise."""
    model = module.with_variables(variables)
    return model.encode(model.read(batch))


def topics_of(module: TopicModel, variables: Variables) -> jax.Array:
    """β: [K, V]."""
    return module.with_variables(variables).beta()


def draw_noise(key: jax.Array, module: TopicModel, batch_size: int) -> Noise:
    """ε and dropout's masks, all words visible."""
    return draw(key, batch_size, module.config.num_topics, module.dropout_layers())


def token_stream(documents: list[list[str]]) -> TokenStream:
    """The running text of segmented documents."""
    words = sorted({word for document in documents for word in document})
    ids = [words.index(word) for document in documents for word in document]
    starts = np.cumsum([0, *map(len, documents)])
    return TokenStream(words, np.array(ids, np.int32), starts.astype(np.int64))


THEMES = {
    "海": "海洋 船 港口 渔民 风浪 水手 灯塔 码头 潮水 鱼",
    "山": "山峰 森林 猎人 雪线 小路 溪水 松树 岩石 峡谷 鹿",
    "城": "城市 街道 地铁 工厂 工人 大楼 商店 广场 汽车 电影",
}


def themed_lines(num_docs: int = 120, seed: int = 0) -> list[str]:
    """Segmented Chinese lines that speak of one of three themes each, with a few common words."""
    rng = np.random.default_rng(seed)
    themes = [words.split() for words in THEMES.values()]
    return [
        " ".join(rng.choice(themes[i % 3], 12).tolist() + rng.choice(["的", "是", "在", "了"], 3).tolist())
        for i in range(num_docs)
    ]


def train_on_themes(folder: Path) -> Path:
    """The folder of a run on three themes, whose text is lines.txt in `folder`."""
    from etm_jax.cli import flags
    from etm_jax.cli.run import run

    corpus = folder / "lines.txt"
    corpus.write_text("\n".join(themed_lines()) + "\n", encoding="utf-8")
    run(*flags.parse(["train", f"--corpus={corpus}", *SMALL, f"--workdir={folder / 'run'}"]))
    return folder / "run"


@pytest.fixture
def lines_file(tmp_path: Path) -> Path:
    """A corpus of one document a line."""
    file = tmp_path / "故事 lines.txt"
    file.write_text("\n".join(themed_lines()) + "\n", encoding="utf-8")
    return file


SMALL = (
    "--segmenter=whitespace",
    "--n_topic=3",
    "--hidden=16",
    "--emb_dim=8",
    "--no_below=1",
    "--no_above=0.6",
    "--batch_size=32",
    "--num_epochs=6",
)
"""Flags of a run that takes a second."""


def small_etm(**given: object) -> ETM:
    """A model of one epoch in Python, for what does not depend on how well it is trained."""
    settings = {"hidden": (16,), "embed_dim": 8, "batch_size": 32}
    defaults = {"num_topics": 3, "segmenter": "whitespace", "no_below": 1, "no_above": 0.6, "num_epochs": 1}
    return ETM(**(defaults | {"settings": settings, "verbose": 0} | given))


@pytest.fixture(scope="session")
def fitted_etm() -> ETM:
    """`small_etm` of 60 `themed_lines`, which tests leave as it is."""
    return small_etm().fit(themed_lines(60))
