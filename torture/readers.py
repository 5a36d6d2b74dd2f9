"""Every reader of files, with valid files to begin from: what is fuzzed, and what the properties in tests are of.

A reader reads a folder. Of hostile bytes it may make what it can, or raise a UserError; nothing else.
"""

import bz2
import gzip
import importlib.util
import json
import tarfile
import zlib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.util.errors import UserError, one_line

WORDS = ["银河", "帝国", "飞船", "the", "ship's"]
COUNTS = sp.csr_matrix(np.array([[2, 0, 1, 0, 1], [0, 3, 0, 1, 0], [1, 1, 0, 0, 2]], np.int32))


class Reader(NamedTuple):
    """make: writes valid files into an empty folder. read: reads them.

    seal: brings what must agree with a file that was changed, such as its digest, into agreement: whoever makes a
    hostile file does so too.
    """

    make: Callable[[Path], None]
    read: Callable[[Path], object]
    seal: Callable[[Path], None] = lambda folder: None


def outcome(reader: Reader, folder: Path) -> str:
    """`read`, or what the one clean error says. Any other exception goes through."""
    try:
        reader.read(folder)
    except UserError as error:
        message = str(error)
        assert message, "an error that says nothing"
        assert "\n" not in message, f"an error of several lines: {message!r}"
        return message
    return "read"


def _writes(**files: bytes) -> Callable[[Path], None]:
    """What writes these files; `__` in a name stands for a dot."""

    def make(folder: Path) -> None:
        for name, content in files.items():
            (folder / name.replace("__", ".")).write_bytes(content)

    return make


def _all(documents: Iterable[object]) -> int:
    return sum(1 for _ in documents)


# Text ----------------------------------------------------------------------------------------------------------------

_LINES = '银河帝国的飞船\nthe ship\'s log, "quoted"\r\n\n三体 ２０ ﬁ\n'
_TABLE = 'id,text\n1,"飞船, ""银河"""\n2,the ship\n3,"two\nlines"\n'
_JSONL = '{"text": "飞船 \\ud83d\\ude80", "n": [1, {"a": null}]}\n\n{"text": null}\n{"text": "ship"}\n'


def _read_lines(folder: Path) -> None:
    from etm_jax.corpus.readers.text_files import read_folder, read_lines
    from etm_jax.corpus.words.normalize import normalize

    errors = []
    for encoding in ("gb18030", "utf-16", "utf-8"):
        try:
            for document in read_lines(folder / "corpus.txt", encoding):
                normalize(document.text, nfkc=True, lowercase=True)
            _all(read_folder(folder, [folder / "corpus.txt"], encoding))
        except UserError as error:
            errors.append((encoding, error))
    if errors and errors[-1][0] == "utf-8":
        raise errors[-1][1]


def _read_gz(folder: Path) -> None:
    from etm_jax.corpus.readers.text_files import read_lines

    _all(read_lines(folder / "corpus.txt.gz", "utf-8"))


def _read_jsonl(folder: Path) -> None:
    from etm_jax.corpus.readers.columns import Columns
    from etm_jax.corpus.readers.text_files import read_jsonl

    for document in read_jsonl(folder / "corpus.jsonl", Columns(meta=("n",)), "utf-8"):
        document.text.encode()
        document.meta["n"].encode()


def _read_csv(folder: Path) -> None:
    from etm_jax.corpus.readers.columns import Columns
    from etm_jax.corpus.readers.tables import read_table

    _all(read_table(folder / "corpus.csv", Columns(id="id"), "utf-8"))


def _read_workbook(folder: Path) -> None:
    from etm_jax.corpus.readers.columns import Columns
    from etm_jax.corpus.readers.tables import read_workbook

    _all(read_workbook(folder / "corpus.xlsx", Columns(meta=("id",))))


def _make_workbook(folder: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["id", "text"], [1, "飞船, 银河"], ["b", "the ship"]):
        book.active.append(row)
    book.save(folder / "corpus.xlsx")


