"""Whole runs with --context: one that goes on, new documents, and what does not fit."""

from pathlib import Path

import numpy as np
import pytest

from conftest import SMALL, needs_scale, themed_lines
from etm_jax.cli import flags as cli
from etm_jax.cli.run import run
from etm_jax.inference.infer import Reading, infer
from etm_jax.inference.parts import infer_parts
from etm_jax.interop import read_saved_model, to_safetensors
from etm_jax.interop.convert import convert
from etm_jax.interop.layouts import to_state
from etm_jax.interop.native_files import read_run_weights
from etm_jax.prepare import main as prepare
from etm_jax.util.errors import UserError
from etm_jax.vectors import documents
from etm_jax.vectors.documents import TextEncoder, spaced

D, C = 120, 4
FOREIGN = ("sea ship", "mountain tree", "town street")
"""The three themes in words that no model of Chinese lines knows."""


def themes_of(texts: list[str]) -> np.ndarray:
    """What stands in for an encoder that knows two languages: a text's theme, with some noise."""
    rng = np.random.default_rng(len(texts))
    marks = ("海浪船帆鱼港", "山树林石", "城市街楼")
    found = [
        FOREIGN.index(text) if text in FOREIGN else int(np.argmax([sum(map(text.count, own)) for own in marks]))
        for text in texts
    ]
    return (np.eye(C)[found] + 0.05 * rng.normal(size=(len(texts), C))).astype(np.float32)


@pytest.fixture(autouse=True)
def _stub(monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, "a" * 64)


def stub(monkeypatch: pytest.MonkeyPatch, digest: str) -> None:
    encoder = TextEncoder(lambda texts: themes_of(list(texts)), digest, "a stub")
    monkeypatch.setattr(documents, "require", lambda *_: None)
    monkeypatch.setattr(documents, "text_encoder", lambda _: encoder)
    monkeypatch.setattr("etm_jax.inference.contexts.text_encoder", lambda _: encoder)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("themes") / "lines.txt"
    path.write_text("\n".join(themed_lines(D)) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def vectors(lines: Path) -> Path:
    path = lines.with_name("vectors.npy")
    np.save(path, themes_of(themed_lines(D)))
    return path


def trained(corpus: Path, folder: Path, *more: str) -> Path:
    run(*cli.parse(["train", f"--corpus={corpus}", *SMALL, "--lr_schedule=constant", f"--workdir={folder}", *more]))
    return folder


def theta_of(folder: Path, texts: list[str], tmp_path: Path, context: str = "", vectors: np.ndarray | None = None):
    (tmp_path / "new.txt").write_text("\n".join(texts) + "\n", "utf-8")
    if vectors is not None:
        np.save(tmp_path / "new.npy", vectors)
        context = f"file:{tmp_path / 'new.npy'}"
    infer(str(folder), str(tmp_path / "new.txt"), str(tmp_path / "theta.npy"), Reading(context=context))
    return np.load(tmp_path / "theta.npy")


@pytest.mark.parametrize("context", ["use", "ppmi"])
def test_a_run_with_vectors_that_goes_on_ends_with_the_same_bytes(lines: Path, tmp_path: Path, context: str) -> None:
    flag = f"--context={context}"
    whole = trained(lines, tmp_path / "whole", "--num_epochs=4", flag)
    trained(lines, tmp_path / "parts", "--num_epochs=2", flag)
    parts = trained(lines, tmp_path / "parts", "--num_epochs=4", flag)
    for name in ("beta", "theta_train", "theta_test", "theta_test_h1"):
        assert (whole / "export" / f"{name}.npy").read_bytes() == (parts / "export" / f"{name}.npy").read_bytes()


def test_by_the_vectors_alone_another_language_has_the_same_topics(lines: Path, tmp_path: Path) -> None:
    folder = trained(lines, tmp_path / "run", "--context=use", "--encoder=context", "--num_epochs=60")
    ours = theta_of(folder, themed_lines(3), tmp_path).argmax(axis=1)
    theirs = theta_of(folder, list(FOREIGN), tmp_path).argmax(axis=1)
    assert len(set(ours)) == 3
    np.testing.assert_array_equal(ours, theirs)


def test_another_encoder_is_refused_with_both_digests(lines: Path, tmp_path: Path, monkeypatch) -> None:
    folder = trained(lines, tmp_path / "run", "--context=use", "--num_epochs=1")
    stub(monkeypatch, "b" * 64)
    with pytest.raises(UserError, match=r"another encoder .digest b{16}. than that of training .digest a{16}."):
        theta_of(folder, themed_lines(3), tmp_path)
    with pytest.raises(UserError, match=r"digest a{16}, now b{16}"):
        trained(lines, folder, "--context=use", "--num_epochs=2")


def test_vectors_of_a_file_are_those_of_the_lines(lines: Path, vectors: Path, tmp_path: Path) -> None:
    by_file = trained(lines, tmp_path / "file", f"--context=file:{vectors}", "--encoder=context")
    by_text = trained(lines, tmp_path / "text", "--context=use", "--encoder=context")
    for name in ("beta", "theta_train"):
        a, b = (np.load(folder / "export" / f"{name}.npy") for folder in (by_file, by_text))
        np.testing.assert_array_equal(a, b)
    new = theta_of(by_file, ["x", "y"], tmp_path, vectors=themes_of(list(FOREIGN[:2])))
    np.testing.assert_allclose(new.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda x: x[:-1], "has 119 rows for 120 documents; give a row for each"),
        (lambda x: np.where(np.arange(D)[:, None] == 7, np.nan, x), "row 7 of 120 .from 0. holds nan"),
        (lambda x: x[:, 0], "holds an array .120. of float32; give numbers, a row for each"),
    ],
)
def test_a_file_of_vectors_that_cannot_be_used_is_one_line(lines, vectors, tmp_path, change, says) -> None:
    np.save(tmp_path / "other.npy", change(np.load(vectors)))
    with pytest.raises(UserError, match=says):
        trained(lines, tmp_path / "run", f"--context=file:{tmp_path / 'other.npy'}")
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--encoder=context",), "--encoder=context reads the vectors of --context alone; give --context"),
        (("--context=use", "--model=lda"), "--context=use is for --model=etm"),
        (("--context=bart",), "--context='bart' is not one of use, bert:FOLDER, file:VECTORS.npy, ppmi"),
    ],
)
def test_settings_of_vectors_that_do_not_fit_are_one_line(lines, tmp_path, flags, says) -> None:
    with pytest.raises(UserError, match=says):
        trained(lines, tmp_path / "run", *flags)


