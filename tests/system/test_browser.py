"""A report in a real browser: no error, no request, search and topics by mouse and keyboard, wide and narrow.

Needs Chromium, its driver and selenium (BUILD.md); skipped where one is missing. Screenshots go where
ETM_SCREENSHOTS says, else to the tests' temporary folder.
"""

import csv
import json
import os
import shutil
from importlib.resources import files
from pathlib import Path

import pytest
import scipy.sparse as sp

from conftest import SMALL, planted_counts, themed_lines
from etm_jax.cli import flags as cli
from etm_jax.metrics.relevance import relevant_words
from etm_jax.metrics.topics import top_words
from etm_jax.report.__main__ import main as report_main
from etm_jax.report.page.contents import WORDS
from etm_jax.results.run import read_run
from etm_jax.results.topic_names import automatic_names
from etm_jax.train import main as train_main

selenium = pytest.importorskip("selenium", reason="selenium is not installed (extra: browser)")
from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
# Selenium looks for either on the net otherwise.
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt install chromium)"),
    pytest.mark.skipif(DRIVER is None, reason="its driver is not installed (apt install chromium-driver)"),
]

WIDE, NARROW = (1360, 900), (390, 844)


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """The page of a small run with dates."""
    folder = tmp_path_factory.mktemp("report")
    with (folder / "news.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [[line, f"2024-0{1 + i % 3}-11", "ab"[i % 2]] for i, line in enumerate(themed_lines())]
        csv.writer(file).writerows([["text", "day", "paper"], *rows])
    small = [
        *SMALL,
        f"--corpus={folder / 'news.csv'}",
        f"--workdir={folder / 'sea'}",
        "--log_quality_every=1",
        "--meta_fields=day,paper",
    ]
    assert cli.run(train_main, ["train", *small]) == 0
    assert cli.run(report_main, ["report", f"--workdir={folder / 'sea'}", "--date_field=day", "--page_lang=en"]) == 0
    return folder / "sea" / "report.html"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    profile = tmp_path_factory.mktemp("profile")
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-background-networking",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def opened(chromium, report):
    """The page, newly opened at the wide size; at the end it must not have erred nor asked for anything."""
    resize(chromium, WIDE)
    emulate(chromium, scheme="light")
    chromium.get_log("browser"), chromium.get_log("performance")
    load(chromium, report.as_uri())
    yield chromium
    assert chromium.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert {url for url in asked if not url.startswith(("data:", "about:"))} == {report.as_uri()}


def resize(driver, size) -> None:
    width, height = size
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
    )


def emulate(driver, scheme: str) -> None:
    """Colours as asked for, and no smooth scrolling, which would take time."""
    features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    named = [{"name": name, "value": value} for name, value in features.items()]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": named})


def load(driver, address: str) -> None:
    """Open the page anew: from itself to a # of its own would be no navigation, and a reload can race with one."""
    driver.get("about:blank")
    driver.get(address)


def detail(driver) -> str:
    return driver.find_element(By.ID, "detail").text