def _read_fields(folder: Path) -> None:
    from etm_jax.corpus.fields import fields_of
    from etm_jax.corpus.metadata import ValueTally

    fields = fields_of(CorpusConfig(meta=str(folder / "meta.csv")))
    for i, name in enumerate(fields.names):
        values = [fields.values({}, document)[i] for document in fields.rows]
        column = ValueTally.of(values).column(name)
        assert len(column.encode(values)) == len(values)


def _read_word_files(folder: Path) -> None:
    from etm_jax.config.corpus_settings import CorpusConfig
    from etm_jax.corpus.types import Vocabulary
    from etm_jax.corpus.words.stop_words import read_stop_words
    from etm_jax.models.seed_words import read_seed_words

    read_stop_words(CorpusConfig(stopwords=str(folder / "words.txt"), lowercase=True))
    ones = np.ones(len(WORDS), np.int64)
    read_seed_words(str(folder / "words.txt"), Vocabulary(WORDS, ones, ones, 3, "none"), 5)


_USER_DICT = "银河帝国\t100\tn\n人工智能 20 nz\n# comment\nC++  # a language\n飞船\r\n"


def _read_user_dict(folder: Path) -> None:
    from etm_jax.corpus.words.user_dict import read_user_dict, user_dict_of

    found = read_user_dict(str(folder / "names.txt"), CorpusConfig(lowercase=False))
    assert user_dict_of(found.to_text()).entries == found.entries


def _read_stop_list(folder: Path) -> None:
    from etm_jax.corpus.words.stop_words import read_stop_words

    read_stop_words(CorpusConfig(stopwords=str(folder / "words.json"), lowercase=True))


def _read_pairs(folder: Path) -> None:
    from etm_jax.results.topic_names import checked_names
    from etm_jax.util.keyed_csv import read_pairs

    read_pairs(str(folder / "labels.tsv"), "labels", "document", "label")
    checked_names(read_pairs(str(folder / "names.csv"), "topic_names", "topic", "name"), "names.csv", 3)


_STATE = (
    "#doc source pos typeindex type topic\n#alpha : 1.5 0.5 \n#beta : 0.01\n0 NA 0 0 银河 1\n"
    "0 NA 1 1 the 0\n1 a b.txt 0 7 else 1\n"
)


def _make_mallet(folder: Path) -> None:
    (folder / "state").write_bytes(gzip.compress(_STATE.encode(), mtime=0))
    (folder / "state.txt").write_text(_STATE, encoding="utf-8")
    (folder / "dense.txt").write_text("0\td1\t0.25\t0.75\n1\td2\t1.0\t0.0\n")
    (folder / "pairs.txt").write_text("#doc name topic proportion ...\n0\td1\t1\t0.75\t0\t0.25\t\n1\td2\t0\t1\t\n")


def _read_mallet(folder: Path) -> None:
    from etm_jax.interop.mallet_files import read_doc_topics, read_state

    errors = []
    for read in (
        lambda: read_state(folder / "state", WORDS),
        lambda: read_state(folder / "state.txt", WORDS),
        lambda: read_doc_topics(folder / "dense.txt", {"d1", "d2"}),
        lambda: read_doc_topics(folder / "pairs.txt", {"d1", "d2"}, 2),
    ):
        try:
            found = read()
            if isinstance(found, dict):
                assert all(abs(shares.sum() - 1) < 1e-6 for shares in found.values())
        except UserError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _read_flagfile(folder: Path) -> None:
    from etm_jax.cli.flags import parse

    parse(["train", f"--flagfile={folder / 'run.flags'}"])


