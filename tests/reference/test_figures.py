"""The pages: what they say is what the committed runs say, and no figure can be lost on the way."""

from __future__ import annotations

import re

import pytest

from analysis.__main__ import main as analysis_main
from core.errors import InputError
from reference import pictures
from reference.figures import __main__ as figures
from reference.figures.pages import filled, parts, rendered, written
from reference.series import DEFAULTS
from reference.variance import checks, coverage
from tests.support.reference_runs import unpacked
from tests.support.tiny import REPOSITORY

PAGE = "Before.\n\n<!-- figures: latency -->\n\nIt takes 2 ms.\n\n<!-- end of figures -->\n\nAfter.\n"
TEMPLATE = "<!-- figures: latency -->\nIt takes {{ ms }} ms.\n<!-- end of figures -->\n"


def of(**figures_of_latency: object):
    return {"latency": lambda: figures_of_latency}


def test_a_page_gets_its_figures_between_its_marks():
    assert written(PAGE, TEMPLATE, of(ms=2), "a page") == PAGE
    assert written(PAGE, TEMPLATE, of(ms=3), "a page") == PAGE.replace("2 ms", "3 ms")
    assert written("No figures.\n", "", of(ms=2), "a page") == "No figures.\n"


@pytest.mark.parametrize(
    ("template", "made", "said"),
    [
        ("{{ ms }} and {{ mj }}", {"ms": 2}, "names mj; expected one of ms"),
        ("{{ mj }} and {{ mw }}", {"ms": 2}, "names mj, mw; expected one of ms"),
        ("{{ mj }}", {}, "names mj; expected one of none"),
        ("{% for row in rows %}{{ row.a }} {% endfor %}", {"rows": [{"a": 1, "b": 7}]}, "does not print 7"),
        ("{% for row in rows if row > 2 %}{{ row }} {% endfor %}", {"rows": [1, 3]}, "does not print 1"),
        ("{{ of.first.ms }}", {"of": {"first": {"ms": 2}, "second": {"ms": 2}}}, "does not print 2"),
        ("{% if ms %}fast{% endif %}", {"ms": 2}, "does not print 2"),
        ("{{ ms + 1 }}", {"ms": "2"}, "cannot be filled with its figures: TypeError"),
        ("{{ 1 / ms }}", {"ms": 0}, "cannot be filled with its figures: ZeroDivisionError"),
        ("{{ '%d' | format(ms) }} {{ '%q' % ms }}", {"ms": 2}, "cannot be filled with its figures: ValueError"),
        ("{{ of.mj }}", {"of": {"ms": 2}}, "no attribute 'mj'"),
        ("{{ ms", {"ms": 2}, "cannot be filled"),
        ("{{ ms }", {"ms": 2}, "cannot be filled"),
        ("{ ms }} in {{ ms }}", {"ms": 2}, "a brace that belongs to no placeholder"),
        ("It takes 2 ms.", {"ms": 2}, "leaves out ms; expected every figure"),
        ("{% if ms > 3 %}{{ mj }}{% endif %}", {"ms": 2}, "names mj; expected one of ms"),
        ("{% for one in ms %}", {"ms": [2]}, "cannot be filled"),
    ],
)
def test_a_placeholder_without_a_figure_and_a_figure_without_a_placeholder_are_errors(template, made, said):
    with pytest.raises(InputError, match=f"^a part.*{re.escape(said)}"):
        rendered(template, made, "a part")


@pytest.mark.parametrize(
    ("page", "template", "said"),
    [
        (PAGE.replace("<!-- end of figures -->", ""), TEMPLATE, "a page begins 1 parts with figures and ends 0"),
        (PAGE.replace("<!-- figures: latency -->", ""), TEMPLATE, "a page begins 0 parts with figures and ends 1"),
        (PAGE, TEMPLATE.replace("<!-- end of figures -->", ""), "The template of a page begins 1 parts"),
        (PAGE + PAGE, TEMPLATE, "a page has latency more than once"),
        ("After.\n", TEMPLATE, "a page has the parts none; expected those of its template in their order, latency"),
        (PAGE, "", "a page has the parts latency; expected those of its template in their order, none"),
        (PAGE, f"{TEMPLATE}It takes long.\n", "The template of a page has 'It takes long.' outside of its parts"),
        (PAGE.replace(": latency", ": energy"), TEMPLATE.replace(": latency", ": energy"), "has the part energy"),
    ],
)
def test_a_part_that_is_lost_unclosed_or_unknown_is_an_error(page, template, said):
    with pytest.raises(InputError, match=said):
        written(page, template, of(ms=2), "a page")


def test_figures_at_any_depth_are_printed_in_their_places():
    made = {"rows": [{"ms": 2, "of": ("a", "b")}, {"ms": 2, "of": ()}], "beyond": [], "mj": None}
    template = "{% for row in rows %}{{ row.ms }}{% for one in row.of %} {{ one }}{% endfor %}; {% endfor %}{{ mj }}"
    with pytest.raises(InputError, match="leaves out beyond"):
        rendered(template, made, "a part")
    assert rendered(template + "{% for one in beyond %}{{ one }}{% endfor %}", made, "a part") == "2 a b; 2; None"


