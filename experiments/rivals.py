"""One fit of one rival: other people's topic models, by their own packages, on the counts of a folder.

    .venv-rivals/bin/python -m experiments.rivals RIVAL FOLDER OUT [--n_topic=50] [--seed=1] [--minutes=15]
    .venv-rivals/bin/python -m experiments.rivals vectors FOLDER FOLDER

FOLDER: train.npz, test_h1.npz, test_h2.npz [documents, V] and vocab.txt; texts_train.txt and texts_test.txt, a document
a line, and word_vectors.npy [V, L] where the corpus has them. What it computes of the documents once, their vectors, it
keeps there. OUT gets beta.npy [K, V], theta_train.npy, theta_test_h1.npy and theta_test.npy [documents, K], told.json,
and log_px.npy, log p(w | document) at the nonzeros of test_h2, of a model that is no mixture of topics. θ of a model
that can leave documents out has one more column, which is those documents'.

It is run by an environment that `make rivals` makes, and imports nothing of etm_jax. A fit that takes longer than
it may is ended by SIGXCPU; those that are trained by epochs stop before, and are measured as they are.
"""

import argparse
import json
import math
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from experiments.rival_job import CORES, DENSE, PARTS, Job, cores, encode

SHORT = 30
"""Documents of fewer words than this in the mean are short text: ECRTM has settings for such, and for others."""


class Found(NamedTuple):
    """A fitted model. theta: [D, K] by the part's name.

    mixture: p(w | document) is θβ; log_px: where it is something else, its logarithms at the nonzeros of test_h2.
    stopped: how far it came where it ran out of time. seconds: from counts to topics.
    """

    beta: np.ndarray
    theta: dict[str, np.ndarray]
    seconds: float
    mixture: bool
    log_px: np.ndarray | None = None
    stopped: str = ""


def _rows_to_one(weights: np.ndarray) -> np.ndarray:
    """Rows of nothing become even."""
    total = weights.sum(axis=1, keepdims=True)
    return np.where(total > 0, weights / np.where(total > 0, total, 1), 1 / weights.shape[1])


def _seed_torch(seed: int) -> None:
    import torch

    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # What FASTopic shuffles by.


def _log_px_of(distribution: Callable[[slice], np.ndarray], half2: sp.csr_matrix) -> np.ndarray:
    """Logarithms of p(w | document) + 1e-12 at the nonzeros of half2. distribution: [n, V] of some documents."""
    found = []
    for start in range(0, half2.shape[0], 500):
        some = half2[start : start + 500].tocoo()
        found.append(np.log(distribution(slice(start, start + 500))[some.row, some.col].astype(np.float64) + 1e-12))
    return np.concatenate(found)


def _import_topmost() -> None:
    """topmost asks for torchvision, but only to fetch corpora with it: a module of that name will do."""
    import sentence_transformers  # noqa: F401  # First, as it looks for torchvision itself.

    names = ("torchvision", "torchvision.datasets", "torchvision.datasets.utils")
    stand_in = ModuleType(names[-1])
    vars(stand_in)["download_url"] = None
    sys.modules |= dict.fromkeys(names, stand_in)
    import topmost  # noqa: F401

    for name in names:
        del sys.modules[name]


def _topmost(
    job: Job, model: Any, epochs: int, batch_size: int, learning_rate: float, halved: bool
) -> tuple[Any, float]:
    """A model of topmost, trained by its own trainer; and its seconds. halved: the rate, every 125 epochs."""
    import torch
    from topmost.trainers.basic import basic_trainer

    class Data:
        train_data = job.dense("train")
        vocab = job.words
        train_dataloader = torch.utils.data.DataLoader(train_data, batch_size=batch_size, shuffle=True)

    basic_trainer.tqdm = job.epochs
    schedule = "StepLR" if halved else None
    trainer = basic_trainer.BasicTrainer(
        model, Data(), epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, lr_scheduler=schedule
    )
    # Its own passes an argument that torch has dropped.
    trainer.make_lr_scheduler = lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 125, gamma=0.5)
    trainer.train()
    return trainer, job.seconds()


def _theta_of_topmost(job: Job, trainer: Any) -> dict[str, np.ndarray]:
    return {part: np.asarray(trainer.test(job.dense(part))) for part in PARTS}


def _word_vectors(job: Job) -> np.ndarray | None:
    file = job.folder / "word_vectors.npy"
    return np.load(file).astype(DENSE) if file.is_file() else None