def _make_pkuseg(pack: str, folder: Path) -> None:
    import pickle

    import msgpack

    place = folder / "model"
    place.mkdir()
    index = {name: i for i, name in enumerate(["c.银", "c-1.河", "c1.河", "cc1.银.河", "w1.银河", "ww.l.银河*飞船"])}
    about = {"unigram": ["银河", "飞船"], "feature_to_idx": index, "tag_to_idx": {"B": 0, "I": 1}}
    if pack == "pkl":
        (place / "features.pkl").write_bytes(pickle.dumps(about, protocol=2))
    else:
        (place / "features.msgpack").write_bytes(msgpack.packb(about))
    weights = np.arange(2 * (len(index) + 2), dtype=np.float64) / 16
    np.savez(place / "weights.npz", sizes=np.array([2, len(index)]), w=weights)
    (place / "model_dict.pkl").write_bytes(pickle.dumps("银河\n飞船\n帝国", protocol=2))


def _read_pkuseg(folder: Path) -> None:
    from etm_jax.corpus.words.pkuseg.files import FEATURES, ModelFiles
    from etm_jax.corpus.words.pkuseg.model import read_model

    place = folder / "model"
    features = next(place / name for name in FEATURES if (place / name).exists())
    read_model(ModelFiles(features, place / "weights.npz", (place / "model_dict.pkl",)))


def _make_tables(folder: Path) -> None:
    from etm_jax.corpus.words.pkuseg.tables import Tables
    from etm_jax.corpus.words.pkuseg.tables_file import write_tables

    write_tables(folder / "tables.npz", Tables(*(np.arange(6, dtype=np.int32) for _ in Tables._fields)))


def _read_tables(folder: Path) -> None:
    from etm_jax.corpus.words.pkuseg.tables_file import read_tables
    from etm_jax.util.files import DAMAGED

    try:
        sum(int(values.size) for values in read_tables(folder / "tables.npz"))
    except DAMAGED as error:
        raise UserError(one_line(f"made again: {error}") or "made again") from error


# Counts --------------------------------------------------------------------------------------------------------------


def _make_original(folder: Path) -> None:
    import pickle

    from scipy.io import savemat

    (folder / "vocab.pkl").write_bytes(pickle.dumps(WORDS, protocol=2))
    for part in ("tr", "va", "ts_h1", "ts_h2"):
        for kind, values in (("tokens", COUNTS.indices), ("counts", COUNTS.data)):
            cells = np.empty(COUNTS.shape[0], object)
            cells[:] = [values[a:b].reshape(1, -1) for a, b in zip(COUNTS.indptr, COUNTS.indptr[1:], strict=False)]
            savemat(folder / f"bow_{part}_{kind}.mat", {kind: cells.reshape(1, -1)}, do_compression=True)


def _read_original(folder: Path) -> None:
    from etm_jax.corpus.readers.original import read_original

    read_original(folder)


def _make_exported(folder: Path) -> None:
    (folder / "vocab.txt").write_text("".join(word + "\n" for word in WORDS), encoding="utf-8")
    for part in ("train", "valid", "test_h1", "test_h2"):
        sp.save_npz(folder / f"{part}.npz", COUNTS)


def _read_exported(folder: Path) -> None:
    from etm_jax.corpus.readers.exported import read_exported

    read_exported(folder)


def _make_count_files(folder: Path) -> None:
    entries = COUNTS.tocoo()
    triples = "".join(f"{i + 1} {j + 1} {n}\n" for i, j, n in zip(entries.row, entries.col, entries.data, strict=True))
    rows = [[f"{j}:{n}" for j, n in enumerate(row) if n] for row in COUNTS.toarray()]
    (folder / "docword.a.txt").write_text(f"3\n5\n{COUNTS.nnz}\n{triples}")
    (folder / "a.dat").write_text("".join(f"{len(row)} {' '.join(row)}\n" for row in rows))
    (folder / "a.mm").write_text(f"%%MatrixMarket matrix coordinate real general\n% made\n3 5 {COUNTS.nnz}\n{triples}")
    for name in ("vocab.a.txt", "a.vocab"):
        (folder / name).write_text("".join(word + "\n" for word in WORDS), encoding="utf-8")