def screenshot(driver, tmp_path, name) -> Path:
    folder = Path(os.environ.get("ETM_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    assert driver.save_screenshot(str(path))
    return path


def test_the_head_counts_all_documents_and_leaves_out_what_few_would_say(opened):
    cards = opened.find_element(By.ID, "cards").text
    assert "120" in cards.split("\n")
    assert "held-out coherence" not in cards
    assert "held out" in opened.find_element(By.ID, "run").text


def words_of_detail(driver) -> list[str]:
    return driver.execute_script(
        "return [...document.querySelectorAll('#detail .bars button')].map(e => e.textContent)"
    )


def test_the_slider_chooses_the_most_relevant_words_of_every_topic(opened, report):
    run = read_run(report.parent)
    beta, vocabulary = run.model.beta, run.corpus.vocabulary
    slider = opened.find_element(By.ID, "weight")
    assert slider.aria_role == "slider"
    assert slider.accessible_name == "Relevance λ"
    assert slider.get_attribute("value") == "1"
    probable = [[vocabulary.words[j] for j in row] for row in top_words(beta, WORDS)]
    seen = set()
    for step in range(10, -1, -1):
        weight = step / 10
        # Exactly what relevant_words says, though the page was given these words once, and computes nothing.
        right = [
            [vocabulary.words[j] for j in row] for row in relevant_words(beta, vocabulary.term_freq, WORDS, weight)
        ]
        assert step < 10 or right == probable
        told = opened.find_element(By.CSS_SELECTOR, ".weight output").text
        assert told == slider.get_attribute("aria-valuetext") == f"{weight:.1f}"
        for item in opened.find_elements(By.CSS_SELECTOR, "#list button"):
            item.click()
            k = int(item.find_element(By.CLASS_NAME, "number").text)
            assert words_of_detail(opened) == right[k]
            assert item.find_element(By.CLASS_NAME, "words").text.split() == right[k][:5]
            assert (f"λ = {told}" in detail(opened)) == (step < 10)
        seen.add(str(right))
        slider.send_keys(Keys.ARROW_LEFT)
    assert len(seen) > 2
    slider.send_keys(Keys.HOME)
    assert slider.get_attribute("aria-valuetext") == "0.0"
    slider.send_keys(Keys.END)
    assert words_of_detail(opened) == probable[k]


def test_the_slider_leaves_all_but_the_words_as_it_was(opened):
    """The topic that is chosen, how far its documents are listed, and what is said aloud of it."""
    more = opened.find_element(By.CSS_SELECTOR, "#detail .more")
    opened.execute_script("arguments[0].click()", more)
    rows = len(opened.find_elements(By.CSS_SELECTOR, "#detail .listed li"))
    heading = opened.find_element(By.CSS_SELECTOR, "#detail h2").text
    slider = opened.find_element(By.ID, "weight")
    slider.send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert opened.switch_to.active_element == slider
    assert len(opened.find_elements(By.CSS_SELECTOR, "#detail .listed li")) == rows > 8
    assert opened.find_element(By.CSS_SELECTOR, "#detail h2").text == heading
    assert opened.find_element(By.CSS_SELECTOR, "#detail .weighed").get_attribute("aria-live") == "off"
    opened.find_element(By.CSS_SELECTOR, "#detail .bars button").click()
    assert opened.find_element(By.ID, "word").is_displayed()


def test_by_relevance_the_slider_starts_at_its_weight(opened, report):
    page = report.with_name("relevant.html")
    flags = [f"--workdir={report.parent}", f"--output={page}", "--page_lang=zh", "--top_words=relevance"]
    assert cli.run(report_main, ["report", *flags]) == 0
    run = read_run(report.parent)
    vocabulary = run.corpus.vocabulary
    load(opened, page.as_uri())
    slider = opened.find_element(By.ID, "weight")
    assert (slider.get_attribute("value"), slider.accessible_name) == ("0.6", "相关度 λ")
    right = relevant_words(run.model.beta, vocabulary.term_freq, WORDS)
    k = int(opened.find_element(By.CSS_SELECTOR, "#list [aria-current] .number").text)
    assert words_of_detail(opened) == [vocabulary.words[j] for j in right[k]]
    opened.get_log("performance")  # The fixture expects requests for its own page alone.
    load(opened, report.as_uri())


def test_a_topic_with_a_name_lists_words_that_the_name_does_not_have(opened, report):
    run = read_run(report.parent)
    names = dict(enumerate(automatic_names(run.model.beta, run.corpus.vocabulary)))
    names[0] = f"Those of 《{names[0].split()[0]}》"
    page = report.with_name("named.html")
    with (report.parent / "names.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["topic", "name"], *names.items()])
    flags = [f"--workdir={report.parent}", f"--output={page}", f"--topic_names={report.parent / 'names.csv'}"]
    assert cli.run(report_main, ["report", *flags]) == 0
    load(opened, page.as_uri())
    top = top_words(run.model.beta, WORDS)
    for item in opened.find_elements(By.CSS_SELECTOR, "#list button"):
        k = int(item.find_element(By.CLASS_NAME, "number").text)
        words = [run.corpus.vocabulary.words[j] for j in top[k]]
        others = [word for word in words if word not in names[k]][:3]
        line = item.find_element(By.CLASS_NAME, "words").get_attribute("textContent")
        assert line == f"{names[k]} · {' '.join(others)}"
    opened.get_log("performance")
    load(opened, report.as_uri())


def test_without_javascript_the_page_says_so_and_shows_no_dead_slider(chromium, report):
    chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        load(chromium, report.as_uri())
        assert not chromium.find_element(By.ID, "weight").is_displayed()
        assert "export/topics.csv" in chromium.find_element(By.TAG_NAME, "noscript").get_attribute("textContent")
    finally:
        chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_abbreviations_are_explained_on_hover_and_in_a_list(opened):
    listed = opened.find_elements(By.CSS_SELECTOR, "#terms dt")
    names = [one.text for one in listed]
    assert {"NPMI", "KL", "nelbo", "t-SNE", "ETM", "C_V"} <= set(names)
    found = opened.find_elements(By.CSS_SELECTOR, "abbr")
    assert {one.text for one in found} == set(names)
    assert all(len(one.get_attribute("title")) > 10 for one in found)


def test_groups_and_periods_say_how_many_documents_they_have(opened):
    groups = opened.find_element(By.ID, "groups")
    assert "n = 60" in groups.text
    assert len(groups.find_elements(By.CSS_SELECTOR, "tbody td")) == 3 * 2
    assert len(opened.find_elements(By.CSS_SELECTOR, "#time .panel:first-child rect")) == 3
    titles = opened.execute_script("return [...document.querySelectorAll('#time title')].map(e => e.textContent)")
    assert "2024-01-11: 40" in titles
    assert any(title.endswith(", 40 documents") for title in titles)


def test_every_section_is_drawn(opened):
    for section, thing in (
        ("topics", "#list button"),
        ("map", "svg .disc"),
        ("similarity", "svg rect"),
        ("time", ".panel svg path"),
        ("training", ".panel svg path"),
        ("documents", ".first .stack i"),
        ("run", "table tr"),
    ):
        assert opened.find_elements(By.CSS_SELECTOR, f"#{section} {thing}"), section
    assert len(opened.find_elements(By.CSS_SELECTOR, "#training .panel")) == 6
    assert len(opened.find_elements(By.CSS_SELECTOR, "#documents .first > li")) == 10
    assert "NPMI" in opened.find_element(By.ID, "cards").text


def test_a_click_shows_a_topic_with_its_documents(opened):
    items = opened.find_elements(By.CSS_SELECTOR, "#list button")
    assert len(items) == 3
    for item in items:
        item.click()
        number = item.find_element(By.CLASS_NAME, "number").text
        assert f"Topic {number}" in detail(opened)
        assert opened.current_url.endswith(f"#topic-{number}")
        assert item.get_attribute("aria-current") == "true"
        assert opened.find_elements(By.CSS_SELECTOR, "#detail .texts mark")
        assert len(opened.find_elements(By.CSS_SELECTOR, "#detail .texts li")) == 5


def test_a_disc_of_the_map_shows_its_topic(opened):
    disc = opened.find_elements(By.CSS_SELECTOR, "#map .disc")[2]
    number = disc.get_attribute("data-topic")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", disc)
    disc.click()
    assert f"Topic {number}" in detail(opened)
    closer = opened.find_element(By.CSS_SELECTOR, "#map .zoom button")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", closer)
    closer.click()
    assert len(opened.find_elements(By.CSS_SELECTOR, "#map .disc")) == 3


def test_search_by_keyboard_finds_words_and_topics(opened):
    body = opened.find_element(By.TAG_NAME, "body")
    body.send_keys("/")
    search = opened.switch_to.active_element
    assert search.get_attribute("id") == "search"
    search.send_keys("灯")
    found = opened.find_element(By.ID, "found")
    assert "灯塔" in found.text
    search.send_keys(Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.ENTER)
    word = opened.find_element(By.ID, "word")
    WebDriverWait(opened, 5).until(lambda _: word.is_displayed())
    assert "灯塔" in word.text
    assert "Neighbours" in word.text
    assert not found.is_displayed()
    search.clear()
    search.send_keys("2", Keys.ENTER)
    assert "Topic 2" in detail(opened)
    search.clear()
    search.send_keys("飞船")
    assert "Not a word of the model" in found.text
    search.send_keys(Keys.ESCAPE)
    assert not found.is_displayed()


def test_arrow_keys_walk_through_the_topics(opened):
    first = opened.find_elements(By.CSS_SELECTOR, "#list button")[0]
    first.send_keys(Keys.ARROW_DOWN)
    second = opened.switch_to.active_element
    assert second == opened.find_elements(By.CSS_SELECTOR, "#list button")[1]
    assert second.get_attribute("aria-current") == "true"


def test_the_tree_is_cut_by_the_keyboard(opened):
    slider = opened.find_element(By.ID, "cut")
    assert (slider.aria_role, slider.accessible_name, slider.get_attribute("value")) == ("slider", "Cut into", "3")
    for number in (3, 2, 1):
        assert slider.get_attribute("aria-valuetext") == f"{number} branches"
        of_branches = opened.find_elements(By.CSS_SELECTOR, "#similarity .branches > li")
        chips = [one.find_elements(By.CSS_SELECTOR, ".chips button") for one in of_branches]
        assert len(chips) == number
        assert sum(map(len, chips)) == 3
        assert len(opened.find_elements(By.CSS_SELECTOR, "#similarity .joint.branch")) == (number < 3)
        slider.send_keys(Keys.ARROW_LEFT)
    assert "100.0% · topics: 3" in of_branches[0].text
    number = chips[0][0].text.split()[0]
    opened.execute_script("arguments[0].click()", chips[0][0])
    assert f"Topic {number}" in detail(opened)


def test_a_joint_says_what_it_joins(opened):
    joints = opened.find_elements(By.CSS_SELECTOR, "#similarity .joint")
    assert len(joints) == 2
    opened.execute_script("arguments[0].dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))", joints[-1])
    assert "100.0% of the words, 3 topics" in opened.find_element(By.CSS_SELECTOR, "#similarity .reading").text


@pytest.fixture(scope="module")
def moving_report(tmp_path_factory) -> Path:
    """The page of a run whose topics move over four years."""
    folder = tmp_path_factory.mktemp("moving")
    with (folder / "news.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [[line, 2001 + i // 30] for i, line in enumerate(themed_lines())]
        csv.writer(file).writerows([["text", "year"], *rows])
    given = [f"--corpus={folder / 'news.csv'}", "--model=detm", "--meta_fields=year", "--time_field=year"]
    assert cli.run(train_main, ["train", *SMALL, *given, f"--workdir={folder / 'run'}"]) == 0
    assert cli.run(report_main, ["report", f"--workdir={folder / 'run'}", "--page_lang=en"]) == 0
    return folder / "run" / "report.html"


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_words_of_a_period_follow_the_keyboard(chromium, moving_report, size):
    resize(chromium, size)
    chromium.get_log("browser")
    load(chromium, moving_report.as_uri())
    with (moving_report.parent / "export" / "topics_time.csv").open(encoding="utf-8-sig", newline="") as file:
        words = {(row["topic"], row["period"]): row["words"].split() for row in csv.DictReader(file)}
    items = chromium.find_elements(By.CSS_SELECTOR, "#list button")
    for item, years in ((items[0], ("2004", "2003", "2002", "2001")), (items[1], ("2001",))):
        chromium.execute_script("arguments[0].click()", item)
        topic = item.find_element(By.CLASS_NAME, "number").text
        slider = chromium.find_element(By.ID, "period")
        assert (slider.aria_role, slider.accessible_name) == ("slider", "Period")
        for year in years:
            assert slider.get_attribute("aria-valuetext") == year
            assert chromium.find_element(By.CSS_SELECTOR, ".period output").text == year
            shown = chromium.find_elements(By.CSS_SELECTOR, "#detail .moving .bars button")
            assert [one.text for one in shown] == words[topic, year]
            slider.send_keys(Keys.ARROW_LEFT)
            assert chromium.switch_to.active_element == slider
    assert chromium.execute_script("return document.documentElement.scrollWidth") <= size[0]
    assert chromium.get_log("browser") == []


def test_an_address_with_a_topic_opens_it(opened, report):
    load(opened, f"{report.as_uri()}#topic-1")
    assert "Topic 1" in detail(opened)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_it_fits_the_window_in_light_and_dark(opened, report, tmp_path, size, scheme):
    emulate(opened, scheme)
    resize(opened, size)
    load(opened, report.as_uri())
    width = opened.execute_script("return document.documentElement.scrollWidth")
    assert width <= size[0]
    paper = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, paper[paper.index("(") + 1 : -1].split(",")[:3]))
    assert (brightness < 3 * 128) == (scheme == "dark")
    assert screenshot(opened, tmp_path, f"report-{size[0]}-{scheme}").stat().st_size > 10_000


PAYLOADS = [
    "<script>window.owned=1</script>",
    "</script><script>window.owned=1</script>",
    "</style><script>window.owned=1</script>",
    "</title><script>window.owned=1</script>",
    "--><script>window.owned=1</script><!--",
    "<img src=x onerror=window.owned=1>",
    "<svg onload=window.owned=1>",
    '"><iframe srcdoc="<script>top.owned=1</script>">',
    "' onmouseover='window.owned=1' x='",
    "\u2028window.owned=1\u2029//",
    "`;window.owned=1//${window.owned=1}",
    "{{constructor.constructor('window.owned=1')()}}",
    "<a href=javascript:window.owned=1>x</a>",
    "<style>@import 'http://127.0.0.1:9/x'</style>",
    "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>",
    "]]>&lt;script&gt;window.owned=1&lt;/script&gt;",
]
"""What would run, or would ask for something, if any text of a corpus became markup, style or script."""


def payload_texts(folder: Path) -> list[str]:
    """A corpus whose folder, files and texts are payloads, between words to learn topics from."""
    corpus = folder / PAYLOADS[3].replace("/", "")
    corpus.mkdir()
    for i, line in enumerate(themed_lines()):
        payload = PAYLOADS[i % len(PAYLOADS)]
        name = f"{payload.replace('/', '')} {i}.txt"
        (corpus / name).write_text(f"{payload} {line}", encoding="utf-8")
    return [*SMALL, f"--corpus={corpus}"]


def payload_words(folder: Path) -> list[str]:
    """A corpus of counts whose words are payloads."""
    # No list of one word a line can hold a line end, as which Unicode counts two characters.
    odd = [payload.translate({0x2028: None, 0x2029: None}) for payload in PAYLOADS]
    words = [f"{odd[j % len(odd)]}{j}" for j in range(60)]
    (folder / "vocab.txt").write_text("".join(word + "\n" for word in words), encoding="utf-8")
    for seed, name in enumerate(("train", "valid", "test_h1", "test_h2")):
        sp.save_npz(folder / f"{name}.npz", planted_counts(200 if seed == 0 else 20, 60, 3, seed))
    return [*SMALL, f"--corpus={folder}"]


@pytest.mark.parametrize("corpus", [payload_texts, payload_words])
def test_nothing_that_a_corpus_holds_runs(chromium, tmp_path, corpus):
    flags = corpus(tmp_path)
    workdir = tmp_path / PAYLOADS[5]
    assert cli.run(train_main, ["train", *flags, f"--workdir={workdir}"]) == 0
    assert cli.run(report_main, ["report", f"--workdir={workdir}"]) == 0
    page = workdir / "report.html"
    resize(chromium, WIDE)
    chromium.get_log("browser"), chromium.get_log("performance")
    load(chromium, page.as_uri())
    elements = """
        return ["img", "iframe", "script", "style", "meta", "a[href^=javascript]"].map(
            kind => document.querySelectorAll(kind).length);
    """
    template = files("etm_jax.report.page").joinpath("page.html").read_text("utf-8")
    ours = [0, 0, *(template.count(f"<{kind}") for kind in ("script", "style", "meta")), 0]
    over = """
        for (const one of document.querySelectorAll("body *"))
            for (const kind of ["mouseover", "mousemove", "focus"])
                one.dispatchEvent(new MouseEvent(kind, {bubbles: true}));
    """
    for item in chromium.find_elements(By.CSS_SELECTOR, "#list button"):
        item.click()
        chromium.execute_script(over)
    search = chromium.find_element(By.ID, "search")
    for payload in PAYLOADS[:6]:
        search.clear()
        search.send_keys(payload.rstrip("\u2029"), Keys.ENTER)
    shown = chromium.find_element(By.TAG_NAME, "body").text
    assert "window.owned=1" in shown
    assert chromium.execute_script("return window.owned === undefined")
    assert chromium.execute_script(elements) == ours
    # What the policy had kept from running would be told here.
    assert chromium.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert {url for url in asked if not url.startswith(("data:", "about:"))} == {page.as_uri()}


MARKERS = [
    "<b class=marker>",
    "</script><b class=marker>",
    "</title></style><b class=marker>",
    "--><b class=marker>",
    "'\"><b class=marker>",
    "</text></svg><b class=marker>",
    "]]><b class=marker>",
    "&lt;b class=marker&gt;",
    "$\\frac$",
    "{{marker}}${marker}",
]
"""Markup that would be an element of its own, and mathematics that would not parse, if text were not kept text."""


@pytest.fixture(scope="module")
def marked(tmp_path_factory) -> Path:
    """A run, and all pages of it, with markers for words, dates, topics, metadata, labels, and its own name."""
    for package in ("matplotlib", "pyLDAvis"):
        pytest.importorskip(package, reason=f"{package} is not installed, which makes one of the pages")
    folder = tmp_path_factory.mktemp("marked")
    plain = [mark.replace("/", "") for mark in MARKERS]
    with (folder / f"{plain[1]}.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "day", MARKERS[0]])
        for i, line in enumerate(themed_lines()):
            mark = MARKERS[i % len(MARKERS)]
            rows.writerow([f"{mark.replace(' ', '_')} {line}", f"2024-0{1 + i % 3}-11 {mark}", mark])
    with (folder / "names.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["topic", "name"], [0, MARKERS[1]], [1, MARKERS[8]], [2, MARKERS[4]]])
    workdir = folder / plain[2]
    flags = [*SMALL, f"--corpus={folder / plain[1]}.csv", f"--meta_fields=day,{MARKERS[0]}", f"--workdir={workdir}"]
    assert cli.run(train_main, ["train", *flags, f"--taskname={plain[0]}"]) == 0
    named = ["--date_field=day", f"--topic_names={folder / 'names.csv'}", "--pyldavis", "--figures"]
    assert cli.run(report_main, ["report", f"--workdir={workdir}", *named]) == 0
    return workdir


def test_the_page_of_a_run_shows_markers_as_text(chromium, marked):
    resize(chromium, WIDE)
    load(chromium, (marked / "report.html").as_uri())
    for item in chromium.find_elements(By.CSS_SELECTOR, "#list button"):
        item.click()
    assert marked.name in chromium.title
    shown = chromium.find_element(By.TAG_NAME, "body").text
    assert all(mark in shown for mark in (MARKERS[1], MARKERS[4], MARKERS[8]))
    assert chromium.find_elements(By.CSS_SELECTOR, ".marker, b") == []


def test_the_page_of_pyldavis_shows_markers_as_text(chromium, marked):
    import pyLDAvis

    scripts = Path(pyLDAvis.__file__).parent / "js"
    page = (marked / "pyldavis" / "pyldavis.html").read_text("utf-8")
    for name, file in (("D3_URL", "d3.v5.min.js"), ("LDAVIS_URL", "ldavis.v3.0.0.js")):
        address = getattr(pyLDAvis.urls, name)
        assert address in page
        page = page.replace(address, (scripts / file).as_uri())  # The net is not there.
    local = marked / "pyldavis" / "local.html"
    local.write_text(page, encoding="utf-8")
    load(chromium, local.as_uri())
    WebDriverWait(chromium, 20).until(lambda driver: driver.find_elements(By.CSS_SELECTOR, "text.terms"))
    assert len(chromium.find_elements(By.CSS_SELECTOR, "text.terms")) > 10
    terms = chromium.execute_script("return [...document.querySelectorAll('text.terms')].map(e => e.textContent)")
    assert any(term.endswith("<b_class=marker>") for term in terms)
    kinds = chromium.execute_script("return [...document.querySelectorAll('*')].map(e => e.localName)")
    assert [kind for kind in kinds if kind.startswith("b") and kind != "body"] == ["button"] * kinds.count("button")
    assert page.count("</script>") == 1


def test_figures_are_images_of_text(chromium, marked):
    pictures = sorted((marked / "figures").glob("*.svg"))
    assert pictures
    for picture in pictures:
        load(chromium, picture.as_uri())
        assert chromium.execute_script("return document.documentElement.localName") == "svg", picture.name
        assert chromium.execute_script("return document.querySelectorAll('b, script, parsererror').length") == 0
