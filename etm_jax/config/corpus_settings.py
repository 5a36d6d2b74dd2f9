"""The settings of a corpus: where its documents are, and how they become words and counts."""

from dataclasses import dataclass, field

from etm_jax.config.declaration import setting

MAX_SEED = 2**32 - 1
"""scikit-learn and numpy take no larger one."""

SCRIPTS = ("simplified", "traditional")
SEGMENTERS = ("pkuseg", "rjieba", "jieba", "pkuseg_reference", "spacy_pkuseg", "words", "whitespace", "gold")


FORMS = {
    "name": "what the name of the file says, whatever it holds",
    "lines": "a document a line",
    "jsonl": "an object a line",
    "csv": "a table with commas",
    "tsv": "a table with tabs",
    "xlsx": "the first sheet of a workbook",
    "label_text": "a label, a tab and a text a line (THUCNews, cnews)",
    "mallet": "a name, a label and a text a line (MALLET)",
    "tagged": "words with tags of parts of speech, as 中国/ns (People's Daily)",
    "uci": "UCI's docword and vocab",
    "ldac": "lda-c's .dat, and a vocabulary",
    "mm": "a Matrix Market file, and a vocabulary",
    "octis": "a dataset folder of OCTIS",
    "topmost": "a dataset folder of TopMost",
}
"""What documents can be read from, with a phrase for each (`etm_jax.corpus.sources`)."""


