import dataclasses
import pickle
import random

import pytest

from conftest import words_of
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.prepare import prepare, resolve
from etm_jax.corpus.types import Document, Source
from etm_jax.corpus.words.longest_match import LongestMatch
from etm_jax.corpus.words.segmenters import make_segmenter
from etm_jax.corpus.words.tokenizer import cleaner
from etm_jax.corpus.words.user_dict import Entry, read_user_dict, user_dict_of
from etm_jax.util.errors import UserError


def entries_of(tmp_path, content, nfkc=True, lowercase=False):
    path = tmp_path / "words.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_user_dict(str(path), CorpusConfig(nfkc=nfkc, lowercase=lowercase)).entries)


def resolved(user_dict="", **settings):
    return resolve(CorpusConfig(user_dict=str(user_dict), **settings), Source("", []))


def tokens_of(config, text="", tokens=None):
    return words_of(config, [Document("1", text, tokens)])[0]


@pytest.fixture
def dictionary(tmp_path):
    def write(*lines):
        path = tmp_path / "words.txt"
        path.write_text("".join(line + "\n" for line in lines), "utf-8")
        return path

    return write


# The file


def test_forms_of_pkuseg_jieba_and_spacy(tmp_path):
    content = "孔明\n玄德\tnr\n曹操 300 nr\n关羽 5\n张飞 nr\n云长\t7\tnr\n"
    assert entries_of(tmp_path, content) == [
        Entry("孔明"),
        Entry("玄德", None, "nr"),
        Entry("曹操", 300, "nr"),
        Entry("关羽", 5),
        Entry("张飞", None, "nr"),
        Entry("云长", 7, "nr"),
    ]


def test_what_editors_and_people_add_to_a_file(tmp_path):
    content = "\ufeff# heroes\r\n\r\n  孔明  \r\n玄德\t# 1,773 times\r\u200b\n C#\nC# # a language".encode()
    assert entries_of(tmp_path, content) == [Entry("孔明"), Entry("玄德"), Entry("C#")]


def test_words_are_normalised_as_the_text_is(tmp_path):
    assert entries_of(tmp_path, "ＫＴＶ\nKTV", lowercase=True) == [Entry("ktv")]
    assert entries_of(tmp_path, "ＫＴＶ", nfkc=False) == [Entry("ＫＴＶ")]
    assert entries_of(tmp_path, "孔\u200b明") == [Entry("孔明")]


def test_the_last_of_equal_words_counts_as_in_jieba(tmp_path):
    assert entries_of(tmp_path, "孔明 5\n玄德\n孔明 9 nr") == [Entry("玄德"), Entry("孔明", 9, "nr")]


