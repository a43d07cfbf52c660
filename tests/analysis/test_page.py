"""The page: everything in it, nothing from outside, nobody else's script; and in a browser, where there is one."""

from __future__ import annotations

import base64
import csv
import math
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

from analysis.report.page import MOST_SHOWN, page, shape_of
from analysis.report.page_tables import results_table
from analysis.report.plots import PLOTS, plots_of, write_plots
from analysis.report.plots.plot import SECTIONS
from analysis.report.summary import RunSummary
from analysis.report.writer import write_report
from tests.support.described import TASKS, described
from tests.support.saved_runs import benchmark, whole_run

HOSTILE = "<script>document.title='owned'</script><img/src=x/onerror=\"document.title='owned'\">"


class Tags(HTMLParser):
    """Collects every tag with its attributes."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.collected: list[tuple[str, dict[str, str | None]]] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.collected.append((tag, dict(attrs)))


def hostile_run() -> RunSummary:
    item = benchmark(HOSTILE, 5.0, 400.0)
    item["extra_info"]["provenance"]["model"] = HOSTILE
    item["extra_info"]["validity"] = {"reasons": [HOSTILE], "status": "invalid"}
    return RunSummary([item], described({HOSTILE: HOSTILE, "torch": HOSTILE}), {HOSTILE: HOSTILE})


def test_the_page_holds_everything_and_loads_nothing(tmp_path):
    document = page(whole_run(), write_plots(tmp_path, whole_run()))
    tags = Tags(document).collected
    sources = [attributes[name] for _, attributes in tags for name in ("src", "href") if name in attributes]
    assert sources
    assert all(str(source).startswith(("data:", "#")) for source in sources)
    assert sum(tag == "img" for tag, _ in tags) == len(
        [*plots_of(TASKS), *(plot for plot in PLOTS.values() if not plot.name.startswith("sweep"))]
    )
    assert all(attributes.get("alt") for tag, attributes in tags if tag == "img")
    assert "default-src 'none'" in document
    for expected in ("fp16-eager", "energy of one sample, idle included", "CPU, 2 threads"):
        assert expected in document


def test_the_top_says_what_was_measured_when_where_and_how():
    run = whole_run()
    model = {"model": "/home/jo/models/llama-1b", "stand_in": False}
    run.benchmarks[0]["extra_info"]["provenance"] |= model
    named = {
        "command_line": "pytest benchmarks --model=/home/jo/models/llama-1b",
        "measured_utc": "2026-11-24 05:12:09 UTC",
        "torch_threads": 1,
    }
    run = RunSummary(run.benchmarks, run.environment | named, {})
    document = page(run, {})
    assert "<title>llama-1b precision benchmark</title>" in document
    assert "<h1>llama-1b precision benchmark</h1>" in document
    top = document[document.index("<h1>") : document.index("<nav")]
    shown = re.findall(r"<dt>(.*?)</dt><dd>(?:<code>)?(.*?)(?:</code>)?</dd>", top)
    assert dict(shown) == {
        "Model": "llama-1b",
        "Device": "CPU, 1 thread",
        "Measured": "2026-11-24 05:12:09 UTC",
        "Batches": "1 x 128 tokens",
        "Software": "PyTorch 2, suite unknown",
        "Command": "pytest benchmarks &#39;--model=…/llama-1b&#39;",
    }
    assert "/home/jo" not in document


@pytest.mark.parametrize(
    ("named", "shown"),
    [
        ("openai-community/gpt2", "GPT-2"),
        ("gpt2 with seeded weights", "GPT-2"),
        ("smollm2", "smollm2"),
        ("meta-llama/Llama-3.2-1B", "Llama-3.2-1B"),
        ("C:\\models\\mine", "mine"),
        ("", "GPT-2"),
        (7, "GPT-2"),
    ],
)
def test_a_page_is_called_after_the_model(named, shown):
    item = benchmark("fp32", 1.0)
    item["extra_info"]["provenance"]["model"] = named
    assert RunSummary([item], described(), {}).title == f"{shown} precision benchmark"


def test_every_link_leads_somewhere_and_the_table_can_be_saved(tmp_path):
    written = write_report(tmp_path, whole_run())
    tags = Tags(written[-1].read_text()).collected
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes for tag, attributes in tags if tag == "a"]
    inner = [str(one["href"]).removeprefix("#") for one in links if str(one["href"]).startswith("#")]
    assert set(inner) <= set(ids)
    assert {"verdict", "results", "speed", "energy", "quality", "trade-offs", "details"} <= set(inner)
    (saved,) = [one for one in links if "download" in one]
    assert saved["download"] == written[0].name
    assert base64.b64decode(str(saved["href"]).partition("base64,")[2]) == written[0].read_bytes()


@pytest.mark.parametrize(
    ("quality", "shown"),
    [
        (
            {"verdict": "equal", "delta_perplexity_rel_ci95_low": -0.0002, "delta_perplexity_rel_ci95_high": 0.0004},
            "equal; 0.03% perplexity would have shown",
        ),
        ({"verdict": "equal"}, "equal"),
        ({"verdict": "equal", "delta_perplexity_rel_ci95_low": "x", "delta_perplexity_rel_ci95_high": 1.0}, "equal"),
        (
            {"verdict": "worse", "delta_perplexity_rel_ci95_low": 0.01, "delta_perplexity_rel_ci95_high": 0.02},
            "worse",
        ),
    ],
)
def test_equal_says_which_difference_would_have_been_told(quality, shown):
    item = benchmark("fp16", 1.0)
    item["extra_info"]["quality"] |= {"delta_perplexity_rel": 0.0001, **quality}
    table = results_table(RunSummary([benchmark("fp32", 2.0), item], described(), {}))
    assert table["against FP32"].tolist() == ["-", shown]


def test_a_picture_on_paper_is_as_high_as_its_shape_says():
    svg = b'<svg xmlns:xlink="x" width="518.4pt" height="360pt" viewBox="0 0 518.4 360">'
    assert shape_of(svg, hidden_in=1.4) == f"{518.4 / (360 - 72 * 1.4):.3f}"
    assert shape_of(b"<svg/>", hidden_in=1.4) == "1"


def test_names_in_a_run_cannot_become_tags():
    tags = Tags(page(hostile_run(), {})).collected
    assert [tag for tag, _ in tags].count("script") == 1  # the page's own
    assert not [tag for tag, attributes in tags if tag == "img" or "onerror" in attributes]


def test_a_stand_in_is_marked_at_the_top():
    provenance = benchmark("fp32", 1.0)["extra_info"]["provenance"] | {"stand_in": True}
    assert 'class="mark">STAND-IN' in page(whole_run(provenance=provenance), {})
    assert 'class="mark"' not in page(whole_run(), {})


def test_a_run_that_recorded_little_has_a_page_too(tmp_path):
    bare = {"name": "x", "extra_info": {"case": {"precision": "fp32", "execution": "eager"}}}
    written = write_report(tmp_path, RunSummary([bare], described(), {}))
    assert "unknown" in written[-1].read_text()


def test_text_that_a_spreadsheet_would_compute_is_text_in_the_table(tmp_path):
    item = benchmark("=1+1", 1.0, None)
    item["extra_info"]["energy"]["reason"] = "@SUM(1)"
    path, *_ = write_report(tmp_path, RunSummary([item], described(), {}))
    (row,) = csv.DictReader(path.read_text().splitlines())
    assert (row["name"], row["precision"], row["energy_reason"]) == ("'=1+1-eager", "'=1+1", "'@SUM(1)")
    assert float(row["median_latency_ms"]) == 1.0


def test_a_drift_is_shown_in_percent():
    medians_ms = [math.exp(-0.13355 * number / 3) for number in range(4)]
    visits = [{"started_s": float(number), "median_ms": median_ms} for number, median_ms in enumerate(medians_ms)]
    item = benchmark("fp32", 1.0, visits=visits)
    assert "-12.5%" in page(RunSummary([item], described(), {}), {})


def folded(document: str) -> list[tuple[str, str]]:
    """The summary and the content of each folded part."""
    return re.findall(r"<details><summary>(.*?)</summary>(.*?)</details>", document, re.DOTALL)


def test_it_is_laid_out_from_the_verdict_to_the_details(tmp_path):
    provenance = benchmark("fp32", 1.0)["extra_info"]["provenance"] | {"stand_in": True}
    run = whole_run(provenance=provenance)
    document = page(run, write_plots(tmp_path, run))
    landmarks = (
        "<h1>",
        run.about["Device"],
        'class="mark"',
        "<nav",
        'class="verdict"',
        run.advice[0],
        "<table",
        "<figure",
    )
    places = [document.index(landmark) for landmark in (*landmarks, "<details")]
    assert places == sorted(places)
    titles = re.findall(r'<img alt="(.*?)"', document)
    order = (
        "What each",
        "Median latency of a forward",
        "Speed against",
        "Throughput",
        "Where the",
        "Energy per",
        "Perplexity",
    )
    assert all(title.startswith(start) for title, start in zip(titles, order, strict=False))
    (courses,) = [content for summary, content in folded(document) if summary.startswith("Course")]
    assert re.findall(r'<img alt="(.*?)"', courses) == titles[-2:] == ["Latency over the rounds", "Power over time"]


def test_a_run_with_nothing_to_choose_between_says_so_where_the_verdict_is():
    verdict = re.compile(r'class="verdict" .*?This run recommends nothing', re.DOTALL)
    assert verdict.search(page(RunSummary([benchmark("fp32", 5.0)], described(), {}), {}))
    assert not verdict.search(page(whole_run(), {}))


def test_every_picture_has_a_caption_of_its_own(tmp_path):
    document = page(whole_run(), write_plots(tmp_path, whole_run()))
    captions = re.findall(r"<figcaption>(.+?)</figcaption>", document)
    assert len(set(captions)) == len(captions) == document.count("<figure")
    assert all(plot.caption and plot.section in SECTIONS for plot in (*PLOTS.values(), *plots_of(TASKS)))


@pytest.mark.parametrize("missing", [MOST_SHOWN, MOST_SHOWN + 3])
def test_beyond_a_handful_caveats_are_folded_and_counted(missing):
    names = [f"case{number}" for number in range(missing)]
    run = RunSummary([benchmark("fp32", 5.0)], described(), dict.fromkeys(names, "was skipped"))
    document = page(run, {})
    more = len(run.notes) - MOST_SHOWN
    caveats = [part for part in folded(document) if part[0].startswith("Caveats")]
    assert [summary for summary, _ in caveats] == [f"Caveats and missing values: {more} more"]
    assert caveats[0][1].count("<li>") == more
    assert all(document.count(f"<li>{name} was skipped.") == 1 for name in names)


def test_all_that_is_folded_is_there_and_says_what_it_is(tmp_path):
    run = whole_run()
    parts = dict(folded(page(run, write_plots(tmp_path, run))))
    contents = {summary.partition(":")[0]: content for summary, content in parts.items()}
    assert "launch-bound" in contents["Words on this page"]
    assert all(escape(line) in contents["Conditions"] for line in run.conditions)
    assert "energy_per_sample_mj" in contents["Every metric"]
    assert "torch_threads" in contents["Environment"]
    assert all(re.search(r"\d", summary) for summary in parts)


@pytest.fixture
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for switch in ("headless", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking"):
        options.add_argument(f"--{switch}")
    options.add_argument("--window-size=1280,900")
    options.add_argument("--disable-component-update")
    options.add_argument("--disable-sync")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    yield started
    started.quit()


def opened(browser: Any, folder: Path) -> None:
    """Open the page of a stand-in with something to sort and something to fold."""
    names = [f"case{number}" for number in range(MOST_SHOWN + 3)]
    provenance = benchmark("fp32", 1.0)["extra_info"]["provenance"] | {"stand_in": True}
    benchmarks = [*whole_run(provenance=provenance).benchmarks, benchmark("mixed", 30.0)]
    run = RunSummary(benchmarks, described({"torch": "2"}), dict.fromkeys(names, "was skipped"))
    browser.get(write_report(folder, run)[-1].as_uri())


def emulated(browser: Any, scheme: str, media: str = "screen") -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def column(browser: Any, heading: str) -> list[str]:
    """Click on a heading of the first table, and return its column as it is displayed then."""
    table = browser.find_element("css selector", "table.sortable")
    buttons = table.find_elements("css selector", "th button")
    number = [button.text.rstrip(" ↕↑↓") for button in buttons].index(heading)
    buttons[number].click()
    return [row.find_elements("tag name", "td")[number].text for row in table.find_elements("css selector", "tbody tr")]


def test_in_a_browser_it_sorts_and_says_nothing_on_the_console(browser, tmp_path):
    opened(browser, tmp_path)
    assert column(browser, "energy mJ") == ["100.0 ± 40.0%", "400.0 ± 40.0%", "-"]  # by number; the missing one last
    assert column(browser, "energy mJ") == ["400.0 ± 40.0%", "100.0 ± 40.0%", "-"]
    assert [text[:4] for text in column(browser, "median ms")] == ["2.50", "5.00", "30.0"]  # 30 is more than 5
    images = browser.find_elements("css selector", "img")
    assert images
    assert all(browser.execute_script("return arguments[0].naturalWidth", image) > 0 for image in images)
    assert browser.get_log("browser") == []


def test_in_a_browser_the_table_is_filtered(browser, tmp_path):
    opened(browser, tmp_path)
    rows = browser.find_elements("css selector", "#cases tbody tr")
    names = [row.find_element("tag name", "td").text for row in rows]
    box = browser.find_element("id", "filter")
    for text, shown in {"FP16 ea": ["fp16-eager"], "": names, "nothing": []}.items():
        box.clear()
        box.send_keys(text or " ")
        assert [name for name, row in zip(names, rows, strict=True) if row.is_displayed()] == shown
    assert browser.get_log("browser") == []


def test_in_a_browser_two_pictures_fit_a_page_of_paper(browser, tmp_path):
    opened(browser, tmp_path)
    emulated(browser, "light", "print")
    page_px = (279 - 24) / 25.4 * 96  # of US Letter, which is lower than A4, within its margins
    heights = [figure.size["height"] for figure in browser.find_elements("css selector", "body > figure")]
    assert len(heights) > 3
    assert max(heights) < page_px / 2


def test_in_a_browser_a_click_unfolds(browser, tmp_path):
    opened(browser, tmp_path)
    for part in browser.find_elements("tag name", "details"):
        content = part.find_element("css selector", "ul, dl, table, figure")
        assert not content.is_displayed()
        part.find_element("tag name", "summary").click()
        assert content.is_displayed()


def test_in_a_browser_it_fits_a_phone_with_everything_unfolded(browser, tmp_path):
    opened(browser, tmp_path)
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 375, "height": 812, "deviceScaleFactor": 2, "mobile": True}
    )
    browser.execute_script("for (const part of document.querySelectorAll('details')) part.open = true")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 375
    tables = browser.find_elements("css selector", ".scroll")
    assert any(browser.execute_script("return arguments[0].scrollWidth", table) > 375 for table in tables)
    # A picture is whole, until it is selected: then its small print can be read.
    images = browser.find_elements("tag name", "img")
    assert all(0 < image.size["width"] <= 375 for image in images)
    image = images[0]
    image.click()
    assert image.size["width"] >= 600
    # What it repeats of the page's conditions is cut off.
    assert image.size["height"] > image.find_element("xpath", "..").size["height"] + 20
    sizes = "return [...document.body.querySelectorAll('*')].map(one => parseFloat(getComputedStyle(one).fontSize))"
    assert min(browser.execute_script(sizes)) >= 14


#: The ratio of luminances (WCAG 2) of an element's text and what is behind it.
CONTRAST = """
const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const luminance = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number).map(channel)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (node) => {
  const colour = getComputedStyle(node).backgroundColor;
  return colour === "rgba(0, 0, 0, 0)" ? behind(node.parentElement) : colour;
};
const both = [luminance(getComputedStyle(arguments[0]).color), luminance(behind(arguments[0]))];
return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser_text_has_contrast_and_paper_is_white(browser, tmp_path, scheme):
    opened(browser, tmp_path)
    background = "return getComputedStyle(document.body).backgroundColor"
    emulated(browser, scheme)
    assert (browser.execute_script(background) == "rgb(255, 255, 255)") == (scheme == "light")
    texts = browser.find_elements("css selector", "p, h1, h2, h3, li, td, th button, summary, figcaption")
    assert min(browser.execute_script(CONTRAST, text) for text in texts) >= 4.5
    emulated(browser, scheme, "print")
    assert browser.execute_script(background) == "rgb(255, 255, 255)"
    assert browser.execute_script("return getComputedStyle(document.querySelector('img')).filter") == "none"
    emulated(browser, scheme)  # a precision has one colour, in the dark too
    assert browser.execute_script("return getComputedStyle(document.querySelector('img')).filter") == "none"
    assert (
        browser.execute_script("return getComputedStyle(document.querySelector('.picture')).backgroundColor")
        == "rgb(255, 255, 255)"
    )
    emulated(browser, scheme, "print")
    arrow = "return getComputedStyle(document.querySelector('th button'), '::after').content"
    assert browser.execute_script(arrow) == "none"


def test_in_a_browser_all_is_unfolded_on_paper_and_folded_again_afterwards(browser, tmp_path):
    opened(browser, tmp_path)
    still_folded = "document.querySelectorAll('details:not([open])').length"
    before = browser.execute_script(f"return {still_folded}")
    assert before > 5
    browser.execute_script(f"addEventListener('beforeprint', () => {{ window.printed = {still_folded}; }})")
    printed = browser.execute_cdp_cmd("Page.printToPDF", {})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")
    assert browser.execute_script("return window.printed") == 0
    assert browser.execute_script(f"return {still_folded}") == before
    assert browser.get_log("browser") == []


def test_in_a_browser_a_hostile_run_runs_nothing(browser, tmp_path):
    browser.get(write_report(tmp_path, hostile_run())[-1].as_uri())
    assert browser.title.endswith(" precision benchmark")  # it is of the model, whose name is text
    assert re.search("<script>document.title", browser.find_element("tag name", "body").text)
    assert browser.get_log("browser") == []
