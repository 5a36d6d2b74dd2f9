"""Topics of a raw web text before and after --clean=web. The text is made from --corpus=inews by a seeded script.

    python -m experiments.raw_web_text

A document is the title and the first 200 characters of a news item of 2018: as long as a post. Half of the items are
dealt to six sources, 8% of all to each, and get what such a source adds: a microblog's @names, reposts and links; a
forum's HTML; a news site's editor and buttons; an account's 二维码; topic marks with emoticons; addresses for letters.
Names and paths are drawn from the seed. The same model is then trained on the items as they were, on the raw text, and
on the raw text with --clean=web.

`of marks`: of each topic's ten words, those that are no word of the items as they were, such as nbsp and weibo;
`topics led`: topics of which three or more are. Words that items have too, such as 转发 and 客户端, count for no mark.

Runtime: a minute and a half on 2 cores.
Result:  docs/raw_text.md. The five most coherent topics of the raw text are of marks, of the clean one none.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.sources import find_source
from etm_jax.corpus.words.web_text import clean_web
from etm_jax.estimator import ETM, TopicInfo
from etm_jax.util.console import note, table
from experiments.tables import markdown

SEED = 1
LENGTH = 200
"""Characters of an item that are kept."""

SHARE = 0.08
"""Of the documents, that each source has."""

LED = 3
"""Words of marks among ten from which on a topic counts as led by them."""

SHOWN = 8
"""Topics in the table of a text: the most coherent ones."""

NUM_TOPICS = 20

_SYLLABLES = "阿小大老晓文子海风云木石清远白南北星月山"
_FACES = ("[哈哈]", "[允悲]", "[doge]", "[心]", "[鼓掌]", "[二哈]", "[泪]", "[赞]")


class Compared(NamedTuple):
    """One text and the topics found in it. marks: by topic, how many of its ten words are of marks."""

    name: str
    model: ETM
    topics: list[TopicInfo]
    marks: dict[int, int]


def _code(draw: random.Random, size: int = 7) -> str:
    return "".join(draw.choices("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=size))


def _name(draw: random.Random) -> str:
    return "".join(draw.choices(_SYLLABLES, k=draw.randint(2, 5))) + draw.choice(["", "", "_cn", "2018"])


def _microblog(text: str, draw: random.Random) -> str:
    chain = "".join(
        f"//@{_name(draw)}:{draw.choice(['转发微博', '说得好', '关注'])}" for _ in range(draw.randint(1, 3))
    )
    return f"{chain} @{_name(draw)} @{_name(draw)} {text} http://t.cn/{_code(draw)} 网页链接 来自iPhone客户端 展开全文"


def _forum(text: str, draw: random.Random) -> str:
    body = text.replace("。", "。</p><p>&nbsp;&nbsp;")
    image = f'<img src="https://img.example.com/{_code(draw)}.jpg" width="600" alt=""/>'
    return f'<div class="post"><p>&nbsp;&nbsp;{body}</p><br/>{image}<span style="color:#333">{_name(draw)}</span></div>'


def _news_site(text: str, draw: random.Random) -> str:
    editor = "".join(draw.choices("王李张刘陈", k=1)) + draw.choice(_SYLLABLES)
    url = f"http://news.example.com.cn/c/2018-0{draw.randint(1, 9)}/{_code(draw)}.shtml"
    return f"原标题：{text} 点击查看全文 {url} 责任编辑：{editor} 分享到：微信 微博 QQ空间 版权所有 未经授权不得转载"


def _account(text: str, draw: random.Random) -> str:
    return f"点击上方蓝字关注我们 {text} 长按二维码关注 阅读原文 https://mp.weixin.example.com/s/{_code(draw, 12)}"


def _topics(text: str, draw: random.Random) -> str:
    faces = "".join(draw.choices(_FACES, k=draw.randint(2, 4)))
    page = f"www.weibo.example.com/u/{draw.randint(10**8, 10**9)}"
    return f"#{text[:6].strip()}# {text}{faces} {page} L{_name(draw)}的微博视频"


def _letters(text: str, draw: random.Random) -> str:
    address, site = f"{_code(draw)}@mail.example.com", f"www.{_code(draw).lower()}.com"
    return f"{text} 投稿邮箱：{address} 网址 {site} &copy;2018 All rights reserved."


SOURCES: tuple[Callable[[str, random.Random], str], ...] = (
    _microblog,
    _forum,
    _news_site,
    _account,
    _topics,
    _letters,
)


def items() -> list[str]:
    """The documents without added marks. Raises UserError where the corpus is not installed."""
    source = find_source(CorpusConfig(corpus="inews"))
    assert source.documents is not None
    return [document.text.replace("\n", " ")[:LENGTH] for document in source.documents()]


def with_marks(texts: Sequence[str], seed: int = SEED) -> list[str]:
    """The texts, `SHARE` of them by each of `SOURCES`. The same seed gives the same texts."""
    draw = random.Random(seed)
    raw = []
    for text in texts:
        number = int(draw.random() / SHARE)
        raw.append(SOURCES[number](text, draw) if number < len(SOURCES) else text)
    return raw


def trained(name: str, texts: Sequence[str], clean: str, words: frozenset[str] | None) -> Compared:
    """The topics of texts. words: those of the items as they were; None for these themselves, which have no others."""
    note(f"training on {len(texts):,} documents: {name}")
    model = ETM(NUM_TOPICS, segmenter="rjieba", seed=SEED, settings={"clean": clean}, verbose=0).fit(texts)
    topics = model.topic_info()
    marks = {t.topic: sum(word not in words for word in t.words) if words is not None else 0 for t in topics}
    return Compared(name, model, topics, marks)


def figures(compared: Sequence[Compared]) -> list[list[str]]:
    """A row for each text: words of marks in the vocabulary and among the topics' words, topics led, coherence."""
    own = set(compared[0].model.vocab_)
    rows = []
    for one in compared:
        npmi = sum(topic.npmi for topic in one.topics) / len(one.topics)
        led = sum(number >= LED for number in one.marks.values())
        of_marks, others = sum(one.marks.values()), len(set(one.model.vocab_) - own)
        rows.append([one.name, f"{others:,}", str(of_marks), f"{led} of {len(one.topics)}", f"{npmi:.3f}"])
    return rows


def topic_rows(one: Compared, number: int) -> list[list[str]]:
    """Rows of the most coherent topics."""
    chosen = sorted(one.topics, key=lambda t: -t.npmi)[:number]
    return [[f"{t.share:.1%}", f"{t.npmi:.2f}", str(one.marks[t.topic]), " ".join(t.words)] for t in chosen]


def main() -> None:
    """Make the texts, train on each, print the tables in Markdown."""
    texts = items()
    raw = with_marks(texts)
    before = Counter[str]()
    for text in texts:
        before.update(clean_web(text)[1])
    found = Counter[str]()
    for text in raw:
        found.update(clean_web(text)[1])
    note(table([(rule, before[rule], found[rule]) for rule in sorted(found)], ["dropped", "items", "raw text"], "<>>"))

    as_they_were = trained("items as they were", texts, "", None)
    words = frozenset(as_they_were.model.vocab_)
    compared = [
        as_they_were,
        trained("raw text", raw, "", words),
        trained("raw text, `--clean=web`", raw, "web", words),
    ]
    print(markdown(figures(compared), ["text", "words of marks", "of marks", "topics led", "coherence"], "<>>>>"))
    for one in compared[1:]:
        print(f"\n{one.name}\n")
        print(markdown(topic_rows(one, SHOWN), ["share", "NPMI", "of marks", "ten words"], ">>><"))


if __name__ == "__main__":
    main()
