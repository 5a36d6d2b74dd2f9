"""The decoder beside pkuseg's own, token by token."""

import pickle
import random
import subprocess
import sys
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.prepare import resolve
from etm_jax.corpus.readers.named import NAMED
from etm_jax.corpus.sources import find_source
from etm_jax.corpus.types import Source
from etm_jax.corpus.words.hash_table import HashTable
from etm_jax.corpus.words.normalize import chunks
from etm_jax.corpus.words.pkuseg.decoder import LONGEST_PIECE, Decoder
from etm_jax.corpus.words.pkuseg.files import find_model, no_model
from etm_jax.corpus.words.pkuseg.tables_file import load_tables
from etm_jax.corpus.words.segmenters import make_segmenter
from etm_jax.corpus.words.word_hash import WordHashes, distinct
from etm_jax.util.errors import UserError
from experiments.same_words import drawn_texts

pkuseg = pytest.importorskip("pkuseg")


@pytest.fixture(scope="module")
def reference():
    return pkuseg.pkuseg()


@pytest.fixture(scope="module")
def decoder():
    return Decoder(load_tables(find_model()))


def corpus_texts(name, characters):
    """The first documents of a corpus, each as one text."""
    config = CorpusConfig(corpus=name, segmenter="pkuseg")
    documents, texts = find_source(config).documents(), []
    while sum(map(len, texts)) < characters:
        texts.append(next(documents).text)
    return texts


def all_words(decoder, texts):
    """The words of texts that are cut together."""
    return list(chain.from_iterable(decoder.cut_texts(texts).lists()))


@pytest.mark.parametrize("name", ["peoples_daily", "sanguo", "inews", "drawn"])
def test_the_words_are_those_of_pkuseg(name, decoder, reference):
    if name == "drawn":
        texts = drawn_texts(250, seed=1)
    else:
        package = NAMED[name].package
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
        texts = corpus_texts(name, 40_000)
    expected = [reference.cut(text) for text in texts]
    assert [decoder.cut(text) for text in texts] == expected
    # Together, and in parts where they are long.
    short = [i for i, text in enumerate(texts) if len(text) <= LONGEST_PIECE]
    assert all_words(decoder, [texts[i] for i in short]) == [word for i in short for word in expected[i]]
    long = max(texts, key=len) * 3
    assert all_words(decoder, [long]) == [word for part in chunks(long, LONGEST_PIECE) for word in reference.cut(part)]


def test_a_text_alone_is_cut_as_among_others(decoder):
    texts = drawn_texts(40, seed=2)
    assert [word for text in texts for word in decoder.cut(text)] == all_words(decoder, texts)
    assert decoder.cut("") == decoder.cut(" \n　") == []
    assert decoder.cut("中") == ["中"]


ALPHABET = "中国人民大学生-1Ａ"


def write_model(folder, seed, decimals):
    """A model over few characters, whose weights take few values, so that many paths tie; or any values."""
    draw = np.random.default_rng(seed)
    symbols = ["中", "国", "人", "民", "大", "学", "生", "&", "**Num", "**Letter"]
    plain = symbols[:7]
    words = sorted(
        {"".join(draw.choice(plain, draw.integers(2, 7))) for _ in range(60)} | {"中国", "人民", "大学生", ""}
    )
    features = ["$$"] + [f"{kind}.{symbol}" for kind in ("c", "c-1", "c1", "c-2", "c2") for symbol in symbols]
    features += [f"{kind}.{a}.{b}" for kind in ("cc1", "c-1c", "c-2c-1") for a in symbols for b in symbols]
    features += [f"{kind}.{word}" for kind in ("w1", "w-1") for word in words if word]
    features += [f"ww.{side}.{a}*{b}" for side in "lr" for a in words[1:20] for b in words[1:20]]
    kept = [features[0], *draw.permutation(features[1:])[: int(0.8 * len(features))]]
    tags = {tag: i for i, tag in enumerate(["B", "B_single", "I", "I_end", "I_first"])}
    size = 5 * len(kept) + 25
    weights = draw.integers(-3, 4, size) / 10 if decimals else draw.normal(size=size)
    folder.mkdir(exist_ok=True)
    index = {str(feature): i for i, feature in enumerate(kept)}
    content = {"unigram": words, "bigram": [], "feature_to_idx": index, "tag_to_idx": tags}
    (folder / "features.pkl").write_bytes(pickle.dumps(content))
    np.savez(folder / "weights.npz", sizes=np.array([5, len(kept)]), w=weights)
    return content


