"""The page: everything in it, nothing from outside, nobody else's script; and in a browser, where there is one."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from analysis.metrics.tasks import first_edition
from analysis.report.page import page
from analysis.report.plots import PLOTS, plots_of, write_plots
from analysis.report.summary import RunSummary
from analysis.report.writer import write_report
from tests.test_plots import whole_run
from tests.test_results import benchmark

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


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
    return RunSummary([item], {HOSTILE: HOSTILE, "torch": HOSTILE}, {HOSTILE: HOSTILE})


def test_the_page_holds_everything_and_loads_nothing(tmp_path):
    document = page(whole_run(), write_plots(tmp_path, whole_run()))
    tags = Tags(document).collected
    sources = [attributes[name] for _, attributes in tags for name in ("src", "href") if name in attributes]
    assert sources
    assert all(str(source).startswith("data:") for source in sources)
    assert sum(tag == "img" for tag, _ in tags) == len(
        [*plots_of(first_edition()), *(plot for plot in PLOTS if not plot.name.startswith("sweep"))]
    )
    assert all(attributes.get("alt") for tag, attributes in tags if tag == "img")
    assert "default-src 'none'" in document
    for expected in ("fp16-eager", "energy of one sample, idle included", "CPU, 2 threads"):
        assert expected in document


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
    written = write_report(tmp_path, RunSummary([bare], {}, {}))
    assert "unknown" in written[-1].read_text()


def test_text_that_a_spreadsheet_would_compute_is_text_in_the_table(tmp_path):
    item = benchmark("=1+1", 1.0, None)
    item["extra_info"]["energy"]["reason"] = "@SUM(1)"
    path, *_ = write_report(tmp_path, RunSummary([item], {}, {}))
    (row,) = csv.DictReader(path.read_text().splitlines())
    assert (row["name"], row["precision"], row["energy_reason"]) == ("'=1+1-eager", "'=1+1", "'@SUM(1)")
    assert float(row["median_latency_ms"]) == 1.0


def test_a_drift_is_shown_in_percent():
    drift = {"change_rel": -0.12504, "change_ci95_low": -0.2, "change_ci95_high": 0.1}
    item = benchmark("fp32", 1.0, validity={"drift": drift})
    assert "-12.5%" in page(RunSummary([item], {}, {}), {})


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


def column(browser: Any, heading: str) -> list[str]:
    """Click on a heading of the first table, and return its column as it is displayed then."""
    table = browser.find_element("css selector", "table.sortable")
    buttons = table.find_elements("css selector", "th button")
    number = [button.text.rstrip(" ↕↑↓") for button in buttons].index(heading)
    buttons[number].click()
    return [row.find_elements("tag name", "td")[number].text for row in table.find_elements("css selector", "tbody tr")]


def test_in_a_browser_it_sorts_fits_a_phone_and_says_nothing_on_the_console(browser, tmp_path):
    more = benchmark("mixed", 30.0)
    run = RunSummary([*whole_run().benchmarks, more], {"torch": "2"}, {})
    browser.get(write_report(tmp_path, run)[-1].as_uri())
    assert column(browser, "energy mJ") == ["100.0 ± 5.0%", "400.0 ± 5.0%", "-"]  # by number; the missing one last
    assert column(browser, "energy mJ") == ["400.0 ± 5.0%", "100.0 ± 5.0%", "-"]
    assert [text[:4] for text in column(browser, "median ms")] == ["2.50", "5.00", "30.0"]  # 30 is more than 5
    images = browser.find_elements("css selector", "img")
    assert images
    assert all(browser.execute_script("return arguments[0].naturalWidth", image) > 0 for image in images)
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    )
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    assert browser.execute_script("return arguments[0].width", images[0]) >= 600  # its small print can be read
    assert float(browser.execute_script("return parseFloat(getComputedStyle(document.body).fontSize)")) >= 16
    printed = browser.execute_cdp_cmd("Page.printToPDF", {})
    assert len(printed["data"]) > 10_000
    assert browser.get_log("browser") == []


def test_in_a_browser_a_hostile_run_runs_nothing(browser, tmp_path):
    browser.get(write_report(tmp_path, hostile_run())[-1].as_uri())
    assert browser.title == "GPT-2 precision benchmark"
    assert re.search("<script>document.title", browser.find_element("tag name", "body").text)
    assert browser.get_log("browser") == []