def _read_corpora(given: tuple[tuple[str, str], ...], folder: Path) -> None:
    """Read files or folders, each of a form: all of them, then raise the last error."""
    from etm_jax.corpus.readers.looks import form_seen, has_glued_tags
    from etm_jax.corpus.sources import find_source

    errors = []
    for name, form in given:
        try:
            if (folder / name).is_file():
                form_seen(folder / name, "utf-8")
                has_glued_tags(folder / name, "utf-8")
            source = find_source(CorpusConfig(corpus=str(folder / name), form=form, valid_share=0, test_share=0))
            if source.documents:
                _all(source.documents())
            elif source.counted:
                source.counted().train.check_format(full_check=True)
        except UserError as error:
            errors.append(error)
    if errors:
        raise errors[-1]


def _make_peer_folders(folder: Path) -> None:
    (folder / "octis").mkdir()
    (folder / "topmost").mkdir()
    (folder / "octis" / "corpus.tsv").write_text("银河 帝国 the\ttrain\tx\nthe the\ttest\ty\n", encoding="utf-8")
    for path in (folder / "octis" / "vocabulary.txt", folder / "topmost" / "vocab.txt"):
        path.write_text("".join(word + "\n" for word in WORDS), encoding="utf-8")
    sp.save_npz(folder / "topmost" / "train_bow.npz", COUNTS)
    (folder / "topmost" / "train_labels.txt").write_text("0\n1\n0\n")
    (folder / "topmost" / "train_times.txt").write_text("0\n1\n0\n")
    (folder / "topmost" / "time2id.txt").write_text('{"2012": 0, "2013": 1}')
    (folder / "topmost" / "test_texts.txt").write_text("the the 帝国\n飞船 the\n", encoding="utf-8")


# Vectors -------------------------------------------------------------------------------------------------------------

_VECTORS = np.arange(20, dtype=np.float32).reshape(5, 4) / 7


def _text_vectors() -> bytes:
    rows = [" ".join([word, *(f"{x:.4f}" for x in row)]) for word, row in zip(WORDS, _VECTORS, strict=True)]
    return "\n".join(["5 4", *rows, ""]).encode()


def _binary_vectors() -> bytes:
    rows = [word.encode() + b" " + row.tobytes() for word, row in zip(WORDS, _VECTORS, strict=True)]
    return b"5 4\n" + b"\n".join(rows) + b"\n"


def _read_vectors(folder: Path) -> None:
    from etm_jax.vectors.file import read

    read(folder / "vectors", WORDS)


# Weights -------------------------------------------------------------------------------------------------------------


def _torch_state() -> dict[str, np.ndarray]:
    from etm_jax.config.build import make_config
    from etm_jax.interop.layouts import to_state
    from etm_jax.models.layers import Variables
    from etm_jax.training.saved_model import SavedModel

    config = make_config("paper", {"num_topics": 2, "hidden": (3, 3), "embed_dim": 4})
    return to_state(_params(SavedModel(config, Variables({"rho": np.zeros((5, 4))}, {}), None, "")), "etm")


def _params(trained: object) -> dict:
    import jax

    from etm_jax.training.steps import abstract_state

    rng = np.random.default_rng(1)
    spec = trained.spec()._replace(vocab_size=5, embed_dim=4)  # type: ignore[attr-defined]
    shapes = abstract_state(spec).variables.params
    return jax.tree.map(lambda x: rng.normal(size=x.shape).astype(np.float32), shapes)


def _trained() -> object:
    import jax

    from etm_jax.config.build import make_config
    from etm_jax.corpus.types import Vocabulary
    from etm_jax.models.layers import Variables
    from etm_jax.training.saved_model import SavedModel
    from etm_jax.training.steps import abstract_state

    config = make_config("default", {"num_topics": 2, "hidden": (3,), "embed_dim": 4})
    empty = SavedModel(config, Variables({"rho": np.zeros((5, 4))}, {}), None, "a test")
    shapes = abstract_state(empty.spec()).variables
    ones = np.ones(5, np.int64)
    return empty._replace(
        variables=jax.tree.map(lambda x: np.ones(x.shape, np.float32), shapes),
        vocabulary=Vocabulary(WORDS, ones, ones, 3, "whitespace"),
    )