@pytest.mark.parametrize("decimals", [True, False])
def test_any_model_and_its_ties_are_decided_as_pkuseg_does(tmp_path, decimals):
    for seed in range(2):
        write_model(tmp_path / "model", seed, decimals)
        reference = pkuseg.pkuseg(model_name=str(tmp_path / "model"))
        tables = load_tables(find_model(str(tmp_path / "model")), tmp_path)
        assert tables.has_whole_numbers == decimals
        draw = random.Random(seed)
        texts = ["".join(draw.choices(ALPHABET, k=draw.randint(1, 60))) for _ in range(300)]
        assert all_words(Decoder(tables), texts) == [word for text in texts for word in reference.cut(text)]


def test_the_form_of_spacy_pkuseg_gives_the_same_words(tmp_path):
    content = write_model(tmp_path / "model", 5, decimals=True)
    texts = ["中国人民大学生", "大学生人民-中国１人"]
    of_pickle = all_words(Decoder(load_tables(find_model(str(tmp_path / "model")), tmp_path)), texts)
    (tmp_path / "model" / "features.pkl").unlink()
    (tmp_path / "model" / "features.msgpack").write_bytes(msgpack.packb(content))
    assert all_words(Decoder(load_tables(find_model(str(tmp_path / "model")), tmp_path)), texts) == of_pickle
    assert "".join(of_pickle) == "".join(texts)


def test_a_domain_brings_a_dictionary_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("PKUSEG_HOME", str(tmp_path))
    write_model(tmp_path / "medicine", 1, decimals=True)
    without = find_model("medicine")
    resolved = resolve(CorpusConfig(segmenter="pkuseg", segmenter_model="medicine"), Source("a", []))
    assert resolved.segmenter_model == str(tmp_path / "medicine")
    draw = random.Random(3)
    own = {"".join(draw.choices("中国人民大学生", k=draw.randint(2, 5))) for _ in range(80)}
    (tmp_path / "medicine" / "medicine_dict.pkl").write_bytes(pickle.dumps("\n".join(sorted(own))))
    with_it = find_model("medicine")
    assert len(with_it.dictionaries) == len(without.dictionaries) + 1
    reference = pkuseg.pkuseg(model_name=str(tmp_path / "medicine"))
    reference.postprocesser.other_words |= own
    texts = ["".join(draw.choices("中国人民大学生", k=40)) for _ in range(100)]
    expected = [word for text in texts for word in reference.cut(text)]
    assert all_words(Decoder(load_tables(with_it, tmp_path)), texts) == expected
    assert all_words(Decoder(load_tables(without, tmp_path)), texts) != expected


def test_tables_are_kept_and_renewed_with_the_model(tmp_path, capsys):
    write_model(tmp_path / "model", 1, decimals=True)
    files = find_model(str(tmp_path / "model"))
    # Copied, as the file that they are mapped from is damaged below.
    first = [values.copy() for values in load_tables(files, tmp_path / "cache")]
    assert "making tables" in capsys.readouterr().err
    again = load_tables(files, tmp_path / "cache")
    assert capsys.readouterr().err == ""
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    kept = next((tmp_path / "cache").glob("*.npz"))
    kept.write_bytes(kept.read_bytes()[:5000])
    assert all(np.array_equal(a, b) for a, b in zip(first, load_tables(files, tmp_path / "cache"), strict=True))
    assert "making tables" in capsys.readouterr().err
    write_model(tmp_path / "model", 2, decimals=True)
    renewed = load_tables(files, tmp_path / "cache")
    assert not all(np.array_equal(a, b) for a, b in zip(first, renewed, strict=True))
    # A file may be where the folder should be: the tables are then made at each start.
    (tmp_path / "file").write_text("")
    assert np.array_equal(load_tables(files, tmp_path / "file").single_rows, renewed.single_rows)
    assert "could not be kept" in capsys.readouterr().err


def test_arrays_are_mapped_and_aligned(decoder):
    for values in decoder._tables:
        assert values.ctypes.data % 64 == 0 or not values.size
        assert not values.flags.writeable


def test_neither_pkuseg_nor_jax_is_imported():
    code = (
        "import sys\n"
        "from etm_jax.corpus.words.segmenters import make_segmenter\n"
        "print(make_segmenter('pkuseg')('我爱北京天安门'), {'pkuseg', 'jax', 'spacy_pkuseg'} & set(sys.modules))"
    )
    root = str(Path(__file__).parents[2])
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": root, "HOME": str(Path.home())},
        check=True,
    )
    assert run.stdout == "['我', '爱', '北京', '天安门'] set()\n"


def damage_pickle(folder):
    (folder / "features.pkl").write_bytes(pickle.dumps(Path.cwd))


