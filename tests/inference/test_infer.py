"""Topics of new documents: from any form of text, piece by piece, to any form of file."""

import csv
import gc
import io
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import forked
from conftest import SMALL, THEMES, themed_lines, train_on_themes
from etm_jax import train
from etm_jax.cli import flags as cli
from etm_jax.cli.run import run
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.new_documents import DOCUMENTS_AT_ONCE, CountedDocuments, read_new, segmented, settings_like
from etm_jax.corpus.types import Document, Vocabulary
from etm_jax.corpus.words.segment import DOCUMENTS_AT_ONCE as SEGMENTED_AT_ONCE
from etm_jax.corpus.words.segmenters import segmenter_version
from etm_jax.corpus.words.unicode_words import EARLIER_WORDS
from etm_jax.infer import main
from etm_jax.inference import theta as inference
from etm_jax.inference.predictor import AHEAD, Mixtures, Predictor, mixtures
from etm_jax.inference.theta_files import FORMATS, writer
from etm_jax.inference.unknown_words import too_many_unknown
from etm_jax.interop import read_saved_model, to_safetensors
from etm_jax.util.errors import UserError

TOPICS = ("topic_0", "topic_1", "topic_2")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    return train_on_themes(tmp_path_factory.mktemp("infer"))


def inferred(trained: Path, source: Path | str, output: Path, *more: str) -> Path:
    assert cli.run(main, ["infer", f"--workdir={trained}", f"--input={source}", f"--output={output}", *more]) == 0
    return output


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))))


def theta_of(path: Path) -> np.ndarray:
    return np.array([[float(x) for key, x in row.items() if key.startswith("topic_")] for row in rows_of(path)])


def test_documents_of_training_get_the_topics_that_training_gave_them(trained: Path, tmp_path: Path) -> None:
    found = inferred(trained, trained.parent / "lines.txt", tmp_path / "theta.csv")
    table = trained / "export" / "doc_topics.csv"
    exported = dict(zip((row["document"] for row in rows_of(table)), theta_of(table), strict=True))
    rows, theta = rows_of(found), theta_of(found)
    assert len(rows) == 120
    for row, shares in zip(rows, theta, strict=True):
        np.testing.assert_allclose(shares, exported[row["document"]], atol=2e-6)


def test_words_that_the_model_does_not_know_are_counted(trained: Path, tmp_path: Path, capsys) -> None:
    sea = THEMES["海"].split()
    text = tmp_path / "new.txt"
    text.write_text(f"{sea[0]} {sea[1]} 火箭 {sea[0]}\n\n火箭 卫星\n", encoding="utf-8")
    first, second = rows_of(inferred(trained, text, tmp_path / "theta.csv"))
    assert (first["document"], first["words"], first["unknown"]) == ("1", "4", "0.2500")
    assert (second["document"], second["words"], second["unknown"]) == ("3", "2", "1.0000")
    # The prior of three topics.
    assert [float(second[f"topic_{k}"]) for k in range(3)] == pytest.approx([1 / 3] * 3, abs=1e-6)
    assert "1 of 2 documents hold no word that the model knows" in capsys.readouterr().err


def test_a_run_that_left_most_words_out_is_not_told_of_them_in_its_own_documents(tmp_path: Path, capsys) -> None:
    """Nine words of ten occur once and are rare: 90% are unknown in training, too. Of other text 97% are."""
    lines = [f"{line} {' '.join(f'w{i}x{j}' for j in range(9 * len(line.split())))}" for i, line in
             enumerate(themed_lines())]  # fmt: skip
    corpus, other = tmp_path / "lines.txt", tmp_path / "other.txt"
    corpus.write_text("\n".join(lines) + "\n", encoding="utf-8")
    few = ("--no_below=5", "--no_above=1")
    run(*cli.parse(["train", f"--corpus={corpus}", *SMALL, *few, f"--workdir={tmp_path / 'run'}"]))
    capsys.readouterr()
    inferred(tmp_path / "run", corpus, tmp_path / "theta.csv")
    said = capsys.readouterr().err
    assert "90.0% of their words are not the model's" in said
    assert "warning" not in said
    text = "\n".join(" ".join([line.split()[0], *["unseen"] * 40]) for line in lines)
    other.write_text(text + "\n", encoding="utf-8")
    inferred(tmp_path / "run", other, tmp_path / "theta.csv")
    expected = "97.6% of the words are unknown to the model, and 90.0% of those that it was trained on: is the text of"
    assert expected in capsys.readouterr().err
    # Where the run does not tell, seven of ten unknown words are too many.
    (tmp_path / "run" / "export" / "doc_topics.csv").unlink()
    assert too_many_unknown(0.71, str(tmp_path / "run")).startswith("71.0% of the words are unknown to the model: is")
    assert too_many_unknown(0.7, str(tmp_path / "run")) == ""


