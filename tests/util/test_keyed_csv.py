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