def test_paragraphs_and_items_are_filled_and_tables_stay():
    words = "word " * 40
    table = f"| {words} |\n| --- |"
    text = f"{words}\n± 1%\n\n{table}\n\n- {words}\n  more\n  - {words}\n- b"
    lines = filled(text).splitlines()
    assert max(len(line) for line in lines if "|" not in line) <= 140
    assert table in filled(text)
    assert [line[:4] for line in lines if line.lstrip().startswith("- ")] == ["- wo", "  - ", "- b"]
    assert filled(filled(text)) == filled(text)
    first, second = filled(f"{'x' * 137} ± 1%").splitlines()
    assert (len(first), second) == (137, "± 1%")


def test_a_heading_is_a_line_of_its_own_however_long():
    heading = f"## {'word ' * 40}end"
    assert filled(f"a\nb\n{heading}\nc\nd\n#5 is no heading") == f"a b\n\n{heading}\n\nc d #5 is no heading"
    assert filled(f"{heading}\n{heading}\n- c\n- d") == f"{heading}\n\n{heading}\n\n- c\n- d"
    assert filled(filled(f"{heading}\nc")) == filled(f"{heading}\nc")


@pytest.mark.parametrize("code", ["```\na  b\n\n\n- c   d\n```", "  ```python\n  a  b\n\n  ```", "```\na  b\n\nc   d"])
def test_a_block_of_code_stays_as_it_is(code):
    assert filled(f"a\nb\n{code}") == f"a b\n\n{code}"
    assert filled(filled(code)) == filled(code) == code
    if code.endswith("```"):
        assert filled(f"{code}\nc\nd\n\n{code}") == f"{code}\n\nc d\n\n{code}"


def test_every_function_has_its_part_and_every_template_its_page():
    templates = figures.templates()
    figures.require_all_used(templates)
    for page, template in templates.items():
        assert list(parts(template, page)) == list(parts((REPOSITORY / page).read_text(), page))
    without = {page: template for page, template in templates.items() if page != "docs/energy.md"}
    with pytest.raises(InputError, match="No template has the part gaps, cross_checks, cold_board"):
        figures.require_all_used(without)


@pytest.mark.slow
def test_the_pages_hold_the_figures_of_the_reference_runs(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["figures"])
    assert figures.main() == 0, capsys.readouterr()
    name = "docs/generation.md"
    read = (REPOSITORY / name).read_text()
    changed = read.replace("prefill of 128 tokens", "prefill of 12 tokens")
    assert changed != read
    assert written(changed, figures.templates()[name], figures.FUNCTIONS, name) == read


@pytest.mark.parametrize("series", DEFAULTS.values(), ids=DEFAULTS)
def test_the_committed_sessions_say_what_the_documentation_says(series, monkeypatch, capsys):
    host, _, name = series.partition("/")
    monkeypatch.setattr("sys.argv", ["analysis", "variance", str(unpacked(host) / name)])
    assert analysis_main() == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 8 + 2  # the fast ones of graphs
    documented = (REPOSITORY / "docs" / "variance.md").read_text()
    assert f"python -m analysis variance results/runs/{series}\n" in documented
    for row in rows:
        assert row in documented


@pytest.mark.slow
def test_the_coverage_of_the_committed_sessions_is_the_documented_one(capsys):
    coverage.main()
    documented = (REPOSITORY / "docs" / "coverage.md").read_text()
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    size = 2 + 8 + 3  # fast latency, fast speedup and energy at reference are of graphs alone
    tables, counts = rows[: 2 * size], rows[2 * size + 2 :]
    for row in tables:
        assert row in documented
    text = " ".join(documented.split())
    assert len(counts) == 5
    for row in counts:
        assert re.search(rf" {row.split('|')[2].strip()} (ratios|sentences|cases|comparisons)", text), row


@pytest.mark.slow
def test_the_checks_of_a_host_print_what_the_documentation_says(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["checks", "h100_c846fd5f"])
    assert checks.main() == 0
    printed = capsys.readouterr().out
    documented = (REPOSITORY / "docs" / "variance.md").read_text()
    assert re.search(r"H100 c846fd5f.*\+0\.35% \(\+0\.26% to \+0\.44%\)", documented)
    assert "+0.35% (+0.26% to +0.44%)" in printed
    assert "h100_c846fd5f/fp32_again, 8 sessions:" in printed
    monkeypatch.setattr("sys.argv", ["checks", "h100_nothing"])
    assert checks.main() == 1
    assert "no archive of h100_nothing" in capsys.readouterr().err


def test_every_picture_that_a_page_shows_is_there_and_no_other():
    shown = {
        (page.parent / path).resolve().relative_to(REPOSITORY).as_posix()
        for page in (REPOSITORY / name for name in figures.PAGES)
        for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text())
    }
    kept = {path.relative_to(REPOSITORY).as_posix() for path in pictures.FOLDER.iterdir()}
    assert shown == kept == {f"docs/pictures/{name}" for name in pictures.PICTURES}


@pytest.mark.slow
def test_every_picture_can_be_drawn_again(tmp_path):
    drawn = {path.name: path.read_bytes() for path in pictures.draw(tmp_path)}
    assert drawn.keys() == pictures.PICTURES.keys()
    for name, content in drawn.items():
        # Signature, length and kind of the first chunk; then width and height in pixels.
        assert content[:24] == (pictures.FOLDER / name).read_bytes()[:24], name