@pytest.mark.parametrize(
    "content, said",
    [
        ("孔明\nNew York City\n", r"line 2: 'City' behind 'New' is neither a frequency .* cannot hold spaces"),
        ("New York", r"line 1: 'New York' is a word with a space"),
        ("孔明\n\n孔 明\tnr", r"line 3: '孔 明' holds a space"),
        ("孔\u3000明\tnr", r"line 1: '孔\\u3000明' holds a space"),
        ("孔明 0", r"line 1: '孔明' has the frequency 0"),
        ("孔明 -5", r"line 1: '-5' behind '孔明'"),
        ("孔明 5 nr x", r"line 1: 'x' behind '孔明'"),
        ("孔" * 101, r"line 1: '孔{20}…' has 101 characters; give words of at most 100"),
        ("# nothing\n\n", r"holds no words"),
        ("孔明\n玄德\n".encode() + "孔明".encode("gb18030"), r"is not UTF-8 in line 3"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path, content, said):
    with pytest.raises(UserError, match=r"--user_dict=.*words.txt.*" + said) as error:
        entries_of(tmp_path, content)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"--user_dict=.*none.txt cannot be read \(No such file"):
        read_user_dict(str(tmp_path / "none.txt"), CorpusConfig())


def test_a_dictionary_survives_as_text(tmp_path):
    read = read_user_dict_text = entries_of(tmp_path, "孔明\n玄德\tnr\n曹操 300 nr\n关羽 5\nC#\n")
    text = "\n".join(entry.to_line() for entry in read)
    assert list(user_dict_of(text).entries) == read_user_dict_text
    for damaged in ("孔明\n", "孔 明", "孔明\t5\tnr\tx"):
        with pytest.raises(ValueError, match="no entry"):
            user_dict_of(damaged)


# The longest match


def test_the_longest_word_wins_from_the_left():
    match = LongestMatch(["北京", "北京大学", "大学生", "生"])
    assert list(match.pieces("在北京大学生活")) == [("在", False), ("北京大学", True), ("生", True), ("活", False)]
    assert list(match.pieces("北京的大学生")) == [("北京", True), ("的", False), ("大学生", True)]
    assert list(match.pieces("")) == []
    assert list(LongestMatch([]).pieces("北京")) == [("北京", False)]


def test_signs_that_mean_something_in_patterns_are_themselves():
    words = ["C++", "[图]", "^^", "a-z", "\\n", "5G"]
    for word in words:
        assert list(LongestMatch(words).pieces(f"用{word}的")) == [("用", False), (word, True), ("的", False)]


def test_pieces_are_those_of_pkuseg():
    """pkuseg's own dictionary, where it takes words: it can also take what only begins one (findings/)."""
    pkuseg = pytest.importorskip("pkuseg")
    draw, compared, overlong = random.Random(0), 0, 0
    for _ in range(400):
        words = {"".join(draw.choices("甲乙丙", k=draw.randint(1, 4))) for _ in range(draw.randint(1, 6))}
        text = "".join(draw.choices("甲乙丙丁", k=30))
        pieces, known, _ = pkuseg.Preprocesser(sorted(words)).solve(text)
        if all(piece in words for piece, is_word in zip(pieces, known, strict=True) if is_word):
            assert list(LongestMatch(words).pieces(text)) == list(zip(pieces, known, strict=True))
            compared += 1
        else:
            overlong += 1
    assert compared > 200
    assert overlong


def test_a_word_that_only_begins_another_ends_where_it_ends():
    assert list(LongestMatch(["甲乙", "甲乙丙丁戊"]).pieces("甲乙丙丁己")) == [("甲乙", True), ("丙丁己", False)]


def test_neighbours_are_joined_and_no_token_is_cut():
    match = LongestMatch(["诸葛", "诸葛亮", "葛亮说", "人工智能"])
    assert match.joined(["诸", "葛", "亮", "说"]) == ["诸葛亮", "说"]
    assert match.joined(["诸葛", "亮", "人工", "智能", "人", "工智", "能"]) == ["诸葛亮", "人工智能", "人工智能"]
    assert match.joined(["诸葛亮说", "诸", "葛亮说"]) == ["诸葛亮说", "诸", "葛亮说"]
    assert match.joined([]) == []


# Segmenters


@pytest.mark.parametrize("name", ["jieba", "rjieba"])
def test_jieba_keeps_words_whole_and_its_other_users_apart(name, dictionary):
    package = pytest.importorskip(name)
    text = "张小雨林，列夫·托尔斯泰用5G写量化宽"
    before = tokens_of(resolved(lang="zh", segmenter=name), text)
    path = dictionary("张小雨", "列夫·托尔斯泰", "5G", "量化宽 100000 n")
    tokens = tokens_of(resolved(path, lang="zh", segmenter=name), text)
    assert {"张小雨", "列夫·托尔斯泰", "5G", "量化宽"} <= set(tokens)
    assert not {"张小雨", "列夫·托尔斯泰", "5G", "量化宽"} & set(before)
    assert tokens_of(resolved(lang="zh", segmenter=name), text) == before
    assert "量化宽" not in package.cut("量化宽")


def test_jieba_reads_a_dictionary_as_its_own_loader_does(dictionary):
    jieba = pytest.importorskip("jieba")
    path = dictionary("台中", "云计算 5", "李小福 2 nr", "创新办 3 i", "中将 1000000", "easy_install 3 eng", "好用 300")
    text = (
        "李小福是创新办主任也是云计算方面的专家，如果放到post中将出错，「台中」正确应该不会被切开，easy_install很好用"
    )
    theirs = jieba.Tokenizer()
    with path.open("rb") as file:
        theirs.load_userdict(file)
    ours = make_segmenter("jieba", user_dict=read_user_dict(str(path), CorpusConfig()))
    assert ours(text) == theirs.lcut(text)
    assert ours(text) != jieba.lcut(text)


def test_pkuseg_cuts_as_with_its_own_dictionary(dictionary, monkeypatch):
    pkuseg = pytest.importorskip("pkuseg")
    words = ["玄德", "孔明", "列夫·托尔斯泰", "你好，李焕英", "徐元", "马水"]
    theirs = pkuseg.pkuseg()
    config = resolved(dictionary(*words), lang="zh", segmenter="pkuseg")
    texts = [
        "却说玄德与孔明商议已定，徐元直走马水镜庄。 列夫·托尔斯泰 看过《你好，李焕英》。",
        "操曰：「玄德公，孔明何如人也？」玄德大惊。",
    ]
    ours = words_of(config, [Document("1", text) for text in texts])
    monkeypatch.setattr(theirs, "preprocesser", pkuseg.Preprocesser(words))
    clean = cleaner(config)
    assert ours == [[word for word in map(clean, theirs.cut(text)) if word] for text in texts]
    assert "你好，李焕英" in ours[0]


def test_a_word_at_the_end_of_a_chunk_is_kept_whole(dictionary, monkeypatch):
    pkuseg = pytest.importorskip("pkuseg")
    text = "子" * 997 + "哪吒，魔童" + "丑" * 1500
    words = tokens_of(resolved(dictionary("哪吒，魔童"), lang="zh", segmenter="pkuseg"), text)
    assert "哪吒，魔童" in words
    assert "".join(words) == text
    seen = []

    class Model:
        def cut(self, text):
            seen.append(text)
            return list(text)

    monkeypatch.setattr(pkuseg, "pkuseg", Model)
    words = tokens_of(resolved(dictionary("哪吒，魔童"), lang="zh", segmenter="pkuseg_reference"), text)
    assert words[997] == "哪吒，魔童"
    assert max(map(len, seen)) <= 1000


def test_text_that_comes_cut_is_joined(dictionary):
    path = dictionary("人工智能", "列夫·托尔斯泰", "ＴＶ台")
    gold = resolved(path, lang="zh", segmenter="gold")
    tokens = ["人工", "智能", "与", "列夫", "·", "托尔斯泰", "，", "ＴＶ", "台"]
    assert tokens_of(gold, tokens=tokens) == ["人工智能", "与", "列夫·托尔斯泰", "TV台"]
    spaced = resolved(path, lang="zh", segmenter="whitespace")
    assert tokens_of(spaced, " ".join(tokens)) == ["人工智能", "与", "列夫·托尔斯泰", "TV台"]
    assert tokens_of(resolved(path, lang="en", segmenter="whitespace"), "人工 智能") == ["人工智能"]


def test_english_words_are_parted_already(dictionary):
    with pytest.raises(UserError, match="--user_dict is for words that text does not part by spaces"):
        resolved(dictionary("topic"), lang="en")


def test_every_process_has_the_words_though_the_file_is_gone(dictionary):
    pytest.importorskip("rjieba")
    path = dictionary("张小雨")
    config = resolved(path, lang="zh", segmenter="rjieba", workers=2)
    path.unlink()
    documents = [Document(str(i), "去找张小雨林") for i in range(4000)]
    assert all("张小雨" in tokens for tokens in words_of(config, documents, workers=2))
    assert pickle.loads(pickle.dumps(config)) == config


def test_a_run_says_how_many_of_the_words_it_found(dictionary, capsys):
    documents = [Document(str(i), f"玄德 见 孔明 于 茅庐 第{'一二三四五'[i % 5]}次") for i in range(20)]
    config = CorpusConfig(segmenter="whitespace", no_below=1, no_above=1.0)
    source = Source("a", [], documents=lambda: iter(documents))
    prepare(source, dataclasses.replace(config, user_dict=str(dictionary("见孔明", "关羽"))))
    told = capsys.readouterr().err
    assert "user dictionary: 1 of its 2 words occur in the text" in told
    assert "warning" not in told
    prepare(source, dataclasses.replace(config, user_dict=str(dictionary("刘备,3"))))
    assert "warning: no word of --user_dict is in the text, not even '刘备,3'" in capsys.readouterr().err


def test_a_tag_before_its_frequency_is_told(dictionary):
    with pytest.raises(UserError, match="'刘备' has its tag before its frequency; write 刘备 100 nr"):
        resolved(dictionary("刘备 nr 100"))
