"""Tables that the user gives, with a row for each key."""

import pytest

from etm_jax.util.errors import UserError
from etm_jax.util.keyed_csv import read_keyed, read_pairs


def written(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_row_that_stands_twice_is_one_and_two_labels_of_a_document_are_named(tmp_path):
    assert read_pairs(written(tmp_path, "document,label\n1,a\n2,b\n1,a\n"), "labels", "document", "label") == {
        "1": "a",
        "2": "b",
    }
    with pytest.raises(UserError, match="line 3: the label of document '1' is 'b', and 'a' in a row before"):
        read_pairs(written(tmp_path, "document,label\n1,a\n1,b\n"), "labels", "document", "label")


def test_two_columns_of_one_name_are_named(tmp_path):
    path = written(tmp_path, "document,label,label\n1,a,b\n")
    with pytest.raises(UserError, match="has 2 columns called 'label'"):
        read_pairs(path, "labels", "document", "label")
    with pytest.raises(UserError, match="has 2 columns called 'label'"):
        read_keyed(path, "meta", "document")


def read_labels(path):
    return read_pairs(path, "labels", "document", "label")


def read_meta(path):
    return read_keyed(path, "meta", "document")[1]


@pytest.mark.parametrize("read", [read_labels, read_meta])
@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ('1,"a\n2,b\n3,c\n', "line 2, is not a row of a table: unexpected end of data"),
        ('1,a\n2,"b\n3,"c"\n', "line 3, is not a row of a table"),
        ("1,a\n2\n", "line 3, has 1 fields where the header has 2"),
        ("\n1,a,b\n", "line 3, has 3 fields where the header has 2"),
    ],
)
def test_a_row_that_is_broken_is_named_and_none_is_lost(tmp_path, read, rows, told):
    with pytest.raises(UserError, match=told):
        read(written(tmp_path, f"document,label\n{rows}"))


@pytest.mark.parametrize("text", ["sep=;\ndocument;label\n1;a\n2;b,c\n", "document\tlabel\r\n1\ta\r\n2\tb,c\r\n"])
def test_any_usual_separator_is_seen(tmp_path, text):
    assert read_labels(written(tmp_path, text)) == {"1": "a", "2": "b,c"}


def test_the_line_that_is_named_is_that_of_the_file(tmp_path):
    with pytest.raises(UserError, match="line 4: the label of document '1'"):
        read_labels(written(tmp_path, "sep=;\ndocument;label\n1;a\n1;b\n"))


def test_names_of_columns_in_other_letters_are_seen(tmp_path):
    with pytest.raises(UserError, match=r"has columns Document, Label; .* document and label, written exactly so"):
        read_labels(written(tmp_path, "Document,Label\n1,a\n"))