def _make_safetensors(folder: Path) -> None:
    from etm_jax.interop.native_files import to_safetensors
    from etm_jax.util.tensor_files import write_tensors

    to_safetensors(folder / "ours.safetensors", _trained())  # type: ignore[arg-type]
    write_tensors(folder / "theirs.safetensors", _torch_state(), {})


def _read_safetensors(folder: Path) -> None:
    from etm_jax.interop import read_saved_model

    read_saved_model(str(folder / "ours.safetensors"))
    read_saved_model(str(folder / "theirs.safetensors"))


def _make_torch(folder: Path) -> None:
    import torch

    state = {key: torch.from_numpy(np.array(x)) for key, x in _torch_state().items()}
    torch.save(state, folder / "new.pt")
    torch.save(state, folder / "old.pt", _use_new_zipfile_serialization=False)


def _read_torch(folder: Path) -> None:
    from etm_jax.interop import read_saved_model

    read_saved_model(str(folder / "new.pt"))
    read_saved_model(str(folder / "old.pt"))


def _make_saved(folder: Path) -> None:
    about = {"parameters": {"num_topics": 2, "settings": {"hidden": [3]}}, "share": [0.5, 0.5], "npmi": [0.1, 0.2]}
    about |= {"history": [{"epoch": 1}], "counts": None}
    from etm_jax.interop.folders import save_folder

    save_folder(folder / "model", _trained(), about)  # type: ignore[arg-type]


def _read_saved(folder: Path) -> None:
    from etm_jax.estimator import ETM

    try:
        ETM.load(folder / "model")
    except ValueError as error:
        # That is what people who write Python are told, and it names the folder.
        if str(folder / "model") in str(error):
            raise UserError(str(error)) from error
        raise


# A run ---------------------------------------------------------------------------------------------------------------


def _make_record(folder: Path) -> None:
    from etm_jax.config.build import make_config
    from etm_jax.corpus.metadata import Metadata
    from etm_jax.training.run_folder import RunFolder
    from etm_jax.training.run_record import RunRecord

    trained = _trained()
    config, vocabulary = make_config("default", {"num_topics": 2, "hidden": (3,), "embed_dim": 4}), trained.vocabulary  # type: ignore[attr-defined]
    run = RunFolder(folder)
    record = RunRecord(config, "", "a corpus", "0" * 64, vocabulary.hash, 5, 3, 4, 2, 3, seed_words=((0, 1), ()))
    run.start(record, SimpleNamespace(vocabulary=vocabulary, metadata=Metadata()))  # type: ignore[arg-type]
    for epoch in (1, 2):
        run.log({"epoch": epoch, "valid_nelbo": 7.5})
    run.export.mkdir()
    np.save(run.export / "beta.npy", np.full((2, 5), 0.2, np.float32))
    _seal_record(folder)


def _make_edit(folder: Path) -> None:
    from etm_jax.models.topic_edit import TopicEdit
    from etm_jax.training.run_folder import RunFolder
    from etm_jax.util.forms import stamp

    _make_record(folder)
    edit = TopicEdit.of(np.array([0.25, 0.75]), merge=[(0, 1)], names={0: "海, 港"})
    RunFolder(folder).edit.write_text(json.dumps({**stamp(), **edit.to_json()}), encoding="utf-8")
    _seal_folder(folder)


def _read_edit(folder: Path) -> None:
    from etm_jax.training.edited_folder import read_edit
    from etm_jax.training.run_folder import RunFolder

    edit = read_edit(RunFolder(folder))
    if edit is not None:
        edit.theta(np.full((1, edit.num_topics), 1 / edit.num_topics))
        edit.means(np.full((edit.num_topics, 5), 0.2))


def _seal_folder(folder: Path) -> None:
    from etm_jax.util.digests import DIGESTS, file_digests

    (folder / DIGESTS).write_text(file_digests(folder), encoding="utf-8")