def test_new_documents_need_their_own_vectors(lines: Path, vectors: Path, tmp_path: Path) -> None:
    folder = trained(lines, tmp_path / "run", f"--context=file:{vectors}", "--num_epochs=1")
    plain = trained(lines, tmp_path / "plain", "--num_epochs=1")
    with pytest.raises(UserError, match="has no vectors of new documents; give theirs as --context=file"):
        theta_of(folder, ["海"], tmp_path)
    with pytest.raises(UserError, match="has 3 rows for 2 documents"):
        theta_of(folder, ["海", "山"], tmp_path, vectors=np.zeros((3, C)))
    with pytest.raises(UserError, match="has 1 rows, and there are more documents"):
        theta_of(folder, ["海", "山"], tmp_path, vectors=np.zeros((1, C)))
    with pytest.raises(UserError, match=r"the model reads .2, 4."):
        theta_of(folder, ["海", "山"], tmp_path, vectors=np.zeros((2, C + 1)))
    with pytest.raises(UserError, match="is not what the model was trained with"):
        theta_of(folder, ["海"], tmp_path, "use")
    with pytest.raises(UserError, match="is for a model that was trained with it"):
        theta_of(plain, ["海"], tmp_path, "use")


def test_weights_are_those_of_the_same_vectors(lines: Path, vectors: Path, tmp_path: Path, monkeypatch) -> None:
    first = trained(lines, tmp_path / "first", "--context=use", "--num_epochs=1")
    trained(lines, tmp_path / "on", "--context=use", f"--ckpt={first}", "--num_epochs=1")
    with pytest.raises(UserError, match=r"was trained with other vectors of --context .digest a{16}, now"):
        trained(lines, tmp_path / "file", f"--context=file:{vectors}", f"--ckpt={first}")
    with pytest.raises(UserError, match="was trained with --context=use, and its weights do not fit no --context"):
        trained(lines, tmp_path / "none", f"--ckpt={first}")
    alone = trained(lines, tmp_path / "alone", "--context=use", "--encoder=context", "--num_epochs=1")
    with pytest.raises(UserError, match="was trained with --context=use, and its weights do not fit no --context"):
        trained(lines, tmp_path / "none", f"--ckpt={alone}")


