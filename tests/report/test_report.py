"""The report of a run: what the page holds, that text in it stays text, and the files beside it."""

import contextlib
import csv
import importlib
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import scipy.sparse as sp

from conftest import SMALL, themed_lines
from etm_jax.cli import flags as cli
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.metadata import MetaColumn, Metadata
from etm_jax.corpus.sources import find_source
from etm_jax.corpus.types import Documents
from etm_jax.metrics.relevance import relevant_words
from etm_jax.metrics.topics import top_words
from etm_jax.report.__main__ import main as report_main
from etm_jax.report.exports import topic_data
from etm_jax.report.page import contents as page_contents
from etm_jax.report.page.choices import WEIGHTS, choices_of, ranked_words
from etm_jax.report.page.groups import groups_of
from etm_jax.report.page.html import page
from etm_jax.report.plot_style import tick_label
from etm_jax.results.run import read_run
from etm_jax.train import main as train_main

HOSTILE = "</script><img src=x onerror=alert(1)>"


def train(*argv) -> int:
    return cli.run(train_main, ["train", *map(str, argv)])


def report(*argv) -> int:
    return cli.run(report_main, ["report", *map(str, argv)])


def data_of(path) -> dict:
    """What the page was given, read from the file itself."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
    return json.loads(found[1])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each model on the same dated texts, one of which tries to be markup."""
    folder = tmp_path_factory.mktemp("运行 runs")
    with (folder / "news.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "day"])
        for i, line in enumerate(themed_lines()):
            writer.writerow([line + (f" {HOSTILE}" if i % 5 == 0 else ""), f"2024-0{1 + 2 * (i % 3)}-11"])
    small = [f"--corpus={folder / 'news.csv'}", *SMALL, "--log_quality_every=2"]
    with (folder / "log").open("w", encoding="utf-8") as log, contextlib.redirect_stderr(log):
        assert train(*small, f"--workdir={folder / 'etm'}") == 0
        assert train(*small, f"--workdir={folder / 'gsm'}", "--model=gsm") == 0
        assert train(*small, f"--workdir={folder / 'lda'}", "--model=lda", "--lda_iterations=2") == 0
    return folder


@pytest.fixture(scope="module")
def shown(runs):
    """The page's data of the run of ETM."""
    assert report(f"--workdir={runs / 'etm'}", f"--output={runs / 'etm.html'}", "--date_field=day") == 0
    return data_of(runs / "etm.html")


def test_topics_are_those_of_the_run(runs, shown):
    run = read_run(runs / "etm")
    words = run.corpus.vocabulary.words
    for k, row in enumerate(top_words(run.model.beta, 12)):
        topic = shown["topics"][k]
        assert [shown["words"]["text"][j] for j in topic["words"][:12]] == [words[j] for j in row]
        assert topic["p"][:12] == pytest.approx(run.model.beta[k, row], abs=1e-5)
        assert len(topic["near"]) == page_contents.NEAREST
    with (runs / "etm" / "export" / "topics.csv").open(encoding="utf-8-sig", newline="") as file:
        table = {int(row["topic"]): (row["share"], row["npmi"]) for row in csv.DictReader(file)}
    assert {k: (f"{topic['share']:.6f}", f"{topic['npmi']:.6f}") for k, topic in enumerate(shown["topics"])} == table


def test_a_words_topics_are_by_bayes_rule(runs, shown):
    model = read_run(runs / "etm").model
    words = read_run(runs / "etm").corpus.vocabulary.words
    share = np.array([topic["share"] for topic in shown["topics"]])
    for word, pairs in zip(shown["words"]["text"], shown["words"]["topics"], strict=True):
        joint = share * model.beta[:, words.index(word)]
        expected = 100 * joint / joint.sum()
        assert pairs[0] == expected.argmax()
        assert pairs[1::2] == pytest.approx(expected[pairs[::2]], abs=1)


def test_documents_have_their_topics_and_marked_words(runs, shown):
    lines = themed_lines()
    for k, topic in enumerate(shown["topics"]):
        top = {shown["words"]["text"][j] for j in topic["words"]}
        assert len(topic["documents"]) == page_contents.DOCUMENTS
        for document in topic["documents"]:
            text = "".join(document["parts"])
            assert text.startswith(lines[int(document["id"]) - 1])
            assert document["topics"][0] == k
            assert set(document["parts"][1::2]) & top
    for document in shown["first"]:
        colours = [shown["topics"][k]["beside"] for k in document["topics"][::2]]
        assert len(set(colours)) == len(colours)
    assert [document["id"] for document in shown["first"]][:2] == ["1", "2"]
    assert shown["documents"]["of"] == len(shown["documents"]["id"]) == 120


def test_settings_are_what_became_of_them(runs, shown):
    settings = {flag: (value, changed) for _, flag, value, changed in shown["settings"]}
    assert settings["overlap_weight"] == (f"{read_run(runs / 'etm').record.overlap_weight:.3g}", False)
    assert settings["num_epochs"] == ("6", True)


def test_curves_are_those_of_the_log(runs, shown):
    rows = [json.loads(line) for line in (runs / "etm" / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert shown["training"]["epoch"] == [1, 2, 3, 4, 5, 6]
    assert shown["training"]["nelbo"] == [row["nelbo"] for row in rows]
    assert shown["training"]["c_v"] == [None, rows[1]["c_v"], None, rows[3]["c_v"], None, rows[5]["c_v"]]
    # As measured at the end: the last epoch is the one that was exported, at another temperature.
    measured = {row[0]: row for row in shown["metrics"]}
    assert "NPMI" in measured
    assert "perplexity" in measured


def test_time_is_by_month_and_weighs_by_words(runs, shown):
    time = shown["time"]
    assert time["unit"] == "month"
    assert time["bins"] == ["2024-01", "2024-03", "2024-05"]
    assert sum(time["documents"]) == 120
    np.testing.assert_allclose(np.sum(time["shares"], axis=0), 1, atol=1e-3)
    run = read_run(runs / "etm")
    train = run.corpus.train
    # Every third line is of a month and of a theme: so is the topic.
    january = [i for i, name in enumerate(train.ids) if (int(name) - 1) % 3 == 0]
    leading = run.model.theta_train[january].mean(axis=0).argmax()
    assert np.argmax(time["shares"][leading]) == 0


def test_groups_have_the_share_of_their_words():
    counts = sp.csr_matrix(np.array([[1, 0], [3, 0], [2, 2], [5, 5]]))
    theta = np.array([[1.0, 0.0], [0.5, 0.5], [0.25, 0.75], [0.0, 1.0]], np.float32)
    metadata = Metadata((MetaColumn("source", "category", ("a", "b")), MetaColumn("day", "date")))
    documents = Documents(counts, list("1234"), [""] * 4, {"source": ["a", "a", "b", ""], "day": ["2024-01-01"] * 4})
    (found,) = groups_of(theta, documents, metadata)
    assert found["levels"] == ["a", "b"]
    assert found["documents"] == [2, 1]
    np.testing.assert_allclose(found["shares"], [[(1 + 1.5) / 4, 0.25], [1.5 / 4, 0.75]])
    assert groups_of(theta, documents, Metadata()) == []


def test_what_was_prepared_is_shown_though_the_corpus_is_gone(runs, shown, tmp_path):
    """Texts and dates are those that the preparation kept; before, both were read from the corpus again."""
    corpus, workdir = tmp_path / "news.csv", tmp_path / "etm"
    corpus.write_bytes((runs / "news.csv").read_bytes())
    assert train(f"--corpus={corpus}", f"--workdir={workdir}", *SMALL, "--meta_fields=day") == 0
    corpus.unlink()
    assert report(f"--workdir={workdir}") == 0
    found = data_of(workdir / "report.html")
    for part in ("topics", "first", "documents", "time", "texts_missing"):
        assert found[part] == shown[part]
    assert report(f"--workdir={workdir}", "--date_field=day") == 0
    assert data_of(workdir / "report.html")["time"] == shown["time"]
    assert "period_of_document" not in data_of(workdir / "report.html")


def test_a_run_prepared_before_texts_were_kept_reads_its_corpus(runs, shown, tmp_path):
    workdir = tmp_path / "etm"
    shutil.copytree(runs / "etm", workdir)
    (entry,) = (workdir / "corpus").iterdir()
    manifest = json.loads((entry / "corpus.json").read_text())
    del manifest["sha256"]["texts.npz"]
    (entry / "texts.npz").unlink()
    (entry / "corpus.json").write_text(json.dumps(manifest))
    assert report(f"--workdir={workdir}", "--date_field=day") == 0
    found = data_of(workdir / "report.html")
    assert {**found, "run": None} == {**shown, "run": None}


def test_topics_are_called_as_one_likes(runs, capsys):
    (runs / "names.csv").write_text("topic,name\n1,海上的人\n", encoding="utf-8")
    flags = [f"--workdir={runs / 'etm'}", f"--output={runs / 'named.html'}"]
    assert report(*flags, f"--topic_names={runs / 'names.csv'}") == 0
    assert [topic["name"] for topic in data_of(runs / "named.html")["topics"]] == ["", "海上的人", ""]
    (runs / "wrong.csv").write_text("topic,name\n3,x\n", encoding="utf-8")
    assert report(*flags, f"--topic_names={runs / 'wrong.csv'}") == 2
    assert "names topic '3'; topics are 0 to 2" in capsys.readouterr().err
    assert report(*flags, f"--topic_names={runs / 'news.csv'}") == 2
    assert "it needs topic and name" in capsys.readouterr().err


def test_the_page_is_in_the_language_of_its_corpus_or_the_one_asked_for(runs, shown):
    assert shown["run"]["page_lang"] == "zh"
    text = (runs / "etm.html").read_text("utf-8")
    assert '<html lang="zh-Hans">' in text
    assert "跳到主题" in text
    # Every row of the table of metrics has words for its name, and for what it was measured on.
    named = {name for name, _, _ in shown["measured"] if not re.search(r"[\u4e00-\u9fff]", name)}
    assert named <= {"", "NPMI", "UMass", "C_V", "C_UCI", "C_NPMI", "C_W2V", "KL"}
    assert all(re.search(r"[\u4e00-\u9fff]", said) for _, _, said in shown["measured"])
    assert report(f"--workdir={runs / 'etm'}", f"--output={runs / 'english.html'}", "--page_lang=en") == 0
    assert '<html lang="en">' in (runs / "english.html").read_text("utf-8")
    assert data_of(runs / "english.html")["measured"] == shown["metrics"]
    assert report(f"--workdir={runs / 'etm'}", "--page_lang=de") == 2


def test_topics_show_their_relevant_words_where_asked_to(runs, shown):
    assert report(f"--workdir={runs / 'etm'}", f"--output={runs / 'relevant.html'}", "--top_words=relevance") == 0
    found, run = data_of(runs / "relevant.html"), read_run(runs / "etm")
    names, beta = run.corpus.vocabulary.words, run.model.beta
    for k, row in enumerate(relevant_words(beta, run.corpus.vocabulary.term_freq, page_contents.WORDS)):
        topic = found["topics"][k]
        assert [found["words"]["text"][j] for j in topic["words"]] == [names[j] for j in row]
        assert topic["p"] == pytest.approx(beta[k, row], abs=1e-5)
    assert [topic["npmi"] for topic in found["topics"]] == [topic["npmi"] for topic in shown["topics"]]


def test_the_slider_has_the_most_relevant_words_at_every_position(runs, shown):
    run = read_run(runs / "etm")
    beta, names = run.model.beta, run.corpus.vocabulary.words
    assert shown["relevance"]["weights"] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert shown["relevance"]["start"] == 10
    for position, weight in enumerate(shown["relevance"]["weights"]):
        rows = relevant_words(beta, run.corpus.vocabulary.term_freq, page_contents.WORDS, weight)
        for k, row in enumerate(rows):
            choices = shown["topics"][k]["choices"]
            order = choices["orders"][position]
            assert [shown["words"]["text"][choices["words"][i]] for i in order] == [names[j] for j in row]
            assert [choices["p"][i] for i in order] == pytest.approx(beta[k, row], abs=5e-6, rel=5e-3)


def test_the_slider_has_every_word_that_it_can_show_once_and_no_other():
    """Relevance by hand: λ log β + (1 − λ) log(β / p), of which rows are sorted."""
    beta = np.random.default_rng(0).dirichlet(np.full(60, 0.2), 4)
    frequency = np.random.default_rng(1).integers(1, 100, 60)
    place = {j: 1000 + j for j in range(60)}
    found = choices_of(ranked_words(beta, frequency, 5), beta, place)
    for k, choices in enumerate(found):
        shown = set()
        for order, weight in zip(choices["orders"], WEIGHTS, strict=True):
            relevance = weight * np.log(beta[k]) + (1 - weight) * np.log(beta[k] / frequency)
            columns = np.argsort(-relevance, kind="stable")[:5]
            assert [choices["words"][i] for i in order] == [1000 + j for j in columns]
            shown |= set(columns.tolist())
        assert sorted(choices["words"]) == sorted(1000 + j for j in shown)
        assert choices["p"] == pytest.approx([beta[k, j - 1000] for j in choices["words"]], abs=5e-6, rel=5e-3)
    written = {0.12346: 0.123456, 0.000123: 0.00012345}
    rows = choices_of(np.array([[[0, 1]]] * len(WEIGHTS)), np.array([[*written.values()]]), place)
    assert rows[0]["p"] == list(written)


def test_text_of_the_corpus_cannot_become_markup(runs, shown):
    text = (runs / "etm.html").read_text("utf-8")
    assert HOSTILE not in text
    assert "onerror" in text
    assert text.count("</script>") == 2
    assert any(HOSTILE in "".join(d["parts"]) for topic in shown["topics"] for d in topic["documents"])
    found = shown | {"run": shown["run"] | {"name": HOSTILE}}
    assert HOSTILE not in page(found)


def test_the_page_asks_the_net_for_nothing(runs, shown):
    text = (runs / "etm.html").read_text("utf-8")
    before = text[: text.index('<script type="application/json"')]
    assert "default-src 'none'" in before
    assert not re.search(r"(src|href)=\"(?!#|data:)", before)
    assert "@import" not in text
    assert "url(" not in text


@pytest.mark.parametrize("model", ["gsm", "lda"])
def test_models_without_embeddings_have_no_map_but_the_rest(runs, model):
    assert report(f"--workdir={runs / model}") == 0
    found = data_of(runs / model / "report.html")
    assert found["map"] is None
    assert found["words"]["near"] == []
    assert all("near" not in topic for topic in found["topics"])
    assert found["time"] is None
    assert len(found["similarity"]["order"]) == 3
    assert bool(found["training"]["epoch"]) == (model == "gsm")
    assert found["groups"] == []


def test_a_large_run_stays_under_six_megabytes(shown, monkeypatch):
    """A hundred topics, 20,000 documents and 10,000 words, filled to what each may hold."""
    document = {"id": "20240101-01-001-0001", "topics": [10, 40, 20, 30, 30, 20, 40, 5, 50, 5]}
    candidates = 4 * page_contents.WORDS
    topic = {
        "words": list(range(9000, 9000 + page_contents.WORDS)),
        "p": [0.01234] * page_contents.WORDS,
        "share": 0.01234,
        "npmi": 0.123,
        "family": 3,
        "name": "",
        "choices": {
            "words": list(range(9000, 9000 + candidates)),
            "p": [0.00123] * candidates,
            "orders": [list(range(candidates - page_contents.WORDS, candidates))] * len(WEIGHTS),
        },
        "similar": [[99, 0.123]] * page_contents.SIMILAR,
        "near": [[9999, 0.123]] * page_contents.NEAREST,
        "documents": [document | {"parts": ["国" * 13, "两岸"] * 20}] * page_contents.DOCUMENTS,
    }
    number = page_contents.MOST_DOCUMENTS
    large = shown | {
        "topics": [topic] * 100,
        "words": {
            "text": ["精神文明"] * page_contents.MOST_WORDS,
            "topics": [[99, 50, 98, 20, 97, 20, 96, 10]] * page_contents.MOST_WORDS,
            "near": [[9999] * page_contents.NEIGHBOURS] * page_contents.MOST_WORDS,
            "of": page_contents.MOST_WORDS,
        },
        "map": {"topics": [[0.1234, 0.1234]] * 100, "words": [[9999, 99, 0.1234, 0.1234]] * 600},
        "similarity": {"order": list(range(100)), "joints": [[0.12345] * 8] * 99, "overlap": [[12] * 100] * 100},
        "documents": {
            "of": 10**6,
            "id": ["20240101-01-001-0001"] * number,
            "text": ["国" * page_contents.CHARACTERS_LISTED + "…"] * number,
            "topics": [[99, 50, 98, 20, 97, 20]] * number,
        },
    }
    assert len(page(large).encode()) < 6e6


def test_of_many_documents_and_words_some_are_drawn(runs, monkeypatch):
    monkeypatch.setattr(page_contents, "MOST_DOCUMENTS", 50)
    monkeypatch.setattr(page_contents, "MOST_WORDS", 10)
    monkeypatch.setattr(page_contents, "WORDS", 5)
    assert report(f"--workdir={runs / 'etm'}", f"--output={runs / 'few.html'}") == 0
    found = data_of(runs / "few.html")
    assert len(found["documents"]["id"]) == 50
    assert found["documents"]["of"] == 120
    assert len(set(found["documents"]["id"])) == 50
    assert 10 <= len(found["words"]["text"]) <= 10 + 15 < found["words"]["of"]


@pytest.mark.parametrize(
    "given, told",
    [
        ([], "give --workdir=FOLDER"),
        (["--workdir=nowhere"], "holds no run"),
        (["--workdir={etm}", "--date_field=hour"], "--date_field='hour' is not in"),
        (["--workdir={etm}", "--output={etm}"], "is a folder; give a file such as"),
        (["--workdir={gsm}", "--projector"], "--model=gsm does not have"),
        (["--wokdir=x"], "--help lists all flags"),
    ],
)
def test_mistakes_get_one_line(runs, given, told, capsys):
    filled = [arg.format(etm=runs / "etm", gsm=runs / "gsm") for arg in given]
    assert report(*filled) == 2
    lines = capsys.readouterr().err.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1
    assert told in errors[0]


def test_a_missing_package_is_named_before_anything_is_read(runs, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert report(f"--workdir={runs / 'etm'}", "--pyldavis") == 2
    assert (
        "--pyldavis needs pyLDAvis, which is not installed; pip install 'etm_jax[pyldavis]'" in capsys.readouterr().err
    )


def test_help_needs_no_jax():
    code = (
        "import sys; from etm_jax.report.__main__ import main; main(['report', '--help']); "
        "print('jax' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--date_field" in done.stdout
    assert done.stderr.strip() == "False"


# The files beside


def test_the_projector_gets_topics_and_words(runs):
    assert report(f"--workdir={runs / 'etm'}", "--projector") == 0
    run, folder = read_run(runs / "etm"), runs / "etm" / "projector"
    tensors = np.loadtxt(folder / "tensors.tsv", delimiter="\t")
    np.testing.assert_allclose(tensors, np.concatenate([run.model.alpha, run.model.rho]), rtol=1e-5)
    about = (folder / "metadata.tsv").read_text("utf-8").splitlines()
    assert about[0] == "label\tkind\ttopic\tcount"
    assert len(about) == 1 + len(tensors)
    from gensim.models import KeyedVectors

    vectors = KeyedVectors.load_word2vec_format(str(folder / "rho.vec"))
    word = run.corpus.vocabulary.words[5]
    np.testing.assert_allclose(vectors[word], run.model.rho[5], rtol=1e-5)
    assert len(KeyedVectors.load_word2vec_format(str(folder / "alpha.vec"))) == 3


def test_datasets_of_other_programs_hold_the_runs_documents(runs):
    forms = ("octis", "topmost", "uci", "ldac", "mm")
    assert report(f"--workdir={runs / 'etm'}", *(f"--{form}" for form in forms)) == 0
    run = read_run(runs / "etm")
    words, counts = run.corpus.vocabulary.words, run.corpus.all_documents().counts
    for form in forms:
        config = CorpusConfig(corpus=str(runs / "etm" / form), valid_share=0, test_share=0)
        source = find_source(config)
        assert source.form == form
        found = source.counted()
        assert found.words == words
        read = sp.vstack([found.train, found.valid, found.test_h1 + found.test_h2])
        np.testing.assert_array_equal(read.toarray(), counts.toarray())
    assert found.names["train"][0] == "1"


def test_gensim_reads_the_datasets(runs):
    gensim = pytest.importorskip("gensim")
    assert report(f"--workdir={runs / 'etm'}", "--uci", "--ldac", "--mm") == 0
    run, folder = read_run(runs / "etm"), runs / "etm"
    counts = run.corpus.all_documents().counts
    uci = gensim.corpora.UciCorpus(str(folder / "uci" / "docword.corpus.txt"), str(folder / "uci" / "vocab.corpus.txt"))
    ldac = gensim.corpora.BleiCorpus(str(folder / "ldac" / "corpus.dat"), str(folder / "ldac" / "vocab.txt"))
    for read in (uci, ldac, gensim.corpora.MmCorpus(str(folder / "mm" / "corpus.mm"))):
        found = gensim.matutils.corpus2csc(read, num_terms=counts.shape[1]).T
        np.testing.assert_array_equal(found.toarray(), counts.toarray())
    # It leaves the words of a UCI file as bytes.
    assert [uci.id2word[j].decode() for j in range(counts.shape[1])] == run.corpus.vocabulary.words


def test_octis_model_output_has_the_arrays_of_its_models(runs):
    assert report(f"--workdir={runs / 'etm'}", "--octis") == 0
    run = read_run(runs / "etm")
    with np.load(runs / "etm" / "octis" / "model_output.npz") as output:
        np.testing.assert_array_equal(output["topic-word-matrix"], run.model.beta)
        np.testing.assert_array_equal(output["topic-document-matrix"], run.model.theta_train.T)
        np.testing.assert_array_equal(output["test-topic-document-matrix"], run.model.theta_test.T)
        assert output["topics"][0].tolist() == [
            run.corpus.vocabulary.words[j] for j in top_words(run.model.beta, 10)[0]
        ]


@pytest.fixture(scope="module")
def odd_words(runs) -> Path:
    """A run on labelled texts whose words OCTIS' reader could take for something else."""
    odd = ["nan", "NA null", 'say "so"', "123", '"so"']
    texts = [*themed_lines(80), *odd, *odd]
    lines = [json.dumps({"text": text, "label": f"kind {i % 2}"}) for i, text in enumerate(texts)]
    (runs / "odd.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    kept = ["--noclean_tokens", "--keep_digits", "--meta_fields=label", "--vectors=random", "--num_epochs=1"]
    for name, more in (("odd", []), ("odd_gsm", ["--model=gsm"])):
        given = [f"--corpus={runs / 'odd.jsonl'}", *SMALL, *kept, f"--workdir={runs / name}", *more]
        assert train(*given) == 0
        assert report(f"--workdir={runs / name}", "--octis", "--topmost") == 0
    return runs


def texts_of(run) -> list[Counter[str]]:
    """The words of every document of a run with their counts."""
    words, counts = run.corpus.vocabulary.words, run.corpus.all_documents().counts
    return [Counter({words[j]: int(n) for j, n in zip(row.indices, row.data, strict=True)}) for row in counts]


def test_words_that_look_like_nothing_or_have_quotes_come_back(odd_words):
    run = read_run(odd_words / "odd")
    assert {"nan", "null", "NA", '"so"', "123"} <= set(run.corpus.vocabulary.words)
    for form in ("octis", "topmost"):
        config = CorpusConfig(corpus=str(odd_words / "odd" / form), valid_share=0, test_share=0)
        found = find_source(config).counted()
        read = sp.vstack([found.train, found.valid, found.test_h1 + found.test_h2])
        np.testing.assert_array_equal(read.toarray(), run.corpus.all_documents().counts.toarray())
    # As OCTIS reads the file.
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(odd_words / "odd" / "octis" / "corpus.tsv", sep="\t", header=None)
    assert [Counter(text.split()) for text in table[0]] == texts_of(run)
    assert set(table[2]) == {"kind 0", "kind 1"}


def test_octis_loads_the_folder(odd_words):
    datasets = pytest.importorskip(
        "octis.dataset.dataset", reason="octis is not installed (pip install --no-deps octis)", exc_type=ImportError
    )
    run = read_run(odd_words / "odd")
    loaded = datasets.Dataset()
    loaded.load_custom_dataset_from_folder(str(odd_words / "odd" / "octis"))
    assert list(map(Counter, loaded.get_corpus())) == texts_of(run)
    assert loaded.get_vocabulary() == run.corpus.vocabulary.words
    parts = [len(getattr(run.corpus, name)) for name in ("train", "valid", "test")]
    assert list(map(len, loaded.get_partitioned_corpus())) == parts
    assert loaded.get_labels() == run.corpus.all_documents().meta["label"]


def topmosts_reader(monkeypatch):
    """`topmost.data.BasicDataset`, without what the package imports besides."""
    try:
        place = importlib.metadata.distribution("topmost").locate_file("topmost")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("topmost is not installed (pip install --no-deps topmost; torch, sentence-transformers)")
    for name, folder in (("topmost", place), ("topmost.data", place / "data")):
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        monkeypatch.setitem(sys.modules, name, package)
    try:
        return importlib.import_module("topmost.data.basic_dataset").BasicDataset
    except ImportError as error:
        pytest.skip(f"topmost lacks what it imports: {error}")


@pytest.mark.parametrize("name", ["odd", "odd_gsm"])
def test_topmost_loads_the_folder(odd_words, monkeypatch, name):
    run = read_run(odd_words / name)
    loaded = topmosts_reader(monkeypatch)(str(odd_words / name / "topmost"), read_labels=True)
    train = sp.vstack([run.corpus.train.counts, run.corpus.valid.counts]).toarray()
    np.testing.assert_array_equal(loaded.train_bow, train)
    np.testing.assert_array_equal(loaded.test_bow, run.corpus.test.counts.toarray())
    assert loaded.vocab == run.corpus.vocabulary.words
    assert [f"kind {label}" for label in loaded.test_labels] == run.corpus.test.meta["label"]
    rho = np.zeros((len(loaded.vocab), 200)) if run.model.rho is None else run.model.rho
    np.testing.assert_array_equal(loaded.pretrained_WE, rho)


def test_topicwizards_fields_have_their_shapes(runs):
    assert report(f"--workdir={runs / 'etm'}", "--topicwizard") == 0
    run, found = read_run(runs / "etm"), topic_data(runs / "etm" / "topicwizard")
    vocab = len(run.corpus.vocabulary)
    assert set(found) == {
        "corpus", "vocab", "document_term_matrix", "document_topic_matrix", "topic_term_matrix",
        "document_representation", "transform", "topic_names",
    }  # fmt: skip
    assert found["document_term_matrix"].shape == (120, vocab) == (len(found["corpus"]), len(found["vocab"]))
    np.testing.assert_array_equal(found["topic_term_matrix"], run.model.beta)
    np.testing.assert_allclose(found["document_topic_matrix"].sum(axis=1), 1, rtol=1e-5)
    assert len(found["topic_names"]) == 3


@pytest.mark.filterwarnings("ignore")  # Of its own and of what it imports.
def test_topicwizard_draws_what_it_is_given(runs):
    figures = pytest.importorskip(
        "topicwizard.figures", reason="topicwizard is not installed (pip install topic-wizard)", exc_type=ImportError
    )
    assert report(f"--workdir={runs / 'etm'}", "--topicwizard") == 0
    found = topic_data(runs / "etm" / "topicwizard")
    shown = str(figures.topic_barcharts(found, top_n=5).to_dict())
    assert all(found["vocab"][j] in shown for j in found["topic_term_matrix"].argmax(axis=1))


def test_parquet_holds_topics_and_mixtures(runs):
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed (extra: parquet)")
    assert report(f"--workdir={runs / 'etm'}", "--parquet") == 0
    run, folder = read_run(runs / "etm"), runs / "etm" / "parquet"
    documents = pq.read_table(folder / "doc_topics.parquet").to_pydict()
    assert documents["document"][: len(run.corpus.train)] == run.corpus.train.ids
    np.testing.assert_array_equal(documents["topic_1"][: len(run.corpus.train)], run.model.theta_train[:, 1])
    topics = pq.read_table(folder / "topics.parquet").to_pydict()
    assert topics["topic"] == [0, 1, 2]
    assert len(topics["words"][0]) == 10


def test_pyldavis_takes_what_it_is_given(runs):
    pytest.importorskip("pyLDAvis", reason="pyLDAvis is not installed (extra: pyldavis)")
    assert report(f"--workdir={runs / 'etm'}", "--pyldavis") == 0
    folder = runs / "etm" / "pyldavis"
    given = json.loads((folder / "prepare.json").read_text("utf-8"))
    assert np.sum(given["doc_topic_dists"], axis=1) == pytest.approx(1)
    counts = read_run(runs / "etm").corpus.all_documents().counts
    assert sum(given["doc_lengths"]) == counts.sum()
    assert "LDAvis" in (folder / "pyldavis.html").read_text("utf-8")


def test_ticks_of_shares_keep_the_digits_that_tell_them_apart():
    assert [tick_label(share) for share in (0, 0.0025, 0.005, 0.012, 0.25, 1)] == [
        "0%",
        "0.25%",
        "0.5%",
        "1.2%",
        "25%",
        "100%",
    ]


def test_plots_are_drawn_the_same_again(runs):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra: figures)")
    folder = runs / "etm" / "figures"
    assert report(f"--workdir={runs / 'etm'}", "--figures", "--date_field=day") == 0
    names = {path.stem for path in folder.glob("*.png")}
    assert names == {"topics_1", "shares", "similarity", "map", "time", "loss", "quality", "documents", "document_map"}
    assert {path.stem for path in folder.glob("*.svg")} == names
    before = {path.name: path.read_bytes() for path in folder.glob("*.svg")}
    assert report(f"--workdir={runs / 'etm'}", "--figures", "--date_field=day") == 0
    assert {path.name: path.read_bytes() for path in folder.glob("*.svg")} == before
