"""Tables on standard output."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from zoo.data.notes import alike
from zoo.data.unseen import counted
from zoo.evaluation.tables import Line, Shown
from zoo.evaluation.tables import Table as Block
from zoo.kinds.registry import kind_of
from zoo.progress import CONSOLE, literal
from zoo.tasks.forms import FORMS, files

if TYPE_CHECKING:
    from zoo.artifacts.predictor import EvaluationReport, Prediction
    from zoo.data import Data, Note
    from zoo.evaluation.findings import Finding
    from zoo.tasks.task import Task
    from zoo.tasks.terms import Scored

MOST_NOTES = 10
MOST_COLUMNS = 50
DECISIONS = {"name": "label", "names": "label", "flag": "verdict", "mask": "mask"}  # form of a value -> its noun
HEADINGS = {
    ("label", "probabilities"): ("answer", "most probable"),
    ("prediction",): ("answer",),
    ("mask_bytes", "shares"): ("mask", "expected share of the photo"),
}


def show_data(data: Data, *, all_notes: bool = False) -> None:
    """Print the classes by part, and the notes on left-out examples."""
    table = Table("class", *data.parts, title=literal(data.source), title_justify="left")
    counts = [data.task.counts(part.targets) for part in data.parts.values()]
    if counts[0]:
        for name in data.classes:
            table.add_row(literal(name), *(str(each[name]) for each in counts))
        table.add_section()
    else:
        table.columns[0].header = data.task.name
    table.add_row(data.kind.plural, *(str(len(part)) for part in data.parts.values()))
    CONSOLE.print(table)
    _show(data.task.shown({name: part.targets for name, part in data.parts.items()}))
    missing = [name for name, count in data.task.counts(data.held_out.targets).items() if not count]
    if missing:
        CONSOLE.print(f"[yellow]no held-out example[/] of {literal(', '.join(missing))}: their scores say nothing")
    show_notes(data.intake, limit=None if all_notes else MOST_NOTES)
    if all_notes and len(alike(data.intake)) < len(data.intake):
        CONSOLE.print("each by its name: zoo check PATH --json")


def show_columns(columns: Sequence[Mapping[str, Any]]) -> None:
    """Print a row for each column of a table, of the first 50."""
    if not columns:
        return
    table = Table("column", "read as", "missing", "filled with, or left out because")
    for row in columns[:MOST_COLUMNS]:
        missing = f"{row['missing']:.1%}" if row.get("missing") else ""
        why = row.get("reason") or (row["filled"] if missing else "")
        table.add_row(literal(row["column"]) or "(no name)", literal(row["read_as"]), missing, literal(why))
    CONSOLE.print(table)
    if len(columns) > MOST_COLUMNS:
        CONSOLE.print(f"and {len(columns) - MOST_COLUMNS} more columns: zoo check PATH --json has them all")


def show_notes(notes: Sequence[Note], limit: int | None = MOST_NOTES) -> None:
    """Print notes on files that were left out or are odd, those of one reason and suffix in one line."""
    groups = alike(notes)
    for group in groups[:limit]:
        CONSOLE.print(f"[yellow]{group.first.action}[/] {literal(group.name)}: {literal(group.first.reason)}")
    if limit is not None and len(groups) > limit:
        CONSOLE.print(f"and {len(groups) - limit} more: zoo check PATH shows all of them")


def show_evaluation(evaluation: Scored, *, confusion: bool = False) -> None:
    """Print scores with interval and baselines, and the rows of the classes or values."""
    _show(evaluation.shown(confusion))


def _show(blocks: Shown) -> None:
    for block in blocks:
        if isinstance(block, Line):
            important = f"[bold]{literal(block.important)}[/]" if block.important else ""
            CONSOLE.print(important + literal(block.text))
        else:
            _show_block(block)


def _show_block(block: Block) -> None:
    table = Table(*map(literal, block.header), title=literal(block.title), title_justify="left")
    for at, (name, *cells) in enumerate(block.rows):
        if block.diagonal:
            wrong = ["red" if value != "0" else "dim" for value in cells]
            styles = ["green" if at == column else style for column, style in enumerate(wrong)]
            cells = [f"[{style}]{cell}[/]" for style, cell in zip(styles, cells, strict=True)]
            table.add_row(literal(name), *cells)
        else:
            table.add_row(literal(name), *map(literal, cells))
    if block.rows and block.last:
        table.add_section()
    for at, (name, *cells) in enumerate(block.last):
        table.add_row(f"[bold]{literal(name)}[/]" if not at else literal(name), *map(literal, cells))
    CONSOLE.print(table)


def show_findings(findings: Iterable[Finding]) -> None:
    """Print findings, a line each."""
    for finding in findings:
        CONSOLE.print(f"[yellow]{literal(finding.symptom)}[/]: {literal(f'{finding.evidence}; {finding.remedy}')}")


def question(verbs: Sequence[str], artifact: object, card: Mapping[str, Any]) -> str:
    """Commands to try a new artifact with."""
    if "predict" in verbs:
        return f"zoo predict {artifact} {kind_of(card['input']).placeholder}"
    commands = {
        "anomalies": f"zoo anomalies {artifact} {kind_of(card['input']).placeholder}",
        "generate": f"zoo generate {artifact} --out samples.png",
    }
    return "\n          ".join(commands[verb] for verb in verbs if verb in commands)


def show_parity(parity: Mapping[str, Any], task: Task) -> None:
    """Print that the export was proven equal to the model."""
    decisions = [DECISIONS[value.form] for value in task.values().values() if value.form in DECISIONS]
    CONSOLE.print(
        f"the export answers as the model does: {parity['files']} inputs, outputs within "
        f"{parity['largest_difference']:.1g}" + (f", no {decisions[0]} differs" if decisions else "")
    )
    for name, reason in parity.get("refused", ()):
        CONSOLE.print(f"[yellow]not read by the export[/] {literal(name)}: {literal(reason)}")


def show_tensors(card: Mapping[str, Any]) -> None:
    """Print columns whose tensors have other names in the exported model."""
    tensors = card.get("tensors", {})
    renamed = [f"{literal(column)} is the input {name}" for column, name in list(tensors.items())[:3]]
    if renamed:
        left = len(tensors) - len(renamed)
        CONSOLE.print(f"served, column {', '.join(renamed)}" + (f" and {left} more, all in card.json" if left else ""))


def show_mistakes(report: EvaluationReport, most: int = 5) -> None:
    """Print the examples that are most confidently wrong."""
    wrong = [row for row in report.rows if row.right is False][:most]
    if wrong:
        table = Table(
            "example", "label", "predicted", "probability", title="most confidently wrong", title_justify="left"
        )
        for row in wrong:
            table.add_row(literal(row.name), literal(row.label), literal(row.predicted), f"{row.probability:.3f}")
        CONSOLE.print(table)


BEHIND = ("probability", "familiarity")  # values of which another one says what matters: the shares, and is_known


def show_predictions(results: Sequence[Prediction], task: Task, top: int) -> None:
    """Print one row an input: the values of its answer, shares and numbers with at most `top` parts."""
    values = {name: FORMS[value.form] for name, value in task.values().items()}
    shown = {name: form for name, form in values.items() if name not in BEHIND}
    table = Table("input", *HEADINGS.get(tuple(shown), tuple(shown)))
    for result in results:
        if result.error:
            cells = ["[red]unreadable[/]", literal(result.error)][: max(1, len(shown))]
            table.add_row(literal(result.name), *cells)
            continue
        cells = [form.cell(task.names, result.answer[name], top) for name, form in shown.items()]
        table.add_row(literal(result.name), *(literal(cell, keep="\n") for cell in cells))
    CONSOLE.print(table)


def show_unseen(results: Sequence[Prediction], plural: str) -> None:
    """Print a line for each column that has values which training never had."""
    answered = [result.unseen for result in results if not result.error]
    for note in counted(answered, len(answered), plural):
        CONSOLE.print(f"[yellow]{literal(note.name)}[/]: {literal(note.reason)}")


def prediction_rows(results: Iterable[Prediction], top: int) -> list[dict[str, Any]]:
    """Objects for JSON, one an input."""
    rows = []
    for result in results:
        row: dict[str, Any] = {"name": result.name, **result.answer} | ({"error": result.error} if result.error else {})
        if result.probabilities is not None:
            row["probabilities"] = dict(list(result.probabilities.items())[:top])
        if result.values is not None:
            row["values"] = row.pop("prediction")
        if result.notes:
            row["notes"] = result.notes
        rows.append(row)
    return rows


def write_predictions(results: Iterable[Prediction], task: Task, path: str) -> None:
    """Write CSV: name, the single values of the answer, as label and probability or numbers by name, error."""
    from zoo.files import atomic_file

    results = list(results)
    left_out = {"probabilities", *files(task)}
    columns = list(dict.fromkeys(name for result in results for name in _columns(result, left_out)))
    with (
        atomic_file(path) as partial,
        partial.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["name", *(columns or ["label", "probability"]), "error"])
        for result in results:
            cells = _columns(result, left_out)
            writer.writerow([result.name, *(cells.get(name) for name in columns or ("", "")), result.error])


def _columns(result: Prediction, left_out: Collection[str]) -> dict[str, Any]:
    """The answer as cells of a file: numbers by their names, other values by their own, but for those `left_out`."""
    cells: dict[str, Any] = {}
    for name, value in result.answer.items():
        if name in left_out or isinstance(value, list):
            continue
        cells |= value if isinstance(value, dict) else {name: value}
    return cells
