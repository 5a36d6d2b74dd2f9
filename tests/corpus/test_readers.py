"""Files to documents: what counts as one, its id, and what a person is told where a file cannot be read."""

import gzip
import io
import json
import tracemalloc

import pytest

from etm_jax.corpus.readers import decode, text_files
from etm_jax.corpus.readers.columns import Columns
from etm_jax.corpus.readers.tables import read_table
from etm_jax.corpus.types import Document
from etm_jax.util import files
from etm_jax.util.errors import UserError

TEXT = "第一行\n\n  \n三体 two\r\n末行"


def lines_of(data, encoding="utf-8"):
    return list(decode.decode_lines(io.BytesIO(data), "a.txt", encoding))


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def test_blank_lines_are_no_documents_and_ids_are_line_numbers(tmp_path):
    docs = list(text_files.read_lines(write(tmp_path / "a.txt", TEXT), "utf-8"))
    assert docs == [Document("1", "第一行"), Document("4", "三体 two"), Document("5", "末行")]


@pytest.mark.parametrize("block", [1, 2, 3, 5, 1 << 20])
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "big5", "utf-16", "utf-16-be"])
def test_lines_do_not_depend_on_where_blocks_end(monkeypatch, block, encoding):
    monkeypatch.setattr(decode, "BLOCK_BYTES", block)
    text = "三體\r\n\r程心\n\n章北海\r"
    assert lines_of(text.encode(encoding), encoding) == ["三體", "", "程心", "", "章北海"]


def test_only_newlines_end_a_line():
    assert lines_of("a\x0bb\x0cc\x1cd\x85e\u2028f\n".encode()) == ["a\x0bb\x0cc\x1cd\x85e\u2028f"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "UTF8", "gb18030", "utf-16-le"])
def test_a_leading_byte_order_mark_is_dropped_and_a_later_one_kept(encoding):
    plain = "utf-8" if encoding == "utf-8-sig" else encoding
    assert lines_of("\ufeff三\ufeff体".encode(plain), encoding) == ["三\ufeff体"]


@pytest.mark.parametrize("block", [1, 2, 3, 4, 7, 1 << 20])
@pytest.mark.parametrize(
    "encoding, good, bad",
    [("utf-8", "三体", b"\xff"), ("utf-8-sig", "\ufeff三体", b"\xff"), ("gb18030", "三体", b"\xff")],
)
def test_an_undecodable_byte_is_named_with_its_exact_offset(monkeypatch, block, encoding, good, bad):
    monkeypatch.setattr(decode, "BLOCK_BYTES", block)
    head = ("好\n" + good * 3).encode("gb18030" if encoding == "gb18030" else "utf-8")
    with pytest.raises(UserError, match=rf"a\.txt is not {encoding}: byte 0xff at offset {len(head)} ") as caught:
        lines_of(head + bad + b"tail", encoding)
    assert "\n" not in str(caught.value)


def test_a_character_cut_off_by_the_end_of_the_file_is_an_error():
    with pytest.raises(UserError, match="byte 0xe4 at offset 3"):
        lines_of("三体".encode()[:5])


@pytest.mark.parametrize(
    "data, encoding, way_out",
    [
        ("三体".encode("gb18030"), "utf-8", "--encoding=gb18030"),
        ("三体，".encode(), "gb18030", "--encoding=utf-8"),
        ("三体".encode("utf-16"), "utf-8", "--encoding=utf-16"),
        (b"PK\x03\x04\x14\0\x06\xff", "utf-8", "does not look like text"),
        (gzip.compress(b"text", mtime=0), "utf-8", "is packed by gzip: give it a name that ends in .gz"),
        (gzip.compress(b"text", mtime=0), "gb18030", "is packed by gzip"),
    ],
)
def test_what_cannot_be_decoded_comes_with_a_way_out(data, encoding, way_out):
    with pytest.raises(UserError, match=way_out):
        lines_of(data, encoding)


@pytest.mark.parametrize("encoding", ["utf-9", "", "hex", "rot13", "a\0b"])
def test_an_unknown_encoding_names_the_flag(encoding):
    with pytest.raises(UserError, match="--encoding="):
        lines_of(b"x", encoding)