def _seal_record(folder: Path) -> None:
    _seal_folder(folder / "export")
    _seal_folder(folder)


def _read_record(folder: Path) -> None:
    from etm_jax.interop.native_files import read_vocabulary
    from etm_jax.training.run_folder import RunFolder, exported

    run = RunFolder(folder)
    record = run.record()
    if record is not None:
        record.spec()
    read_vocabulary(run)
    run.epochs()
    run.forget_after(1)
    exported(run, "beta")


def _like() -> object:
    import jax.numpy as jnp

    from etm_jax.models.layers import Variables
    from etm_jax.training.steps import TrainState

    return TrainState(
        step=jnp.int32(3),
        variables=Variables({"rho": jnp.full((3, 2), 2.5, jnp.float32)}, {"background": jnp.zeros(3)}),
        opt_state={"count": jnp.int32(3)},
        lr_scale=jnp.ones(()),
    )


def _make_checkpoint(folder: Path) -> None:
    from etm_jax.training.checkpoint import Checkpoints
    from etm_jax.training.progress import Progress

    Checkpoints(folder / "checkpoints").save(_like(), Progress(1, [float("inf"), 7.5], [7.5]))  # type: ignore[arg-type]


def _read_checkpoint(folder: Path) -> None:
    from etm_jax.training.checkpoint import Checkpoints

    _, progress = Checkpoints(folder / "checkpoints").restore(_like(), "best")  # type: ignore[arg-type]
    assert progress.name == "1"
    assert [len(progress.nelbos), len(progress.by_seed)] == [2, 1]


def _seal_checkpoint(folder: Path) -> None:
    from etm_jax.util.digests import DIGESTS, file_digests

    place = folder / "checkpoints" / "1"
    (place / DIGESTS).write_text(file_digests(place), encoding="utf-8")


_CACHE_LINES = "\n".join(["a b c d", "b c d e f", "a c e g", "d e f g h"] * 6)


def _cached(folder: Path) -> object:
    from etm_jax.config.build import make_config
    from etm_jax.corpus.prepare import prepare
    from etm_jax.corpus.sources import find_source

    corpus = folder.parent / f"{folder.name}.txt"
    corpus.write_text(_CACHE_LINES, encoding="utf-8")
    given = {"corpus": str(corpus), "segmenter": "whitespace", "no_below": 1, "no_above": 1.0, "lang": "en"}
    table = folder.parent / f"{folder.name}.csv"
    table.write_text("document,n,name\n" + "".join(f"{i},{i},{'ab'[i % 2]}\n" for i in range(1, 25)), encoding="utf-8")
    settings = make_config("default", given | {"min_token_len": 1, "meta": str(table)}).corpus
    return prepare(find_source(settings), settings, folder, texts=True)


def _make_cache(folder: Path) -> None:
    _cached(folder)


def _read_cache(folder: Path) -> None:
    corpus = _cached(folder)
    for part in (corpus.train, corpus.valid, corpus.test):  # type: ignore[attr-defined]
        assert part.counts.shape == (len(part.ids), len(corpus.vocabulary))  # type: ignore[attr-defined]
        part.counts.check_format(full_check=True)
        corpus.metadata.encode(part.meta, len(part))  # type: ignore[attr-defined]
        assert part.texts is None or len(list(part.texts)) == len(part)


def _seal_cache(folder: Path) -> None:
    from etm_jax.util.digests import file_digest

    for manifest in folder.glob("*/corpus.json"):
        try:
            values = json.loads(manifest.read_text("ascii"))
            for name in values["sha256"]:
                values["sha256"][name] = file_digest(manifest.parent / name)
        except (ValueError, KeyError, TypeError, OSError, RecursionError):
            continue
        manifest.write_text(json.dumps(values), encoding="ascii")


# What earlier versions stored -----------------------------------------------------------------------------------------

_EARLIER = Path(__file__).parents[1] / "tests" / "stored_forms" / "0_2026-11-23_steps.tar.xz"
"""A corpus in the first format, and a checkpoint that Orbax's manager wrote, without digests."""