def ecrtm(job: Job) -> Found:
    """Wu et al. 2023, by topmost, with its settings for 20NG, or for AGNews where documents are short."""
    import torch

    _import_topmost()
    from topmost import ECRTM

    _seed_torch(job.seed)
    counts = job.counts["train"]
    weight, temperature = (5.0, 0.1) if counts.sum() / counts.shape[0] < SHORT else (250.0, 0.2)
    model = ECRTM(
        len(job.words), job.num_topics, pretrained_WE=_word_vectors(job), beta_temp=temperature, weight_loss_ECR=weight
    )
    trainer, seconds = _topmost(job, model, 500, 200, 0.002, halved=True)
    theta, beta = _theta_of_topmost(job, trainer), trainer.get_beta()

    def distribution(some: slice) -> np.ndarray:
        with torch.no_grad():
            mixed = torch.from_numpy(theta["test_h1"][some].astype(DENSE) @ beta)
            return torch.softmax(model.decoder_bn(mixed), dim=1).numpy()

    model.eval()
    return Found(beta, theta, seconds, False, _log_px_of(distribution, job.half2), job.stopped)


def etm(job: Job) -> Found:
    """Dieng et al. 2020, by topmost, with its settings. Word vectors are learned, from those of the corpus if any."""
    _import_topmost()
    from topmost import ETM

    _seed_torch(job.seed)
    model = ETM(len(job.words), num_topics=job.num_topics, pretrained_WE=_word_vectors(job), train_WE=True)
    trainer, seconds = _topmost(job, model, 200, 200, 0.002, halved=False)
    return Found(trainer.get_beta(), _theta_of_topmost(job, trainer), seconds, True, stopped=job.stopped)


def fastopic(job: Job) -> Found:
    """Wu et al. 2024, with the package's settings, on `use` vectors."""
    import torch
    from fastopic import FASTopic

    _seed_torch(job.seed)
    vectors = job.vectors()

    class Counts:
        @staticmethod
        def preprocess(_: object) -> dict[str, Any]:
            return {"train_bow": job.counts["train"], "vocab": job.words}

    vars(sys.modules[FASTopic.__module__])["tqdm"] = job.epochs
    model = FASTopic(job.num_topics, Counts(), doc_embed_model=object(), device="cpu")
    model.fit_transform([""] * len(vectors["train"]), preset_doc_embeddings=vectors["train"])
    seconds = job.seconds()
    theta = {part: model.transform(doc_embeddings=torch.from_numpy(vectors[part])) for part in PARTS}
    return Found(_rows_to_one(model.get_beta()), theta, seconds, True, stopped=job.stopped)


def combinedtm(job: Job) -> Found:
    """Bianchi et al. 2021, by its authors' package with its settings, on `use` vectors."""
    import torch
    from contextualized_topic_models.datasets.dataset import CTMDataset
    from contextualized_topic_models.models.ctm import CombinedTM

    class Limited(CombinedTM):
        def _train_epoch(self, loader: Any) -> tuple[int, float]:
            if time.process_time() > job.limit:
                job.stopped = job.stopped or f"{self.nn_epoch} of {self.num_epochs} epochs"
                return 0, 0.0
            return super()._train_epoch(loader)

    _seed_torch(job.seed)
    vectors, names = job.vectors(), dict(enumerate(job.words))
    data = {part: CTMDataset(vectors[part], job.counts[part], names) for part in PARTS}
    sizes = {"bow_size": len(job.words), "contextual_size": vectors["train"].shape[1]}
    model = Limited(**sizes, n_components=job.num_topics, num_data_loader_workers=0)
    model.fit(data["train"], do_train_predictions=False)
    seconds = job.seconds()
    theta = {part: np.asarray(model.get_thetas(data[part], n_samples=20)) for part in PARTS}
    network = model.model.eval()

    def distribution(some: slice) -> np.ndarray:
        with torch.no_grad():
            mixed = torch.from_numpy(theta["test_h1"][some].astype(DENSE)) @ network.beta
            return torch.softmax(network.beta_batchnorm(mixed), dim=1).numpy()

    beta = np.asarray(model.get_topic_word_matrix())
    return Found(beta, theta, seconds, False, _log_px_of(distribution, job.half2), job.stopped)


def bertopic_kmeans(job: Job) -> Found:
    """Grootendorst 2022 on `use` vectors, with k-means for as many topics as are wanted."""
    from sklearn.cluster import KMeans

    return _bertopic(job, KMeans(job.num_topics, random_state=job.seed), None)


def bertopic(job: Job) -> Found:
    """Grootendorst 2022 on `use` vectors, with the package's settings: HDBSCAN, and its topics joined to so many."""
    return _bertopic(job, None, job.num_topics + 1)


