"""Links in a folder of text: outside it they lead nowhere, unless asked; inside it each file is read once."""

from pathlib import Path

import pytest

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.readers import folders
from etm_jax.corpus.readers.folders import files_named
from etm_jax.corpus.sources import find_source
from etm_jax.util.console import silenced
from etm_jax.util.errors import UserError


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder with two files of its own, and links to them, out of it, and round in a circle."""
    folders._tell_once.cache_clear()
    inside, outside = tmp_path / "corpus", tmp_path / "outside"
    (inside / "sub").mkdir(parents=True)
    outside.mkdir()
    (inside / "a.txt").write_text("one")
    (inside / "sub" / "b.txt").write_text("two")
    (outside / "c.txt").write_text("private")
    (inside / "again.txt").symlink_to("a.txt")
    (inside / "sub2").symlink_to("sub")
    (inside / "sub" / "up").symlink_to("..")
    (inside / "file.txt").symlink_to(outside / "c.txt")
    (inside / "folder").symlink_to(outside)
    (inside / "broken.txt").symlink_to(tmp_path / "nothing.txt")
    return inside


def texts(folder: Path, **given: bool) -> list[tuple[str, str]]:
    documents = find_source(CorpusConfig(corpus=str(folder), **given)).documents
    assert documents is not None
    return [(document.id, document.text) for document in documents()]


def test_links_that_lead_outside_are_left_and_counted_in_one_line(corpus, capsys):
    assert texts(corpus) == texts(corpus) == [("a.txt", "one"), ("sub/b.txt", "two")]
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"links in {corpus} that lead outside it were left: 2; --follow_links follows them" in said


def test_they_are_followed_where_that_is_asked_for_each_file_once(corpus, capsys):
    found = texts(corpus, follow_links=True)
    assert sorted(text for _, text in found) == ["one", "private", "two"]
    assert capsys.readouterr().err == ""


def test_a_folder_that_is_a_link_itself_is_a_folder(corpus, tmp_path):
    (tmp_path / "link").symlink_to(corpus)
    assert texts(tmp_path / "link") == texts(corpus)


def test_a_link_inside_the_folder_brings_what_has_another_name(corpus):
    (corpus / "raw").write_text("three")
    (corpus / "named.txt").symlink_to("raw")
    assert ("named.txt", "three") in texts(corpus)


def test_a_folder_of_nothing_but_such_links_says_so(tmp_path):
    (tmp_path / "outside.txt").write_text("private")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a.txt").symlink_to(tmp_path / "outside.txt")
    with pytest.raises(UserError, match="1 links that lead outside it"):
        find_source(CorpusConfig(corpus=str(tmp_path / "corpus")))


@pytest.mark.parametrize(
    "names", [("vocab.txt", "train.npz"), ("bow_tr_tokens.mat",), ("manifest.json", "x.arrayrecord")]
)
def test_counts_that_are_links_out_of_their_folder_are_refused(tmp_path, names):
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name in names:
        (tmp_path / name).write_text("private")
        (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(UserError, match="is a link that leads outside"):
        find_source(CorpusConfig(corpus=str(folder)))


def test_a_pattern_follows_no_link_out_of_the_folder_before_its_wildcards(corpus):
    assert [path.name for path in files_named(f"{corpus}/*.txt", follow_links=False)[0]] == ["a.txt", "again.txt"]
    assert files_named(f"{corpus}/*.txt", follow_links=False)[1] == 1
    assert len(files_named(f"{corpus}/*.txt", follow_links=True)[0]) == 3
    # Named itself, it is what was asked for.
    assert len(files_named(f"{corpus}/file.txt", follow_links=False)[0]) == 1


def test_what_was_suppressed_once_is_still_told(capsys):
    """As infer looks at a folder first for the files that it reads, without a word."""
    folders._tell_once.cache_clear()
    with silenced():
        folders.tell_left("news", 3)
    for _ in range(2):
        folders.tell_left("news", 3)
    assert capsys.readouterr().err.count("links in news that lead outside it were left: 3") == 1