def test_gz_files_are_unpacked(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    assert [doc.id for doc in text_files.read_lines(tmp_path / "a.txt.gz", "utf-8")] == ["1", "4", "5"]


@pytest.mark.parametrize("damage", [lambda packed: packed[:-9], lambda packed: b"plain" + packed, lambda packed: b"x"])
def test_a_damaged_gz_file_is_an_error_of_one_line(tmp_path, damage):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(damage(gzip.compress(TEXT.encode() * 50)))
    with pytest.raises(UserError, match=r"a\.txt\.gz cannot be read"):
        list(text_files.read_lines(path, "utf-8"))


def test_a_missing_file_is_an_error_of_one_line(tmp_path):
    with pytest.raises(UserError, match=r"no\.txt cannot be opened"):
        list(text_files.read_lines(tmp_path / "no.txt", "utf-8"))


def test_folder_documents_carry_their_path_inside_it(tmp_path):
    (tmp_path / "b").mkdir()
    files = [
        write(tmp_path / "a.txt", "甲\r\n乙\n"),
        write(tmp_path / "b" / "c.txt", "丙"),
        write(tmp_path / "d.txt", " \n"),
    ]
    docs = list(text_files.read_folder(tmp_path, files, "utf-8"))
    assert docs == [Document("a.txt", "甲\n乙"), Document("b/c.txt", "丙")]


def test_jsonl_reads_the_named_key(tmp_path):
    records = [{"body": "第一\n篇", "n": 1}, {"body": ""}, {"body": None}, {"body": "second"}]
    path = write(tmp_path / "a.jsonl", "\n\n".join(json.dumps(record) for record in records))
    assert list(text_files.read_jsonl(path, Columns(("body",)), "utf-8")) == [
        Document("1", "第一\n篇"),
        Document("2", ""),
        Document("3", ""),
        Document("4", "second"),
    ]


@pytest.mark.parametrize(
    "line, message",
    [
        ('{"text": "b"', r"a\.jsonl, line 3, is not JSON: Expecting ',' delimiter, column 13; each line"),
        ('["b"]', r"line 3, is not a JSON object"),
        ('{"title": "b", "body": "c"}', r"--text_field='text' is not in .*line 3; its keys are title, body"),
        ('{"text": 5}', r"line 3: 'text' holds a int, not text"),
        ("[" * 100_000, r"line 3, is not JSON"),
        ('{"text": ' + "9" * 5000 + "}", r"line 3, is not JSON"),
    ],
)
def test_a_bad_json_line_is_named_by_its_number(tmp_path, line, message):
    path = write(tmp_path / "a.jsonl", '{"text": "a"}\n\n' + line)
    with pytest.raises(UserError, match=message) as caught:
        list(text_files.read_jsonl(path, Columns(), "utf-8"))
    assert "\n" not in str(caught.value)


def test_csv_reads_the_named_column_and_keeps_quoted_newlines(tmp_path):
    path = write(tmp_path / "a.csv", '\ufeffid,text\r\n1,"甲, ""乙""\r\n丙"\r\n\r\n2,\r\n3,丁\r\n')
    assert list(read_table(path, Columns(), "utf-8")) == [
        Document("1", '甲, "乙"\n丙'),
        Document("2", ""),
        Document("3", "丁"),
    ]


def test_tsv_columns_are_parted_by_tabs(tmp_path):
    path = write(tmp_path / "a.tsv", "text \tn\n甲, 乙\t1\n")
    assert list(read_table(path, Columns(), "utf-8", likely="\t")) == [Document("1", "甲, 乙")]


@pytest.mark.parametrize(
    "text, message",
    [
        ("title,text\n1,2\n", r"--text_field='body' is not in .*a\.csv; its columns are title, text; give one"),
        ("n,body\n1,a\n2,b, and c\n", r"a\.csv, line 3, has 3 fields where the header has 2"),
        ("n,body\n1\n", r"line 2, has 1 fields"),
        ("body,n,body\n1,2,3\n", r"a\.csv has 2 columns called 'body'; rename or remove all but one"),
        ('n,body\n1,"a\n2,b\n', r"a\.csv, line 2, is not a row of a table"),
        ('n,body\n1,"a" b\n', r"a\.csv, line 2, is not a row of a table"),
    ],
)
def test_a_bad_table_is_named_by_column_or_line(tmp_path, text, message):
    with pytest.raises(UserError, match=message) as caught:
        list(read_table(write(tmp_path / "a.csv", text), Columns(("body",)), "utf-8"))
    assert "\n" not in str(caught.value)


def test_a_csv_field_may_be_long_but_not_endless(tmp_path, monkeypatch):
    path = write(tmp_path / "a.csv", "text\n" + "字" * 200_000 + "\n")
    assert [len(doc.text) for doc in read_table(path, Columns(), "utf-8")] == [200_000]
    # An unclosed quote, which takes in the lines that follow.
    write(path, 'text\n"' + ("字" * 999 + "\n") * (text_files.MAX_DOCUMENT // 999))
    with pytest.raises(UserError, match=r"line 2.*field larger than field limit"):
        list(read_table(path, Columns(), "utf-8"))


def peak_of(read) -> int:
    """Bytes that Python allocated at most while it read; what it raises is checked for one line."""
    tracemalloc.start()
    try:
        with pytest.raises(UserError) as caught:
            list(read())
        assert len(str(caught.value)) < 600
        assert "\n" not in str(caught.value)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("form", ["lines", "jsonl", "csv", "folder"])
def test_a_line_without_end_is_an_error_in_bounded_memory(tmp_path, form):
    path = tmp_path / "a.txt"
    with path.open("wb") as file:
        file.truncate(1 << 30)  # a gigabyte of NUL bytes, without a line end; no disk is used up
    read = {
        "lines": lambda: text_files.read_lines(path, "utf-8"),
        "jsonl": lambda: text_files.read_jsonl(path, Columns(), "utf-8"),
        "csv": lambda: read_table(path, Columns(), "utf-8"),
        "folder": lambda: text_files.read_folder(tmp_path, [path], "utf-8"),
    }
    assert peak_of(read[form]) < 4 * text_files.MAX_DOCUMENT


def test_a_document_a_file_has_an_end(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(("x" * 999 + "\n") * (text_files.MAX_DOCUMENT // 1000 + 1))
    with pytest.raises(UserError, match=r"a\.txt is longer than 16,777,216 characters, too long for one document"):
        list(text_files.read_folder(tmp_path, [path], "utf-8"))


def test_a_gz_file_that_unpacks_without_end_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "GIBIBYTE", 1 << 26)
    path = tmp_path / "bomb.txt.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        block = (b" " * 65_535 + b"\n") * 256
        for _ in range(6):
            file.write(block)
    assert path.stat().st_size < 1 << 23
    assert peak_of(lambda: text_files.read_lines(path, "utf-8")) < 1 << 26


def test_a_million_columns_are_named_by_the_first(tmp_path):
    path = write(tmp_path / "a.csv", ",".join(f"c{i}" for i in range(1_000_000)) + "\n")
    size = path.stat().st_size
    assert peak_of(lambda: read_table(path, Columns(), "utf-8")) < 40 * size


READERS = [
    lambda path: text_files.read_lines(path, "utf-8"),
    lambda path: text_files.read_jsonl(path, Columns(), "utf-8"),
    lambda path: read_table(path, Columns(), "utf-8"),
    lambda path: text_files.read_folder(path.parent, [path], "utf-8"),
]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("text", ["", "\n  \n\t\n", "\ufeff"])
def test_a_corpus_without_a_document_is_an_error(tmp_path, read, text):
    with pytest.raises(UserError, match=r"is empty|holds no text"):
        list(read(write(tmp_path / "a.txt", text)))


def test_reading_is_lazy(tmp_path):
    """The first document comes before a fault further down is met, so that memory stays small."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"good\n" * (decode.BLOCK_BYTES // 4) + b"\xff")
    assert next(text_files.read_lines(path, "utf-8")).text == "good"


def test_two_values_of_a_key_are_named_and_the_key_as_a_value_is_none(tmp_path):
    fine = {"text": "a", "also": ["text", {"text": "b"}]}
    path = write(tmp_path / "a.jsonl", json.dumps(fine) + '\n{"text": "a", "text": "b"}\n')
    documents = text_files.read_jsonl(path, Columns(), "utf-8")
    assert next(documents).text == "a"
    with pytest.raises(UserError, match=r"a\.jsonl, line 2, has 2 values of 'text'; leave one of them"):
        next(documents)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_records_without_text_are_documents_too(tmp_path, form):
    texts = ["a", "", "  ", "b"]
    lines = ["id,text", *(f"{i},{text}" for i, text in enumerate(texts))]
    rows = [json.dumps({"text": text or None}) for text in texts]
    path = write(tmp_path / f"a.{form}", "\n".join(lines if form == "csv" else rows) + "\n")
    read = read_table if form == "csv" else text_files.read_jsonl
    documents = list(read(path, Columns(), "utf-8"))
    assert [(document.id, document.text) for document in documents] == [*zip("1234", texts, strict=True)]
    assert [document.is_blank for document in documents] == [False, True, True, False]
    by_line = [document.id for document in read(path, Columns(by_line=True), "utf-8")]
    assert by_line == (["2", "3", "4", "5"] if form == "csv" else ["1", "2", "3", "4"])