def _make_earlier(folder: Path) -> None:
    with tarfile.open(_EARLIER) as archive:
        wanted = [one for one in archive if one.name.startswith(("run/corpus", "run/check", "run/config", "run/vocab"))]
        archive.extractall(folder, wanted, filter="data")


def _read_earlier(folder: Path) -> None:
    from etm_jax.corpus.store.cache import load_corpus
    from etm_jax.interop.native_files import read_run_weights
    from etm_jax.util.files import DAMAGED

    read_run_weights(str(folder / "run"))
    try:
        for corpus in folder.glob("run/corpus/*"):
            load_corpus(corpus)
    except DAMAGED as error:
        raise UserError(str(error) or type(error).__name__) from error


def _seal_earlier(folder: Path) -> None:
    _seal_cache(folder / "run" / "corpus")


# Shards --------------------------------------------------------------------------------------------------------------


def _make_block(folder: Path) -> None:
    from etm_jax.corpus.shards.rows import Rows
    from etm_jax.corpus.store.packed import PackedTexts

    labels = {"": PackedTexts.of(["text", "", "x"]), "日": PackedTexts.of(["1", "2", ""])}
    rows = Rows(COUNTS, PackedTexts.of(["a", "乙", ""]), np.arange(3, dtype=np.uint64), labels)
    (folder / "block").write_bytes(rows.to_bytes())


def _read_block(folder: Path) -> None:
    from etm_jax.corpus.shards.records import damaged
    from etm_jax.corpus.shards.rows import Rows

    try:
        rows = Rows.from_bytes((folder / "block").read_bytes())
    except ValueError as error:
        raise damaged(folder / "block", error) from error
    rows.counts.check_format(full_check=True)
    assert {len(rows.ids), len(rows.keys), *map(len, rows.labels.values())} == {rows.counts.shape[0]}


def _seal_block(folder: Path) -> None:
    data = (folder / "block").read_bytes()
    if len(data) >= 8:
        (folder / "block").write_bytes(data[:4] + zlib.crc32(data[8:]).to_bytes(4, "little") + data[8:])


def _make_shards(folder: Path) -> None:
    from etm_jax.corpus.shard_writing.job import make_job
    from etm_jax.corpus.shard_writing.prepare import prepare_shards

    corpus = folder.parent / f"{folder.name}.txt"
    corpus.write_text(_CACHE_LINES, encoding="utf-8")
    given = {"segmenter": "whitespace", "lang": "en", "no_below": 1, "no_above": 1.0, "min_token_len": 1}
    prepare_shards(make_job(str(corpus), CorpusConfig(**given, workers=1), block_docs=4, num_shards=1), folder / "out")


def _read_shards(folder: Path) -> None:
    from etm_jax.corpus.shards import read_corpus

    corpus = read_corpus(folder / "out")
    assert corpus.stream is not None
    docs = sum(np.count_nonzero(np.diff(some.counts.indptr)) for some in corpus.stream.epoch(1, 1, 4))
    assert docs <= 24, "more documents than there were"


def _seal_shards(folder: Path) -> None:
    from etm_jax.corpus.shards.manifest import NAME, VOCABULARY
    from etm_jax.util.digests import file_digest

    manifest = folder / "out" / NAME
    try:
        values = json.loads(manifest.read_text("utf-8"))
        values["vocabulary_sha256"] = file_digest(manifest.parent / VOCABULARY)
        for part in values["parts"].values():
            for shard in part["shards"]:
                shard |= {
                    "bytes": (manifest.parent / shard["file"]).stat().st_size,
                    "sha256": file_digest(manifest.parent / shard["file"]),
                }
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError):
        return
    manifest.write_text(json.dumps(values), encoding="utf-8")