def _bertopic(job: Job, clusters: Any, joined: int | None) -> Found:
    from bertopic import BERTopic
    from umap import UMAP

    vectors = job.vectors()
    reduced = UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=job.seed)
    model = BERTopic(
        language="multilingual",
        umap_model=reduced,
        hdbscan_model=clusters,
        nr_topics=joined,
        vectorizer_model=job.count_vectorizer(),
    )
    topics = {"train": np.asarray(model.fit_transform(job.bags("train"), vectors["train"])[0])}
    seconds = job.seconds()
    for part in PARTS[1:]:
        topics[part] = np.asarray(model.transform(job.bags(part), vectors[part])[0])
    outliers = model._outliers
    beta = np.asarray(model.c_tf_idf_.todense())[outliers:]
    theta = {part: np.eye(len(beta) + outliers)[topics[part]] for part in PARTS}
    return Found(beta, theta, seconds, False)


def keynmf(job: Job) -> Found:
    """Kristensen-McLachlan et al. 2024, by turftopic with its settings, on `use` vectors."""
    from turftopic import KeyNMF

    class Words:
        @staticmethod
        def encode(columns: Iterable[str]) -> np.ndarray:
            return encode([job.words[int(j)] for j in columns])

    vectors = job.vectors()
    model = KeyNMF(job.num_topics, encoder=Words(), vectorizer=job.count_vectorizer(), random_state=job.seed)
    weights = {"train": model.fit_transform(job.bags("train"), embeddings=vectors["train"])}
    seconds = job.seconds()
    for part in PARTS[1:]:
        weights[part] = model.transform(job.bags(part), embeddings=vectors[part])
    beta = np.zeros((job.num_topics, len(job.words)))
    beta[:, model.get_vocab().astype(int)] = model.components_
    return Found(beta, {part: _rows_to_one(weights[part]) for part in PARTS}, seconds, False)


def topica_lda(job: Job) -> Found:
    """MALLET's LDA in Rust, by topica with its settings: 1,000 sweeps, two threads."""
    import topica

    model = topica.LDA(job.num_topics, seed=job.seed, num_threads=cores())
    documents = job.tokens("train")
    job.started = time.perf_counter()
    return _topica(job, model, model.fit(documents, keep_theta_draws=False, check_every=0))


def topica_etm(job: Job) -> Found:
    """Dieng et al. 2020 in Rust, by topica with its settings; the vectors of words are given ones, or `use`."""
    import topica

    given = _word_vectors(job)
    vectors = encode(job.words) if given is None else given
    names = [str(j) for j in range(len(job.words))]
    model = topica.ETM(job.num_topics, seed=job.seed)
    return _topica(job, model, model.fit(job.tokens("train"), vectors.astype(np.float64), names))


def _topica(job: Job, model: Any, _: Any) -> Found:
    seconds = job.seconds()
    beta = np.zeros((job.num_topics, len(job.words)))
    beta[:, np.array(model.vocabulary).astype(int)] = model.topic_word
    theta = {"train": model.doc_topic}
    for part in PARTS[1:]:
        theta[part] = np.asarray(model.transform(job.tokens(part)))
    return Found(beta, theta, seconds, True)


RIVALS: dict[str, Callable[[Job], Found]] = {
    "ecrtm": ecrtm,
    "etm": etm,
    "fastopic": fastopic,
    "combinedtm": combinedtm,
    "bertopic": bertopic,
    "bertopic_kmeans": bertopic_kmeans,
    "keynmf": keynmf,
    "topica_lda": topica_lda,
    "topica_etm": topica_etm,
}

BY_EPOCHS = ("ecrtm", "etm", "fastopic", "combinedtm")
"""Those that end by themselves when their time is over: as long again is left to them for θ of the documents."""


def main() -> None:
    """One fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rival", choices=(*RIVALS, "vectors"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--n_topic", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=15, help="of each core's time, whatever else the cores do")
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    job = Job(given.folder, given.n_topic, given.seed, given.minutes)
    if given.rival == "vectors":
        job.vectors()
        return
    seconds = math.ceil(job.limit * (2 if given.rival in BY_EPOCHS else 1))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 10))
    found = RIVALS[given.rival](job)
    given.out.mkdir(parents=True, exist_ok=True)
    np.save(given.out / "beta.npy", found.beta)
    for part, theta in found.theta.items():
        np.save(given.out / f"theta_{part}.npy", theta)
    if found.log_px is not None:
        np.save(given.out / "log_px.npy", found.log_px)
    told = {"seconds": found.seconds, "mixture": found.mixture, "stopped": found.stopped}
    (given.out / "told.json").write_text(json.dumps(told), "utf-8")


if __name__ == "__main__":
    main()
