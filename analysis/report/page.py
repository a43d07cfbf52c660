"""One run as one self-contained page: no network, sortable tables, pictures inside."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from analysis.metrics import METRICS, RATIOS
from analysis.records import lookup
from analysis.report.deployment import deployment
from analysis.report.summary import STAND_IN_NOTICE, Findings
from analysis.report.text_tables import number, terse
from data_prep.untrusted import finite_number

FOLDER = Path(__file__).parent
#: What of a machine's description a reader needs; the CPU's flags are hundreds.
CPU_FACTS = ("brand_raw", "arch", "count")
LEFT_OUT = ("node", "cpu", "python_build")
DRIFT = "validity.drift.change_rel"
#: How a benchmark was measured: column, and where it lies in `extra_info`.
PROCEDURE = {
    "rounds": "latency.rounds",
    "warm-up rounds": "latency.warmup_rounds",
    "median within 1%": "latency.converged",
    "energy meter": "energy.method",
    "windows": "energy.windows",
    "metered s": "energy.window_s",
    "energy ± (95%, of the mean)": "energy.rel_u95",
    "targets scored": "quality.targets",
    "parameters in": "numerics.parameter_dtypes",
    "logits in": "numerics.logits_dtype",
    "casts a forward": "numerics.casts",
    "off eager by": "numerics.difference_from_eager",
}


def page(findings: Findings, plots: Mapping[str, bytes]) -> str:
    """Return the page of a run; `plots` are SVG files by their titles.

    Everything that comes from the run is escaped, and the page's own policy lets no other script than its own run and
    nothing be loaded.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined
    )
    script = (FOLDER / "page.js").read_text(encoding="utf-8")
    first = findings.benchmarks[0]["extra_info"]
    return environment.get_template("page.html.j2").render(
        findings=findings,
        stand_in_notice=STAND_IN_NOTICE,
        results=terse(findings.frame),
        plots={title: base64.b64encode(image).decode() for title, image in plots.items()},
        costs=deployment(findings.frame, findings.tariff),
        procedures=each(findings, PROCEDURE),
        validity=validity(findings),
        figures=figures(findings.frame),
        provenance=facts(first.get("provenance")),
        integrity=facts(lookup(first, "integrity.checks"), ("check", "passed")),
        environment=facts(machine(findings.environment)),
        script=Markup(script),  # noqa: S704  # ours, and the only script that the policy allows
        script_sha256=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def each(findings: Findings, paths: Mapping[str, str]) -> pd.DataFrame:
    """Return a row for each benchmark and a column for each path of its `extra_info`."""
    rows = [
        {"benchmark": name, **{column: text(lookup(item["extra_info"], path)) for column, path in paths.items()}}
        for name, item in zip(findings.frame["name"], findings.benchmarks, strict=True)
    ]
    shown: pd.DataFrame = pd.DataFrame(rows)
    return shown


def validity(findings: Findings) -> pd.DataFrame:
    """Return each benchmark's validity, its reasons, and what could not be read."""
    shown = each(
        findings,
        {
            "validity": "validity.status",
            "SM clock MHz": "validity.sm_clock_mhz",
            "temperature C": "validity.temperature_c",
            "other processes": "validity.other_processes",
        },
    )
    shown["drift"] = [
        number(finite_number(lookup(item["extra_info"], DRIFT)), "{:+.1%}") for item in findings.benchmarks
    ]
    shown["why"] = [
        "; ".join(
            part for path in ("reasons", "unknown") for part in listed(lookup(item["extra_info"], f"validity.{path}"))
        )
        or "-"
        for item in findings.benchmarks
    ]
    return shown


def listed(found: object) -> list[Any]:
    """Return the entries of a list, or the values of a dict, none twice."""
    values: Iterable[Any] = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return list(dict.fromkeys(map(str, values)))


def figures(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each metric of the catalogue that any benchmark has, and a column for each benchmark."""
    rows = []
    for metric in (*METRICS, *RATIOS):
        values = [text(value) for value in frame[metric.column]]
        if any(value != "-" for value in values):
            named = {"metric": metric.column, "what it is": metric.description, "unit": metric.unit}
            rows.append(named | dict(zip(frame["name"], values, strict=True)))
    shown: pd.DataFrame = pd.DataFrame(rows)
    return shown


def facts(found: object, columns: tuple[str, str] = ("fact", "value")) -> pd.DataFrame:
    """Return a dict as a table of two columns."""
    entries = found.items() if isinstance(found, Mapping) else ()
    shown: pd.DataFrame = pd.DataFrame([(name, text(value)) for name, value in entries], columns=list(columns))
    return shown


def machine(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is worth knowing of a machine, one level deep."""
    cpu = environment.get("cpu")
    found = {f"cpu {name}": cpu.get(name) for name in CPU_FACTS} if isinstance(cpu, Mapping) else {}
    for name, value in environment.items():
        if name in LEFT_OUT:
            continue
        found |= {f"{name} {key}": part for key, part in value.items()} if isinstance(value, Mapping) else {name: value}
    return found


def text(value: Any) -> str:  # noqa: ANN401
    """Return any value of a run as text; a missing one is a dash."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {text(part)}" for key, part in value.items()) or "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(text, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return number(value, "{:,}" if isinstance(value, int) else "{:.7g}")
    return "-" if value is None or pd.isna(value) else str(value)
