"""The report of a search: every trial as CSV, and a page to open in a browser."""

from __future__ import annotations

import csv
import html
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning.report.importance import (
    ABSENT,
    DECADES,
    FEWEST,
    Column,
    Explanation,
    columns,
    explain,
    is_number,
    level_of,
    scored,
)
from tuning.report.markup import PAGE
from tuning.report.script import SCRIPT
from tuning.report.wording import (
    comparison,
    ending,
    failures,
    name_of,
    number,
    settings_text,
    summary,
    validation_scores,
    value_text,
)
from zoo.files import atomic_file
from zoo.terminal import safe

if TYPE_CHECKING:
    from tuning.results import SearchResult, TrialResult

CURVES = 10  # learning curves in the page, those of the best trials
FIRST = ("number", "status", "score", "spread", "seconds", "epochs")
LAST = ("note",)
SHAKY = (30, 0.3)  # trials and R² below which the page warns that its bars are uncertain


def write(result: SearchResult, folder: Path) -> None:
    """Write ``trials.csv``, a row a trial, and ``report.html``, a page that needs no other file.

    Args:
        result: of a search.
        folder: made if absent; files of these names in it are replaced atomically.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # A note may hold characters that no encoding has, as half a surrogate pair from a file name.
    with (
        atomic_file(folder / "trials.csv") as partial,
        partial.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        csv.writer(file).writerows(_rows(result))
    content = page(result).encode("utf-8", errors="backslashreplace")
    with atomic_file(folder / "report.html") as partial:
        partial.write_bytes(content)


def page(result: SearchResult) -> str:
    """The HTML of a search: one page that makes no requests."""
    hyperparameters = columns(result.trials)
    explanation = explain(result)
    title = f"Search: {result.model} on {Path(result.data).name or result.data}"
    parts = {
        "title": title,
        "about": f"Objective: {result.objective}, {'higher' if result.direction == 'max' else 'lower'} is better.",
        "summary": f"{summary(result)} {ending(result)}",
        "validation": validation_scores(result),
        "held_out": comparison(result),
        "beside": " ".join(result.beside),
        "failed": failures(result),
        "winner": f"{name_of(result.best)}: {settings_text(result.best.values) or 'no hyperparameters'}",
        "parallel_hint": _parallel_hint(result, hyperparameters),
        "progress_hint": "A point is a trial, the line the best so far, a cross a failed one."
        if scored(result.trials)
        else "No trial has a score.",
        "importance_hint": _importance_hint(result, explanation),
        "curves_hint": f"Of the best {CURVES} trials; the best one has the colour of the best score. "
        "Point at a line to see its trial."
        if any(trial.curve for trial in scored(result.trials))
        else "No trial with a score was trained in epochs.",
    }
    parts = {name: escape(text) for name, text in parts.items()}
    better = result.best.number != result.default.number and result.held_out.better(result.direction)
    parts |= {
        "verdict_class": " better" if better else "",
        "settings": _settings_table(result.settings),
        "table": _trials_table(result, hyperparameters),
        "data": _embedded(_drawn(result, hyperparameters, explanation)),
        "script": SCRIPT,
    }
    # One pass, because the filled-in text may hold double braces itself.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], PAGE)


def _rows(result: SearchResult) -> list[list[Any]]:
    names = [column.name for column in columns(result.trials)]
    # A hyperparameter may have the name of a column, as epochs.
    heads = [f"hyperparameter.{name}" if name in (*FIRST, *LAST) else name for name in names]
    rows: list[list[Any]] = [[*FIRST, *heads, *LAST]]
    for trial in result.trials:
        values = [level_of(trial.values[name]) if name in trial.values else "" for name in names]
        rows.append([*(getattr(trial, name) for name in FIRST), *values, *(getattr(trial, name) for name in LAST)])
    return rows


def _parallel_hint(result: SearchResult, hyperparameters: list[Column]) -> str:
    if not any(column.varies for column in hyperparameters):
        return "No hyperparameter varies: there is nothing to draw."
    if not scored(result.trials):
        return "No trial has a score."
    return (
        "A line is a trial, coloured from the worst (faint against the page) to the best (strong); dashed ones failed. "
        "Point at one to see it. Drag along an axis to keep the lines that pass there; a double click clears it."
    )


def _importance_hint(result: SearchResult, explanation: Explanation) -> str:
    explained, trials = explanation.explained, len(scored(result.trials))
    if explained is None:
        if not any(column.varies for column in columns(scored(result.trials))):
            return "No hyperparameter varies among the trials with a score."
        return f"Fewer than {FEWEST} trials with different scores: too few to tell."
    if explained <= 0:
        return (
            f"A random forest on the {trials} trials explains nothing of what makes their scores differ (out-of-bag R² "
            f"{explained:.2f}): no hyperparameter stands out."
        )
    warning = " That is little to go by; don't trust the bars." if trials < SHAKY[0] or explained < SHAKY[1] else ""
    return (
        f"A random forest on {trials} trials explains {explained:.0%} of the spread of their scores (out-of-bag R²)."
        f"{warning} A bar is a hyperparameter's share of what the forest loses when its values are shuffled between "
        "trials; the line at its end is the standard deviation over shuffles."
    )


def _settings_table(settings: Mapping[str, Any]) -> str:
    rows = [
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(text)}</td></tr>' for name, text in _flat(settings, ())
    ]
    return f"<table><tbody>\n{''.join(rows)}\n</tbody></table>" if rows else ""


def _flat(settings: Mapping[str, Any], above: tuple[str, ...]) -> list[tuple[str, str]]:
    rows = []
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            rows += _flat(value, (*above, str(name)))
        else:
            # Not rounded: these are the numbers to train with again.
            rows.append((": ".join((*above, str(name))), level_of(value)))
    return rows


def _trials_table(result: SearchResult, hyperparameters: list[Column]) -> str:
    heads = [*FIRST, *(column.name for column in hyperparameters), *LAST]
    top = "".join(f'<th scope="col"><button type="button">{escape(name)}</button></th>' for name in heads)
    rows = []
    for trial in result.trials:
        cells = [
            _cell(trial.number, str(trial.number)),
            _cell(None, trial.status),
            *(_cell(value, number(value)) for value in (trial.score, trial.spread)),
            _cell(trial.seconds, f"{trial.seconds:.1f}"),
            _cell(trial.epochs, str(trial.epochs)),
        ]
        for column in hyperparameters:
            value = trial.values.get(column.name, "")
            cells.append(_cell(value if is_number(value) else None, value_text(value)))
        cells.append(f'<td class="note">{escape(trial.note)}</td>')
        kind = "failed" if trial.status == "failed" else "best" if trial.number == result.best.number else "trial"
        rows.append(f'<tr class="{kind}">{"".join(cells)}</tr>')
    body = "\n".join(rows)
    return f'<table id="trials"><thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody></table>'


def _cell(value: float | None, text: str) -> str:
    if is_number(value):
        return f'<td class="number" data-sort="{value}">{escape(text)}</td>'
    return '<td data-sort="">-</td>' if text == "-" else f"<td>{escape(text)}</td>"


def _drawn(result: SearchResult, hyperparameters: list[Column], explanation: Explanation) -> dict[str, Any]:
    """The data that the script draws, as JSON holds it."""
    ranked = [trial for trial in result.completed if scored([trial])]
    first: dict[float, int] = {}  # equal scores, equal colours
    for at, trial in enumerate(ranked):
        first.setdefault(trial.score, at)
    last = max(len(ranked) - 1, 1)
    curves = []
    name = "val_loss" if any("val_loss" in row for trial in ranked[:CURVES] for row in trial.curve) else "loss"
    for trial in ranked[:CURVES]:
        losses = [row.get(name, row.get("loss")) for row in trial.curve]
        if losses:
            curves.append({"number": trial.number, "values": [_finite(loss) for loss in losses]})
    return {
        "objective": result.objective,
        "direction": result.direction,
        "decades": DECADES,
        "absent": ABSENT,
        "reference": _finite(result.default.score),
        "columns": [
            column._asdict() | {"varies": column.varies, "levels": column.levels if column.kind == "category" else []}
            for column in hyperparameters
        ],
        "trials": [
            {
                "number": trial.number,
                "name": name_of(trial),
                "score": _finite(trial.score),
                "spread": _finite(trial.spread),
                "share": 1 - first[trial.score] / last if scored([trial]) else None,
                "values": [_drawn_value(trial, column) for column in hyperparameters],
                "note": trial.note if trial.status == "failed" else "",
            }
            for trial in result.trials
        ],
        "importances": [row._asdict() for row in explanation.importances],
        "curves": curves,
        "loss": name,
    }


def _drawn_value(trial: TrialResult, column: Column) -> float | str | None:
    if column.name not in trial.values:
        return None
    value = trial.values[column.name]
    return float(value) if column.kind == "number" else level_of(value)


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _embedded(data: dict[str, Any]) -> str:
    """JSON for a script element, without the ``</script`` and ``<!--`` that would end or change it."""
    return json.dumps(data, allow_nan=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def escape(text: str) -> str:
    """Text escaped for the page; names of files and columns are escaped as in a terminal."""
    return html.escape(safe(text, keep="\n"))