def damage_tags(folder):
    content = pickle.loads((folder / "features.pkl").read_bytes())
    (folder / "features.pkl").write_bytes(pickle.dumps(content | {"tag_to_idx": {"B": 0, "I": 7}}))


def damage_rows(folder):
    content = pickle.loads((folder / "features.pkl").read_bytes())
    (folder / "features.pkl").write_bytes(pickle.dumps(content | {"feature_to_idx": {"$$": 10**9}}))


def damage_sizes(folder):
    np.savez(folder / "weights.npz", sizes=np.array([5, 10**6]), w=np.zeros(7))


def damage_weights(folder):
    (folder / "weights.npz").write_bytes((folder / "weights.npz").read_bytes()[:900])


def damage_numbers(folder):
    with np.load(folder / "weights.npz") as arrays:
        np.savez(folder / "weights.npz", sizes=arrays["sizes"], w=np.full_like(arrays["w"], np.nan))


def damage_msgpack(folder):
    (folder / "features.msgpack").write_bytes(b"\xc1\x00")


def damage_kind(folder):
    (folder / "features.pkl").write_bytes(pickle.dumps([1, 2]))


@pytest.mark.parametrize(
    "damage",
    [
        damage_pickle,
        damage_tags,
        damage_rows,
        damage_sizes,
        damage_weights,
        damage_numbers,
        damage_msgpack,
        damage_kind,
    ],
)
def test_a_damaged_model_is_refused_in_one_line(tmp_path, damage):
    folder = tmp_path / "model"
    write_model(folder, 1, decimals=True)
    damage(folder)
    with pytest.raises(UserError, match=str(folder)) as error:
        load_tables(find_model(str(folder)), tmp_path / "cache")
    assert "\n" not in str(error.value)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(UserError, match=r"--segmenter_model=.*holds no model of pkuseg"):
        find_model(str(tmp_path))
    with pytest.raises(UserError, match=r"--segmenter_model=tourism is a model that pkuseg downloads, and is not in"):
        find_model("tourism")
    with pytest.raises(UserError, match=r"--segmenter=jieba takes no model; leave it out"):
        resolve(CorpusConfig(segmenter="jieba", segmenter_model=str(tmp_path)), Source("a", []))


def test_the_reference_runs_the_code_of_pkuseg():
    assert make_segmenter("pkuseg_reference")("我爱北京天安门") == ["我", "爱", "北京", "天安门"]
    assert "pkuseg.feature_extractor" in sys.modules


@given(st.sets(st.integers(0, 2**64 - 2), max_size=200), st.sets(st.integers(0, 2**64 - 2), max_size=50))
@settings(max_examples=60, deadline=None)
def test_a_hash_table_finds_its_keys_and_no_others(keys, others):
    keys = sorted(keys)
    table = HashTable.of(np.array(keys, np.uint64), np.arange(1, len(keys) + 1, dtype=np.int32))
    assert table.lookup(np.array(keys, np.uint64)).tolist() == list(range(1, len(keys) + 1))
    assert not table.lookup(np.array(sorted(others.difference(keys)), np.uint64)).any()


@given(st.lists(st.text(alphabet="ab中", min_size=1, max_size=4), max_size=80))
@settings(max_examples=60, deadline=None)
def test_equal_ranges_have_equal_hashes_and_numbers(words):
    codes = np.frombuffer("".join(words).encode("utf-32-le"), np.uint32)
    stops = np.cumsum([len(word) for word in words], dtype=np.int64)
    starts = stops - np.array([len(word) for word in words], np.int64)
    first, ids = distinct(WordHashes.of(codes).ranges(starts, stops))
    assert [words[i] for i in first[ids]] == words
    assert len(first) == len(set(words))


def test_the_command_that_brings_the_model_is_one_everywhere():
    """In the message where pkuseg is missing, in BUILD.md and in the Makefile."""
    root = Path(__file__).parents[2]
    wanted = {
        flag for flag in no_model().split() if flag.startswith("--") and not flag.startswith(("--seg", "--target"))
    }
    assert {"--no-deps", "--only-binary=:all:", "--platform=manylinux1_x86_64"} <= wanted
    assert "pkuseg==0.0.25" in no_model()
    for name in ("BUILD.md", "Makefile"):
        text = (root / name).read_text("utf-8")
        command = text[text.index("--no-deps --only-binary") :][:300]
        assert wanted - {"--lang=en"} <= set(command.split())
    for name in ("BUILD.md", "requirements/pkuseg.txt"):
        assert "pkuseg==0.0.25" in (root / name).read_text("utf-8")