@dataclass(frozen=True)
class CorpusConfig:
    """Where the documents come from and how they become counts."""

    corpus: str = setting(
        "",
        "a file (.txt, .jsonl, .csv, .tsv, .xlsx; a document a line or row), a folder, or a corpus by name",
        shown="FILE",
        resumable=True,
    )
    corpus_fallback: str = setting("", "the corpus to use where --corpus is not there", shown="NAME", resumable=True)
    # The form that is found is in the digest, in its place: `etm_jax.corpus.store.cache.corpus_digest`.
    form: str = setting(
        "",
        "what --corpus holds; default: what the file's name says, and of a .txt file its first lines",
        choices=FORMS,
        resumable=True,
        before="name",
    )
    # What they lead to is in the digest, as files of the corpus.
    follow_links: bool = setting(
        False,
        "follow links in a folder that lead outside it; by default they are left, and counted",
        resumable=True,
        before=False,
    )
    text_field: str = setting(
        "text",
        "the column or key that holds the text, or several with commas, such as title,body (tables and .jsonl); a "
        "column of a table without a header by its number, from 1",
        shown="NAME",
        digest="value",
    )
    id_field: str = setting(
        "",
        "the column or key that names the documents in all results; default: their numbers, from 1",
        shown="NAME",
        digest="given",
        before="",
    )
    # Where it is off, it is in the digest: `etm_jax.corpus.store.cache.corpus_digest`.
    names_by_line: bool | None = setting(
        None,
        "name the documents of tables and .jsonl by the lines that they begin on, as runs of earlier versions do; "
        "default: by their numbers, from 1",
        before=True,
    )
    title_field: str = setting(
        "",
        "the column or key of their titles, which go along as metadata and are shown with quotes",
        shown="NAME",
        digest="given",
        before="",
    )
    delimiter: str = setting(
        "",
        "what separates the columns of a table: tab, or one character; default: , ; | or tab, as its first line has it",
        shown="CHARACTER",
        digest="given",
        before="",
    )
    meta_fields: str = setting(
        "",
        "columns or keys that documents carry along (tables and .jsonl): date,source,…",
        shown="NAME,NAME",
        digest="given",
        before="",
    )
    meta: str = setting(
        "",
        "table of more fields: a column document, or that of --id_field, and --meta_fields, by default all its columns",
        shown="FILE",
        digest="given files",
        reads="file",
        before="",
    )
    encoding: str = setting("utf-8", "of text files: utf-8, gb18030, …", digest="value")
    lang: str = setting(
        "", "language of the text; default: a named corpus's own, else zh", choices=("zh", "en"), digest="value"
    )
    unit: str = setting(
        "paragraph",
        "what a document is in a named corpus of longer texts",
        choices=("paragraph", "document"),
        digest="value",
    )
    clean: str = setting(
        "",
        "what is dropped from the text before it is cut into words; nothing by default",
        choices={
            "web": "links, mail addresses, @names, HTML, marks of reposts and #topics#, phrases of platforms",
            "novel": "chapter headings, page furniture, indentation, advertisements that repeat",
        },
        digest="given",
        before="",
    )
    # Its version is in the digest, in its place.
    segmenter: str = setting(
        "",
        "how text becomes words; default: pkuseg for zh, words for en, gold where the corpus is segmented by hand",
        choices=SEGMENTERS,
    )
    segmenter_model: str = setting(
        "",
        "folder of a model of pkuseg's, in place of the one that it ships",
        shown="FOLDER",
        digest="files",
        reads="path",
    )
    user_dict: str = setting(
        "",
        "file of words that are not to be cut, such as names, one a line, with a frequency and a tag or without",
        shown="FILE",
        reads="file",
        before="",
    )
    workers: int = setting(
        0,
        "processes that segment; 0: as many as repay their start",
        at_least=0,
        zero="as many as repay their start",
        resumable=True,
    )
    nfkc: bool = setting(
        True,
        "fold full-width and compatibility characters (Unicode NFKC), except ，！？：；（）, before segmentation",
        digest="value",
    )
    lowercase: bool | None = setting(None, "fold case; default: for en only", digest="value")
    script: str = setting(
        "",
        "write all Chinese words in one script, and segment them as simplified; default: as they are (extra: script)",
        choices=SCRIPTS,
        digest="given",
        before="",
    )
    keep_digits: bool = setting(
        False,
        "keep digits in words: 5G, 2024, 3.14; by default they are dropped",
        digest="given",
        before=False,
    )
    # Where it is off, it is in the digest: `etm_jax.corpus.store.cache.deciding_settings`.
    clean_tokens: bool | None = setting(
        None,
        "reduce tokens to their letters; default: not where you have cut the text (--segmenter=whitespace, lists of "
        "words in Python), so that C++, 5G and ice_cream stay",
        before=True,
    )
    stopwords: str = setting(
        "",
        "words to drop: zh or en for a list of ours, a file of one a line or a .json list, or words and these with "
        "commas between; none are dropped by default",
        shown="zh|en|FILE|WORD,WORD",
        digest="files",
        reads="file",
    )
    min_token_len: int | None = setting(
        None, "shortest word kept, in characters; default: 1 for zh, 2 for en", at_least=1, digest="value"
    )
    phrases: bool = setting(
        False,
        "join words that stand together far oftener than chance has it, as new_york and 人工智能, into one, all "
        "documents counted",
        digest="given",
        before=False,
    )
    phrase_min_count: int = setting(
        10,
        "times that the words of a phrase are to stand together at least",
        at_least=1,
        digest="given",
        before=10,
    )
    phrase_threshold: float = setting(
        0.5,
        "NPMI that the words of a phrase are to exceed; it is 1 where neither is ever without the other, 0 by chance",
        at_least=-1,
        at_most=1,
        digest="given",
        before=0.5,
    )
    no_below: int = setting(
        5,
        "drop words found in fewer documents than this, those for validation and test counted too",
        at_least=1,
        digest="value",
    )
    no_above: float = setting(
        0.1,
        "drop words found in more than this share of all documents, those for validation and test included",
        above=0,
        at_most=1,
        digest="value",
    )
    keep_n: int = setting(
        0,
        "keep only this many words, those found in most of all documents; 0: all",
        at_least=0,
        zero="all",
        digest="value",
    )
    auto_adj: bool = setting(
        False, "drop the 20 words found in most of all documents, in place of --no_above", digest="value"
    )
    valid_share: float = setting(
        0.05, "share of the documents set aside for validation", at_least=0, below=1, digest="value"
    )
    test_share: float = setting(
        0.10, "share of the documents set aside for the test", at_least=0, below=1, digest="value"
    )
    split_seed: int = setting(
        1, "seed of the split into train, validation and test", at_least=0, at_most=MAX_SEED, digest="value"
    )
    cache_dir: str = setting(
        "", "where prepared corpora are kept; default: inside the workdir", shown="FOLDER", resumable=True
    )
    rebuild: bool = setting(False, "prepare the corpus again even where it is cached", resumable=True)
    # No setting, but what the file of --user_dict held: it travels with the settings to every process that cuts text,
    # and a model keeps it with its words (`etm_jax.corpus.words.user_dict.UserDict.to_text`).
    user_words: str = field(default="", repr=False)