def test_torch_has_no_place_for_vectors(lines: Path, tmp_path: Path) -> None:
    folder = trained(lines, tmp_path / "run", "--context=use", "--num_epochs=1", "--variant=paper", "--emb_dim=8")
    with pytest.raises(UserError, match="context_kernel"):
        to_state(read_run_weights(str(folder)).variables.params, "etm")
    other = trained(lines, tmp_path / "gsm", "--context=ppmi", "--num_epochs=1", "--model=gsm", "--variant=ntm")
    with pytest.raises(UserError, match="has no place for context_kernel, context_topics"):
        convert(str(other), str(tmp_path / "gsm.pt"), "ntm")
    assert not (tmp_path / "gsm.pt").exists()


def test_a_file_of_weights_knows_the_vectors(lines: Path, tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason="safetensors is not installed (extra: interop)")
    folder = trained(lines, tmp_path / "run", "--context=use", "--encoder=context")
    file = tmp_path / "model.safetensors"
    to_safetensors(file, read_run_weights(str(folder)))
    again = read_saved_model(str(file))
    assert (again.context_digest, again.context_dim) == ("a" * 64, C)
    texts = themed_lines(6, seed=5)
    np.testing.assert_array_equal(theta_of(file, texts, tmp_path), theta_of(folder, texts, tmp_path))


@needs_scale
def test_shards_have_the_vectors_of_their_words_alone(lines: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    given = [f"--input={lines}", f"--output={shards}", "--segmenter=whitespace", "--no_below=1", "--no_above=0.6"]
    assert cli.run(prepare, ["prepare", *given]) == 0
    small = [flag for flag in SMALL if not flag.startswith(("--segmenter", "--no_", "--batch_size"))]
    flags = [f"--corpus={shards}", *small, "--batch_size=64"]
    with pytest.raises(UserError, match="needs a corpus that is read whole"):
        run(*cli.parse(["train", *flags, "--context=use", f"--workdir={tmp_path / 'use'}"]))
    run(*cli.parse(["train", *flags, "--context=ppmi", f"--workdir={tmp_path / 'ppmi'}"]))
    assert np.isfinite(np.load(tmp_path / "ppmi" / "export" / "theta_train.npy")).all()
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra: parquet)")
    by_text = trained(lines, tmp_path / "text", "--context=use", "--num_epochs=1")
    with pytest.raises(UserError, match=r"which reads documents' texts, and --input=.* has counts alone"):
        infer_parts(str(by_text), str(shards), str(tmp_path / "parts"), Reading())
    assert not (tmp_path / "parts").exists()


def test_counts_have_no_texts_to_read(tmp_path: Path, lines: Path) -> None:
    export = trained(lines, tmp_path / "first", "--num_epochs=1") / "export"
    with pytest.raises(UserError, match=r"reads the documents' texts, but .* came as counts; give the texts"):
        trained(export, tmp_path / "run", "--context=use")
    num_docs = sum(len(np.load(export / f"theta_{part}.npy")) for part in ("train", "valid", "test"))
    np.save(tmp_path / "v.npy", np.random.default_rng(0).normal(size=(num_docs, C)))
    trained(export, tmp_path / "run", f"--context=file:{tmp_path / 'v.npy'}", "--num_epochs=1")


def test_blanks_between_chinese_characters_part_words_alone() -> None:
    assert spaced("海 上 ship one 城 市") == "海上 ship one 城市"
