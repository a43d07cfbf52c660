"""Pages whose sentences stand in templates, and whose figures are put in from the runs.

`reference/templates/docs/results.md` holds those parts of `docs/results.md` that have figures of the reference, as
Markdown with placeholders of Jinja (`{{ latency }}`). In the page the same parts stand between the same marks,
`<!-- figures: NAME -->` and `<!-- end of figures -->`, with the figures that the function of that name returns. A
template has nothing else, and prints every figure that the function makes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from textwrap import fill
from typing import Any

import jinja2
from jinja2.meta import find_undeclared_variables

from core.errors import InputError

#: What a part's placeholders stand for: text, numbers, tables, or lists of these for a loop.
Figures = Mapping[str, Any]
PART = re.compile(r"(<!-- figures: (\w+) -->\n)((?:(?!<!-- figures).)*?)(\n<!-- end of figures -->)", re.DOTALL)
#: Characters of a line of a page, at most.
WIDTH = 140
#: Where an item of a list begins, with its indent.
ITEM = re.compile(r"^(?= *- )", re.MULTILINE)
#: A heading, which is one line and needs no empty one around it.
HEADING = re.compile(r"^#{1,6} .*$", re.MULTILINE)
#: A block of code, which is not filled: from a fence to the next one, or to the end as Markdown reads it.
CODE = re.compile(r"(^ *```.*?(?:^ *``` *$|\Z))", re.MULTILINE | re.DOTALL)


def parts(text: str, where: str) -> dict[str, str]:
    """Return the marked parts of a page or template by name, in their order.

    Raises `InputError` where a part does not end behind itself, or is there twice; `where` names the file.
    """
    begun, ended, found = text.count("<!-- figures: "), text.count("<!-- end of figures -->"), PART.findall(text)
    if not begun == ended == len(found):
        raise InputError(
            f"{where} begins {begun} parts with figures and ends {ended}; expected each to end behind itself."
        )
    names = [name for _, name, *_ in found]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{where} has {', '.join(repeated)} more than once; expected each part once.")
    return {name: content for _, name, content, _ in found}


def rendered(template: str, figures: Figures, where: str) -> str:
    """Return Markdown with figures in place of its placeholders, in lines of a page's width.

    Every figure, each item of a list or a mapping too, is printed as often as it was made at least; which of two equal
    figures a placeholder prints is not checked. Raises `InputError` for a placeholder without a figure, a figure that
    no placeholder prints, and a brace that is left.
    """
    printed: Counter[str] = Counter()

    def counted(value: Any) -> Any:  # noqa: ANN401
        printed[str(value)] += 1
        return value

    # A page is Markdown: nothing is escaped.
    environment = jinja2.Environment(  # noqa: S701
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=counted
    )
    try:
        named = find_undeclared_variables(environment.parse(template))
        if unknown := sorted(named - figures.keys()):
            raise InputError(f"{where} names {', '.join(unknown)}; expected one of {', '.join(figures) or 'none'}.")
        if unused := [name for name in figures if name not in named]:
            raise InputError(f"{where} leaves out {', '.join(unused)}; expected every figure that is made for it.")
        text = environment.from_string(template).render(figures)
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise InputError(f"{where} cannot be filled with its figures: {type(error).__name__}: {error}.") from error
    if left := Counter(texts_of(figures)) - printed:
        raise InputError(f"{where} does not print {', '.join(left)}; expected every figure that is made for it.")
    if "{" in text or "}" in text:
        raise InputError(f"{where} has a brace that belongs to no placeholder; expected {{{{ name }}}}.")
    return filled(text.strip())


def texts_of(figures: object) -> Iterator[str]:
    """Yield what each figure is printed as: those in mappings and in lists one by one, at any depth."""
    if isinstance(figures, Mapping):
        figures = list(figures.values())
    if isinstance(figures, list | tuple):
        for one in figures:
            yield from texts_of(one)
    else:
        yield str(figures)


def filled(text: str) -> str:
    """Return Markdown whose paragraphs and items of lists are filled to lines of a page's width.

    Headings, tables and blocks of code stay as they are, with an empty line before and behind them.
    """
    chunks = []
    for number, part in enumerate(CODE.split(text)):  # text and code in turn
        blocks = [part] if number % 2 else re.split(r"\n{2,}", HEADING.sub(r"\n\n\g<0>\n\n", part).strip("\n"))
        chunks += [block if number % 2 or is_whole(block) else filled_block(block) for block in blocks if block]
    return "\n\n".join(chunks)


def is_whole(block: str) -> bool:
    """Tell whether a block is a table or a heading, whose lines are not filled."""
    return block.startswith("|") or HEADING.fullmatch(block) is not None


def filled_block(text: str) -> str:
    """Return a paragraph, or the items of a list, in lines of a page's width."""
    return "\n".join(paragraph(item) for item in ITEM.split(text) if item)


def paragraph(text: str) -> str:
    """Return text in lines of a page's width, those behind the first indented as an item's; ± stays with its number."""
    indent = " " * (len(text) - len(text.lstrip()))
    behind = f"{indent}  " if text.lstrip().startswith("- ") else indent
    joined = " ".join(text.split()).replace("± ", "±_")
    return fill(joined, WIDTH, initial_indent=indent, subsequent_indent=behind, break_on_hyphens=False).replace(
        "±_", "± "
    )


def written(page: str, template: str, functions: Mapping[str, Callable[[], Figures]], where: str) -> str:
    """Return a page's text with every part made again.

    Raises `InputError` where page and template differ in their parts, the template has text outside of them, or there
    is no function of a part's name.
    """
    of_page, of_template = parts(page, where), parts(template, f"The template of {where}")
    if list(of_page) != list(of_template):
        raise InputError(
            f"{where} has the parts {', '.join(of_page) or 'none'}; expected those of its template in their order, "
            f"{', '.join(of_template) or 'none'}."
        )
    if outside := PART.sub("", template).split():
        raise InputError(
            f"The template of {where} has {' '.join(outside[:8])!r} outside of its parts; expected it between "
            f"marks, or in {where} itself."
        )
    if unknown := [name for name in of_page if name not in functions]:
        raise InputError(f"{where} has the part {unknown[0]}; expected one of {', '.join(functions)}.")

    def replaced(match: re.Match[str]) -> str:
        name = match[2]
        text = rendered(of_template[name], functions[name](), f"{name} in the template of {where}")
        return f"{match[1]}\n{text}\n{match[4]}"

    return PART.sub(replaced, page)