READERS = {
    "text": Reader(_writes(corpus__txt=_LINES.encode()), _read_lines),
    "gz": Reader(_writes(corpus__txt__gz=gzip.compress(_LINES.encode(), mtime=0)), _read_gz),
    "jsonl": Reader(_writes(corpus__jsonl=_JSONL.encode()), _read_jsonl),
    "csv": Reader(_writes(corpus__csv=_TABLE.encode()), _read_csv),
    "xlsx": Reader(_make_workbook, _read_workbook),
    "fields": Reader(_writes(meta__csv='document,day,源\na,2024-05-31,\n"b",-1,x\n'.encode()), _read_fields),
    "words": Reader(_writes(words__txt="银河 帝国\n# the\n\n飞船\n".encode()), _read_word_files),
    "user_dict": Reader(_writes(names__txt=_USER_DICT.encode()), _read_user_dict),
    "stop_list": Reader(_writes(words__json='["的", "The"]'.encode()), _read_stop_list),
    "pairs": Reader(
        _writes(labels__tsv=b"document\tlabel\n1\tx\n'=a\ty\n", names__csv='topic,name\n0,"海, 港"\n'.encode()),
        _read_pairs,
    ),
    "flagfile": Reader(_writes(run__flags=b"# a run\n--n_topic=3\n--hidden=16,8\n--lang=en\n"), _read_flagfile),
    "pkuseg_pkl": Reader(partial(_make_pkuseg, "pkl"), _read_pkuseg),
    "pkuseg_msgpack": Reader(partial(_make_pkuseg, "msgpack"), _read_pkuseg),
    "tables": Reader(_make_tables, _read_tables),
    "original": Reader(_make_original, _read_original),
    "exported": Reader(_make_exported, _read_exported),
    "labelled": Reader(
        _writes(a__txt="体育\t球队 比赛\n财经\t银行\n".encode() * 3, b__txt=b"d1 L0 bank team\nd2\tL1\tteam\n"),
        partial(_read_corpora, (("a.txt", "label_text"), ("b.txt", "mallet"))),
    ),
    "tagged": Reader(
        _writes(a__txt="19980101-01-001-001/m  [中国/ns  政府/n]nt  [/w 银行n\n".encode()),
        partial(_read_corpora, (("a.txt", "tagged"),)),
    ),
    "count_files": Reader(
        _make_count_files, partial(_read_corpora, (("docword.a.txt", "uci"), ("a.dat", "ldac"), ("a.mm", "mm")))
    ),
    "peer_folders": Reader(_make_peer_folders, partial(_read_corpora, (("octis", "octis"), ("topmost", "topmost")))),
    "mallet": Reader(_make_mallet, _read_mallet),
    "vectors_bz2": Reader(_writes(vectors=bz2.compress(_text_vectors())), _read_vectors),
    "vectors_text": Reader(_writes(vectors=_text_vectors()), _read_vectors),
    "vectors_binary": Reader(_writes(vectors=_binary_vectors()), _read_vectors),
    "vectors_gz": Reader(_writes(vectors=gzip.compress(_text_vectors(), mtime=0)), _read_vectors),
    "safetensors": Reader(_make_safetensors, _read_safetensors),
    "torch": Reader(_make_torch, _read_torch),
    "saved": Reader(_make_saved, _read_saved, lambda folder: _seal_folder(folder / "model")),
    "record": Reader(_make_record, _read_record, _seal_record),
    "edit": Reader(_make_edit, _read_edit, _seal_record),
    "checkpoint": Reader(_make_checkpoint, _read_checkpoint, _seal_checkpoint),
    "cache": Reader(_make_cache, _read_cache, _seal_cache),
    "earlier": Reader(_make_earlier, _read_earlier, _seal_earlier),
    "block": Reader(_make_block, _read_block, _seal_block),
    "shards": Reader(_make_shards, _read_shards, _seal_shards),
}

NEEDS = {"torch": "torch", "shards": "grain", "xlsx": "openpyxl"}
"""The package that a reader cannot do without."""


def is_there(name: str) -> bool:
    """Whether what a reader needs is installed."""
    return name not in NEEDS or importlib.util.find_spec(NEEDS[name]) is not None