def test_all_forms_of_output_say_the_same(trained: Path, tmp_path: Path) -> None:
    text = tmp_path / "many.txt"
    lines = themed_lines(2 * DOCUMENTS_AT_ONCE + 7, seed=5)
    text.write_text("\n".join(lines), encoding="utf-8")
    table = inferred(trained, text, tmp_path / "theta.csv")
    array = np.load(inferred(trained, text, tmp_path / "theta.npy"))
    assert array.shape == (len(lines), 3)
    assert array.dtype == np.float32
    np.testing.assert_allclose(theta_of(table), array, atol=1e-6)
    objects = [
        json.loads(line) for line in inferred(trained, text, tmp_path / "t.jsonl").read_text("utf-8").splitlines()
    ]
    np.testing.assert_allclose([row["theta"] for row in objects], array, atol=1e-6)
    assert [row["document"] for row in objects] == [row["document"] for row in rows_of(table)]


def test_parquet_has_the_columns_of_the_table_and_all_digits(trained: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    text = tmp_path / "many.txt"
    text.write_text("\n".join(themed_lines(DOCUMENTS_AT_ONCE + 7, seed=5)), encoding="utf-8")
    columns = parquet.read_table(inferred(trained, text, tmp_path / "theta.parquet")).to_pydict()
    table = rows_of(inferred(trained, text, tmp_path / "theta.csv"))
    assert list(columns) == list(table[0])
    assert columns["document"] == [row["document"] for row in table]
    array = np.load(inferred(trained, text, tmp_path / "theta.npy"))
    np.testing.assert_array_equal(np.column_stack([columns[f"topic_{k}"] for k in range(3)]), array)


def test_a_document_has_the_same_topics_whatever_stands_beside_it(trained: Path, tmp_path: Path) -> None:
    lines = themed_lines(DOCUMENTS_AT_ONCE + 1, seed=6)
    alone, together = tmp_path / "one.txt", tmp_path / "all.txt"
    alone.write_text(lines[-1], encoding="utf-8")
    together.write_text("\n".join(lines), encoding="utf-8")
    one, all_of_them = (np.load(inferred(trained, path, path.with_suffix(".npy"))) for path in (alone, together))
    np.testing.assert_allclose(one[0], all_of_them[-1], atol=1e-6)


@pytest.mark.parametrize("form", ["lines", "jsonl"])
def test_standard_input_goes_to_the_screen(trained: Path, form: str) -> None:
    lines = themed_lines(5, seed=2)
    given = lines if form == "lines" else [json.dumps({"body": line}) for line in lines]
    command = [sys.executable, "-m", "etm_jax.infer", f"--workdir={trained}", "--input=-", f"--form={form}"]
    done = forked.run([*command, "--text_field=body"], input="\n".join(given).encode(), capture_output=True, check=True)
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode("utf-8"))))
    assert [row["document"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert {row["unknown"] for row in rows} == {"0.0000"} or all(float(row["unknown"]) < 0.3 for row in rows)


def test_what_cannot_be_read_leaves_nothing_on_the_screen(trained: Path, capfd) -> None:
    assert cli.run(main, ["infer", f"--workdir={trained}", "--input=no.txt"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "no.txt" in err


def test_a_reader_that_has_enough_is_no_error(trained: Path, tmp_path: Path) -> None:
    text = tmp_path / "many.txt"
    text.write_text("\n".join(themed_lines(5000)), encoding="utf-8")
    command = [sys.executable, "-m", "etm_jax.infer", f"--workdir={trained}", f"--input={text}"]
    process = forked.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        assert process.stdout.readline().startswith(b"document,words,unknown,topic_0")
        process.stdout.close()
        said = process.stderr.read().decode()
    assert process.returncode == 141
    assert "Traceback" not in said
    assert "Error" not in said


def test_a_folder_of_counts_and_a_file_of_weights_do_too(trained: Path, tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    to_safetensors(weights, read_saved_model(str(trained)))
    theta = np.load(inferred(weights, trained / "export", tmp_path / "theta.npy", "--segmenter=whitespace"))
    exported = np.load(trained / "export" / "theta_train.npy")
    np.testing.assert_allclose(theta[: len(exported)], exported, atol=2e-6)


def test_no_more_text_is_read_than_is_needed(trained: Path, monkeypatch) -> None:
    model = read_saved_model(str(trained))
    read = 0

    def endless(*_) -> itertools.count:
        def documents():
            nonlocal read
            from etm_jax.corpus.types import Document

            for i in itertools.count():
                read += 1
                yield Document(str(i), "海洋 船")

        return documents

    monkeypatch.setattr("etm_jax.corpus.new_documents.documents_in", endless)
    settings = settings_like(model.config.corpus, model.vocabulary)
    predictor = Predictor(model, model.vocabulary)
    found = mixtures(predictor, read_new("-", "lines", settings, model.vocabulary))
    assert len(next(found).ids) == SEGMENTED_AT_ONCE
    assert read == (1 + AHEAD) * SEGMENTED_AT_ONCE
    found.close()


def test_theta_does_not_depend_on_the_number_of_threads(trained: Path, monkeypatch) -> None:
    model = read_saved_model(str(trained))
    assert model.vocabulary is not None
    rng = np.random.default_rng(0)
    rows = sp.csr_matrix(rng.poisson(0.2, (3000, len(model.vocabulary))), dtype=np.int32)
    groups = [rows[start : start + 1500] for start in range(0, 3000, 1500)]  # Of three batches each.
    documents = [CountedDocuments([""] * 1500, some, np.full(1500, 9), {}) for some in groups]
    found = []
    for threads in (1, 3, 8):
        monkeypatch.setattr(inference, "num_threads", lambda threads=threads: threads)
        predictor = Predictor(model, model.vocabulary)
        found.append(np.concatenate([some.theta for some in mixtures(predictor, documents)]))
    assert found[0].tobytes() == found[1].tobytes() == found[2].tobytes()
    assert len(found[0]) == 3000


def test_lda_gives_its_documents_the_topics_that_it_exported(trained: Path, tmp_path: Path) -> None:
    corpus = trained.parent / "lines.txt"
    lda = [*SMALL, "--model=lda", "--lda_iterations=3", f"--workdir={tmp_path / 'lda'}"]
    run(*cli.parse(["train", f"--corpus={corpus}", *lda]))
    found = inferred(tmp_path / "lda", corpus, tmp_path / "theta.npy")
    export = tmp_path / "lda" / "export"
    # Topics are exported in single precision.
    np.testing.assert_allclose(np.load(found), theta_of(export / "doc_topics.csv"), atol=1e-4)


@pytest.mark.parametrize(
    ("corpus", "was", "segmenter", "lowercase"),
    [
        ({"corpus": "a.txt"}, "pkuseg 0.0.25", "pkuseg", False),
        ({"corpus": "a.txt", "lang": "en"}, "words 2 (Unicode 15.0.0)", "words", True),
        ({"corpus": "a.txt", "lang": "en"}, "words (Unicode 15.0.0)", EARLIER_WORDS, True),
        ({"corpus": "peoples_daily"}, "gold", "pkuseg", False),
        ({"corpus": "newsarticles"}, "words 2 (Unicode 15.0.0)", "words", True),
        ({"corpus": "a.txt", "lang": "en", "lowercase": False}, "words 2 (Unicode 15.0.0)", "words", False),
        ({"corpus": "a.txt", "corpus_fallback": "sanguo"}, "rjieba 0.2", "rjieba", False),
    ],
)
def test_text_is_cut_as_the_models_was(corpus: dict, was: str, segmenter: str, lowercase: bool) -> None:
    zeros = np.zeros(2, np.int64)
    settings = settings_like(CorpusConfig(**corpus), Vocabulary(["a", "b"], zeros, zeros, 0, was))
    assert (settings.segmenter, settings.lowercase) == (segmenter, lowercase)
    assert settings_like(CorpusConfig(**corpus), Vocabulary([], zeros, zeros, 0, was), "jieba").segmenter == "jieba"


def test_what_is_wrong_is_said_in_a_line_and_what_was_there_stays(trained: Path, tmp_path: Path, capsys) -> None:
    broken, output = tmp_path / "broken.txt", tmp_path / "theta.csv"
    broken.write_bytes("海洋 船\n".encode() * 2000 + b"\xff\xfe\n")
    output.write_text("before", encoding="utf-8")
    workdir, source, to = f"--workdir={trained}", f"--input={broken}", f"--output={output}"
    cases = [
        ([workdir, source, to], "is not utf-8: byte 0xff at offset"),
        ([workdir, "--input=missing.txt", to], "--input='missing.txt' is not there"),
        ([workdir, source, "--output=theta.xls"], "--output=theta.xls must end in .csv, .jsonl, .npy, .parquet"),
        ([workdir], "give --workdir=FOLDER and --input=FILE"),
        ([f"--workdir={tmp_path}", source, to], "holds no run with a checkpoint"),
        ([workdir, source, to, "--form=xml"], "--form"),
        ([workdir, source, to, "--segmenter=nothing"], "--segmenter='nothing' is not one of pkuseg"),
    ]
    for args, told in cases:
        assert cli.run(main, ["infer", *args]) == 2, args
        err = capsys.readouterr().err
        assert told in err, err
        assert err.count("error:") == 1
        assert "Traceback" not in err
    assert output.read_text("utf-8") == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.txt", "theta.csv"]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("written", [0, 1])
def test_an_input_that_fails_leaves_the_output_and_nothing_to_collect(
    suffix: str, written: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path, untold = tmp_path / f"theta{suffix}", []
    path.write_text("before")
    monkeypatch.setattr(sys, "unraisablehook", untold.append)
    some = Mixtures(["a"], np.ones((1, 3), np.float32) / 3, np.ones(1, np.int64), np.zeros(1), {})

    def documents() -> Iterator[Mixtures]:
        yield from [some] * written
        raise UserError("the input")

    def write() -> None:
        with writer(path, TOPICS) as out:
            for each in documents():
                out.write(each)

    with pytest.raises(UserError, match="the input"):
        write()
    gc.collect()
    assert untold == []
    assert path.read_text() == "before"


@pytest.mark.parametrize("suffix", FORMATS)
def test_of_two_at_once_into_one_file_one_has_all_rows(suffix: str, tmp_path: Path) -> None:
    def some(name: str) -> Mixtures:
        theta = np.full((2, 3), ord(name) / 100, np.float32)
        return Mixtures([f"{name}{i}" for i in range(2)], theta, np.ones(2, np.int64), np.zeros(2), {})

    paths = [tmp_path / f"{name}{suffix}" for name in ("both", "alone")]
    with writer(paths[0], TOPICS) as second, writer(paths[0], TOPICS) as first, writer(paths[1], TOPICS) as alone:
        for _ in range(3):
            first.write(some("a"))
            second.write(some("b"))
            alone.write(some("b"))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(tmp_path.iterdir()) == sorted(paths)


FORMULAS = ["=1+1", "+1", "-1+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1"]


def test_no_table_holds_what_a_spreadsheet_takes_for_a_formula(tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for i, (line, name) in enumerate(zip(themed_lines(), [*FORMULAS[:4], *map(str, range(200))], strict=False)):
        # A document a file: its name is shown, and so are its first words.
        (corpus / f"{name.replace('/', '_')}.txt").write_text(f"{FORMULAS[i % 6]} {line}", encoding="utf-8")
    flags = [f"--corpus={corpus}", *SMALL, "--num_epochs=1", "--num_seeds=2", f"--workdir={tmp_path / 'run'}"]
    assert cli.run(train.main, ["train", *flags]) == 0
    output = tmp_path / "theta.csv"
    asked = [f"--workdir={tmp_path / 'run'}", f"--input={corpus}", f"--output={output}"]
    assert cli.run(main, ["infer", *asked]) == 0
    cells = 0
    for path in (*(tmp_path / "run" / "export").glob("*.csv"), output):
        with path.open(encoding="utf-8-sig", newline="") as file:
            for cell in (cell for row in csv.reader(file) for cell in row):
                cells += cell.startswith("'")
                try:
                    float(cell)
                except ValueError:
                    assert not cell.startswith(tuple("=+-@\t\r")), (path.name, cell)
    assert cells >= 100


def test_each_row_of_a_table_has_its_topics(trained: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(f"id,text\nA1,{themed_lines(1)[0]}\nA2,\nA3,   \nA4,{themed_lines(1)[0]}\n", encoding="utf-8")
    theta = np.load(inferred(trained, table, tmp_path / "theta.npy"))
    assert len(theta) == 4
    np.testing.assert_array_equal(theta[0], theta[3])
    np.testing.assert_allclose(theta[1:3], 1 / 3, atol=1e-6)
    rows = rows_of(inferred(trained, table, tmp_path / "theta.csv", "--id_field=id"))
    assert [row["document"] for row in rows] == ["A1", "A2", "A3", "A4"]
    assert [(row["words"], row["unknown"]) for row in rows[1:3]] == [("0", "1.0000")] * 2
    assert [row["document"] for row in rows_of(inferred(trained, table, tmp_path / "theta.csv"))] == list("1234")


def test_a_segmenter_of_another_version_than_the_models_is_named(capsys) -> None:
    now = segmenter_version("words")
    for version in (now, "words 2 (Unicode 1.0)"):
        vocabulary = Vocabulary(["a", "b"], np.ones(2), np.ones(2), 2, version)
        settings = settings_like(CorpusConfig(lang="en"), vocabulary)
        list(segmented(lambda: iter([Document("0", "a b")]), settings, vocabulary))
        told = capsys.readouterr().err
        assert ("were cut by words 2 (Unicode 1.0), and new text is cut by" in told) == (version != now)
