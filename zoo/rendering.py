"""What people read in a terminal: tables on standard output."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from zoo.data import Data, Note
    from zoo.evaluation import Evaluation
    from zoo.predictor import EvaluationReport, Prediction

CONSOLE = Console(highlight=False, soft_wrap=True)
MOST_NOTES = 10


def show_data(data: Data, *, all_notes: bool = False) -> None:
    """What was read: classes by part, and what was left out."""
    table = Table("class", *data.parts, title=escape(str(data.source)), title_justify="left")
    for index, name in enumerate(data.classes):
        counts = [
            int((part.targets == index).sum() if part.targets.ndim == 1 else part.targets[:, index].sum())
            for part in data.parts.values()
        ]
        table.add_row(escape(name), *map(str, counts))
    table.add_section()
    table.add_row("images", *(str(len(part)) for part in data.parts.values()))
    CONSOLE.print(table)
    if data.task == "multi_label":
        CONSOLE.print("several labels an image: each class is answered for itself")
    missing = [name for name, row in zip(data.classes, _held_out_counts(data), strict=True) if not row]
    if missing:
        CONSOLE.print(f"[yellow]no held-out image[/] of {escape(', '.join(missing))}: their scores say nothing")
    show_notes(data.intake, limit=None if all_notes else MOST_NOTES)


def _held_out_counts(data: Data) -> list[int]:
    targets = data.held_out.targets
    return [int((targets == i).sum() if targets.ndim == 1 else targets[:, i].sum()) for i in range(len(data.classes))]


def show_notes(notes: Sequence[Note], limit: int | None = MOST_NOTES) -> None:
    """What was left out or is odd, file by file."""
    for note in notes[:limit]:
        CONSOLE.print(f"[yellow]{note.action}[/] {escape(note.name)}: {escape(note.reason)}")
    if limit is not None and len(notes) > limit:
        CONSOLE.print(f"and {len(notes) - limit} more: zoo check PATH lists them all")


def show_evaluation(evaluation: Evaluation, *, confusion: bool = False) -> None:
    """Scores with interval and baseline, and the rows of the classes."""
    columns = ("precision", "recall", "F1", "ROC-AUC", "images")
    table = Table(
        "class", *columns, title=escape(f"{evaluation.part}: {evaluation.examples} images"), title_justify="left"
    )
    for name, row in evaluation.classes.items():
        scores = (row["precision"], row["recall"], row["f1"], row["roc_auc"])
        table.add_row(escape(name), *map(_number, scores), str(row["support"]))
    CONSOLE.print(table)
    low, high = evaluation.interval
    CONSOLE.print(
        f"[bold]accuracy {evaluation.accuracy:.4f}[/] ({evaluation.correct} of {evaluation.examples} right; "
        f"95 % interval {low:.3f} to {high:.3f}); always the most frequent class: {evaluation.baseline:.4f}"
    )
    CONSOLE.print(
        f"log loss {evaluation.log_loss:.4f}, ROC-AUC {_number(evaluation.roc_auc)}, mean F1 {evaluation.f1_macro:.4f}"
    )
    if confusion and evaluation.confusion:
        _show_confusion(list(evaluation.classes), evaluation.confusion)


def _show_confusion(names: Sequence[str], counts: list[list[int]]) -> None:
    table = Table("true \\ predicted", *map(escape, names), title="confusion", title_justify="left")
    for row, (name, values) in enumerate(zip(names, counts, strict=True)):
        styles = ["green" if row == column else "red" if value else "dim" for column, value in enumerate(values)]
        table.add_row(escape(name), *(f"[{style}]{v}[/]" for style, v in zip(styles, values, strict=True)))
    CONSOLE.print(table)


def show_mistakes(report: EvaluationReport, most: int = 5) -> None:
    """The files that are most confidently wrong."""
    wrong = [row for row in report.rows if not row.right][:most]
    if wrong:
        table = Table("file", "label", "predicted", "probability", title="most confidently wrong", title_justify="left")
        for row in wrong:
            table.add_row(escape(row.name), escape(row.label), escape(row.predicted), f"{row.probability:.3f}")
        CONSOLE.print(table)


def show_predictions(results: Iterable[Prediction], top: int) -> None:
    """One row an image: its label, and the most probable classes with bars."""
    table = Table("image", "label", "most probable")
    for result in results:
        if result.error:
            table.add_row(escape(result.name), "[red]unreadable[/]", escape(result.error))
            continue
        best = list(result.probabilities.items())[:top]
        bars = "\n".join(f"{'█' * round(10 * p):<10} {p:.4f} {escape(name)}" for name, p in best)
        table.add_row(escape(result.name), escape(result.label), bars)
    CONSOLE.print(table)


def predictions_json(results: Iterable[Prediction], top: int) -> str:
    """A JSON list, one object an image."""
    rows = []
    for result in results:
        if result.error:
            rows.append({"name": result.name, "error": result.error})
        else:
            best = dict(list(result.probabilities.items())[:top])
            rows.append(
                {"name": result.name, "label": result.label, "probability": result.probability, "probabilities": best}
            )
    return json.dumps(rows, ensure_ascii=False)


def write_predictions(results: Iterable[Prediction], path: str) -> None:
    """CSV: name, label, probability, error."""
    from zoo.files import whole_file

    with whole_file(path) as partial, partial.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "label", "probability", "error"])
        for result in results:
            writer.writerow([result.name, result.label, result.probability, result.error])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
