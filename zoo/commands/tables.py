"""What people read in a terminal: tables on standard output."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from zoo.commands import generative_tables as generative
from zoo.evaluation.judging import GenerationEvaluation
from zoo.evaluation.scores import RegressionEvaluation
from zoo.progress import CONSOLE, literal
from zoo.tasks.reconstruction import ReconstructionEvaluation

if TYPE_CHECKING:
    from zoo.artifacts.predictor import EvaluationReport, Prediction
    from zoo.data import Data, Note, Part
    from zoo.evaluation.findings import Finding
    from zoo.training.loop import History
    from zoo.training.run import AnyScores

MOST_NOTES = 10
ASK = {"images": "PHOTO", "table": "ROWS.csv", "text": "FILE.txt", "sequence": "SERIES"}  # what to predict for


def show_data(data: Data, *, all_notes: bool = False) -> None:
    """What was read: classes by part, and what was left out."""
    what = {"images": "images", "table": "rows", "text": "texts"}.get(data.input.get("kind", "images"), "examples")
    table = Table("class", *data.parts, title=literal(data.source), title_justify="left")
    if data.task in ("classification", "multi_label"):
        for index, name in enumerate(data.classes):
            table.add_row(literal(name), *(str(_count(part, index)) for part in data.parts.values()))
        table.add_section()
    else:
        table.columns[0].header = data.task
    table.add_row(what, *(str(len(part)) for part in data.parts.values()))
    CONSOLE.print(table)
    if data.task == "multi_label":
        CONSOLE.print("several labels an image: each class is answered for itself")
    if data.task in ("classification", "multi_label"):
        missing = [name for index, name in enumerate(data.classes) if not _count(data.held_out, index)]
        if missing:
            CONSOLE.print(f"[yellow]no held-out example[/] of {literal(', '.join(missing))}: their scores say nothing")
    show_notes(data.intake, limit=None if all_notes else MOST_NOTES)


def _count(part: Part, index: int) -> int:
    """Examples of a class."""
    return int((part.targets == index).sum() if part.targets.ndim == 1 else part.targets[:, index].sum())


def show_notes(notes: Sequence[Note], limit: int | None = MOST_NOTES) -> None:
    """What was left out or is odd, file by file."""
    for note in notes[:limit]:
        CONSOLE.print(f"[yellow]{note.action}[/] {literal(note.name)}: {literal(note.reason)}")
    if limit is not None and len(notes) > limit:
        CONSOLE.print(f"and {len(notes) - limit} more: zoo check PATH lists them all")


def show_evaluation(evaluation: AnyScores, *, confusion: bool = False) -> None:
    """Scores with interval and baselines, and the rows of the classes or values."""
    if isinstance(evaluation, ReconstructionEvaluation):
        generative.show_reconstruction(evaluation)
        return
    if isinstance(evaluation, GenerationEvaluation):
        generative.show_generation(evaluation)
        return
    title = literal(f"{evaluation.part}: {evaluation.examples} examples")
    if isinstance(evaluation, RegressionEvaluation):
        _show_errors(evaluation, title)
        return
    table = Table("class", "precision", "recall", "F1", "ROC-AUC", "examples", title=title, title_justify="left")
    for name, row in evaluation.classes.items():
        scores = (row["precision"], row["recall"], row["f1"], row["roc_auc"])
        table.add_row(literal(name), *map(_number, scores), str(row["support"]))
    CONSOLE.print(table)
    low, high = evaluation.interval
    simple = {"always the most frequent class": evaluation.baseline} | evaluation.baselines
    CONSOLE.print(
        f"[bold]accuracy {evaluation.accuracy:.4f}[/] ({evaluation.correct} of {evaluation.examples} right; "
        f"95 % interval {low:.3f} to {high:.3f}); "
        + "; ".join(f"{literal(name)}: {value:.4f}" for name, value in simple.items())
    )
    CONSOLE.print(
        f"log loss {evaluation.log_loss:.4f}, ROC-AUC {_number(evaluation.roc_auc)}, mean F1 {evaluation.f1_macro:.4f}"
    )
    if confusion and evaluation.confusion:
        _show_confusion(list(evaluation.classes), evaluation.confusion)


def _show_errors(evaluation: RegressionEvaluation, title: str) -> None:
    table = Table("", "RMSE", "MAE", "R²", title=title, title_justify="left")
    names = list(evaluation.values)
    shown = names if len(names) <= MOST_NOTES else [*names[:3], *names[-3:]]
    for name in shown:
        _add_errors(table, literal(name), evaluation.values[name])
    table.add_section()
    _add_errors(table, "[bold]all[/]" if len(names) > 1 else "[bold]this model[/]", evaluation.to_dict())
    for name, row in evaluation.baselines.items():
        _add_errors(table, literal(name), row)
    CONSOLE.print(table)


def _add_errors(table: Table, name: str, row: Mapping[str, float | None]) -> None:
    table.add_row(name, f"{row['rmse']:.4g}", f"{row['mae']:.4g}", _number(row["r2"]))


def show_findings(findings: Iterable[Finding]) -> None:
    """What is wrong, one line each."""
    for finding in findings:
        CONSOLE.print(f"[yellow]{literal(finding.symptom)}[/]: {literal(f'{finding.evidence}; {finding.remedy}')}")


def show_history(history: History) -> None:
    """How training went, in one line."""
    if "generator_loss" in history.epochs[-1]:
        generative.show_duel(history)
        return
    best, count = history.best_epoch, len(history.epochs)
    loss = history.epochs[max(best, 1) - 1]
    chosen = f", {loss['val_loss']:.4g} on the inner validation part" if "val_loss" in loss else ""
    CONSOLE.print(f"epoch {best} of {count}: training loss {loss['loss']:.4g}{chosen}")


def question(verbs: Sequence[str], artifact: object, card: Mapping[str, Any]) -> str:
    """Commands to ask a new artifact with, those that come to mind first."""
    if "predict" in verbs:
        return f"zoo predict {artifact} {ASK[card['input']['kind']]}"
    asked = {
        "anomalies": f"zoo anomalies {artifact} {ASK[card['input']['kind']]}",
        "generate": f"zoo generate {artifact} --out samples.png",
    }
    return "\n          ".join(asked[verb] for verb in verbs if verb in asked)


def show_parity(parity: Mapping[str, Any], answer: str | None = "label") -> None:
    """That the export was proven equal to the model; `answer` is what it gives beside numbers, None for nothing."""
    CONSOLE.print(
        f"the export answers as the model does: {parity['files']} inputs, outputs within "
        f"{parity['largest_difference']:.1g}" + (f", no {answer} differs" if answer else "")
    )
    for name, reason in parity.get("refused", ()):
        CONSOLE.print(f"[yellow]not read by the export[/] {literal(name)}: {literal(reason)}")


def show_tensors(card: Mapping[str, Any]) -> None:
    """Columns whose tensors the exported model has under other names."""
    tensors = card.get("tensors", {})
    told = [f"{literal(column)} is asked as {name}" for column, name in list(tensors.items())[:3]]
    if told:
        left = len(tensors) - len(told)
        CONSOLE.print(f"served, column {', '.join(told)}" + (f" and {left} more, all in card.json" if left else ""))


def _show_confusion(names: Sequence[str], counts: list[list[int]]) -> None:
    table = Table("true \\ predicted", *map(literal, names), title="confusion", title_justify="left")
    for row, (name, values) in enumerate(zip(names, counts, strict=True)):
        styles = ["green" if row == column else "red" if value else "dim" for column, value in enumerate(values)]
        table.add_row(literal(name), *(f"[{style}]{v}[/]" for style, v in zip(styles, values, strict=True)))
    CONSOLE.print(table)


def show_mistakes(report: EvaluationReport, most: int = 5) -> None:
    """The examples that are most confidently wrong."""
    if isinstance(report.evaluation, RegressionEvaluation):
        return
    wrong = [row for row in report.rows if not row.right][:most]
    if wrong:
        table = Table(
            "example", "label", "predicted", "probability", title="most confidently wrong", title_justify="left"
        )
        for row in wrong:
            table.add_row(literal(row.name), literal(row.label), literal(row.predicted), f"{row.probability:.3f}")
        CONSOLE.print(table)


def show_predictions(results: Iterable[Prediction], top: int) -> None:
    """One row an image: its label, and the most probable classes with bars."""
    table = Table("input", "answer", "most probable")
    for result in results:
        if result.error:
            table.add_row(literal(result.name), "[red]unreadable[/]", literal(result.error))
            continue
        if result.values is not None:
            table.add_row(literal(result.name), "\n".join(f"{literal(n)}: {v:.5g}" for n, v in result.values.items()))
            continue
        best = list(result.probabilities.items())[:top]
        bars = "\n".join(f"{'█' * round(10 * p):<10} {p:.4f} {literal(name)}" for name, p in best)
        table.add_row(literal(result.name), literal(result.label), bars)
    CONSOLE.print(table)


def prediction_rows(results: Iterable[Prediction], top: int) -> list[dict[str, Any]]:
    """For machines: one object an input."""
    rows = []
    for result in results:
        if result.error:
            rows.append({"name": result.name, "error": result.error})
        elif result.values is not None:
            rows.append({"name": result.name, "values": result.values})
        else:
            best = dict(list(result.probabilities.items())[:top])
            rows.append(
                {"name": result.name, "label": result.label, "probability": result.probability, "probabilities": best}
            )
    return rows


def write_predictions(results: Iterable[Prediction], path: str) -> None:
    """CSV: name, label, probability, error; or name, the values, error."""
    from zoo.files import whole_file

    results = list(results)
    values = list(next((result.values for result in results if result.values is not None), {}))
    with whole_file(path) as partial, partial.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(["name", *(values or ["label", "probability"]), "error"])
        for result in results:
            answer = [(result.values or {}).get(name) for name in values] or [result.label, result.probability]
            writer.writerow([result.name, *answer, result.error])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
