"""Tables of autoencoders and generators: scores in a terminal, anomalies and reconstructions as files."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import log10
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from rich.table import Table

from zoo.progress import CONSOLE, literal

if TYPE_CHECKING:
    from zoo.artifacts.reconstructor import Anomaly

MOST = 20  # rows of a table in a terminal


class Reconstructed(NamedTuple):
    """The reconstruction of one image: mean squared error in unit range, or why it could not be read."""

    name: str
    mse: float | None
    error: str | None

    @property
    def psnr(self) -> float | None:
        """Peak signal-to-noise ratio, in dB."""
        return None if self.mse is None else -10 * log10(max(self.mse, 1e-12))


def show_anomalies(
    anomalies: Sequence[Anomaly], threshold: float, false_alarms: float, between: Sequence[float] | None = None
) -> None:
    """Print the inputs, the most anomalous first and unreadable ones last, and the number of anomalies."""
    table = Table("input", "score", "")
    ordered = ranked(anomalies)
    for each in ordered[:MOST]:
        if each.error:
            table.add_row(literal(each.name), "[red]unreadable[/]", literal(each.error))
        else:
            table.add_row(literal(each.name), f"{each.score:.5g}", "[red]anomaly[/]" if each.is_anomaly else "")
    CONSOLE.print(table)
    if len(ordered) > MOST:
        CONSOLE.print(f"and {len(ordered) - MOST} more: --csv or --json has them all")
    scored = sum(not each.error for each in anomalies)
    unread = f"; {len(anomalies) - scored} could not be read" if scored < len(anomalies) else ""
    likely = f" ({100 * between[0]:.2g} to {100 * between[1]:.2g} %)" if between else ""
    CONSOLE.print(
        f"[bold]{sum(bool(each.is_anomaly) for each in anomalies)} of {scored} are anomalies[/]: their score is over "
        f"{threshold:.5g}, as that of {100 * false_alarms:.3g} % of normal examples may be{likely}{unread}"
    )


def ranked(anomalies: Iterable[Anomaly]) -> list[Anomaly]:
    """The anomalies, the most anomalous first and unreadable ones last."""
    return sorted(anomalies, key=lambda each: (each.error is not None, -(each.score or 0.0)))


def anomalies_found(anomalies: Sequence[Anomaly], threshold: float, false_alarms: float) -> dict[str, Any]:
    """An object for JSON: threshold, false-alarm rate, and the inputs, the most anomalous first."""
    rows = [
        {"name": each.name, "error": each.error}
        if each.error
        else {"name": each.name, "score": each.score, "is_anomaly": each.is_anomaly}
        for each in ranked(anomalies)
    ]
    return {"threshold": threshold, "false_alarms": false_alarms, "inputs": rows}


def write_anomalies(anomalies: Sequence[Anomaly], threshold: float, path: str) -> None:
    """Write CSV, the most anomalous first: name, score, threshold, is_anomaly (0 or 1), error."""
    with _writer(path) as writer:
        writer.writerow(["name", "score", "threshold", "is_anomaly", "error"])
        for each in ranked(anomalies):
            verdict = None if each.is_anomaly is None else int(each.is_anomaly)
            writer.writerow([each.name, each.score, threshold, verdict, each.error])


def show_reconstructed(rows: Sequence[Reconstructed]) -> None:
    """Print one row an image."""
    table = Table("input", "MSE", "PSNR")
    for row in rows[:MOST]:
        if row.error:
            table.add_row(literal(row.name), "[red]unreadable[/]", literal(row.error))
        else:
            table.add_row(literal(row.name), f"{row.mse:.5g}", f"{row.psnr:.2f} dB")
    CONSOLE.print(table)
    if len(rows) > MOST:
        CONSOLE.print(f"and {len(rows) - MOST} more: --csv writes them all")


def write_reconstructed(rows: Sequence[Reconstructed], path: str) -> None:
    """Write CSV: name, mse, psnr, error."""
    with _writer(path) as writer:
        writer.writerow(["name", "mse", "psnr", "error"])
        writer.writerows([row.name, row.mse, row.psnr, row.error] for row in rows)


def write_sequences(
    names: Sequence[str], features: Sequence[str], inputs: np.ndarray, reconstructions: np.ndarray, path: str
) -> None:
    """Write CSV, a row a value: name, step (from 1 on), feature, input, reconstruction.

    Args:
        names: of the sequences.
        features: of the last axis.
        inputs: float32 (sequences, length, features), NaN after the end of a shorter one.
        reconstructions: their reconstructions.
        path: of the file.
    """
    with _writer(path) as writer:
        writer.writerow(["name", "step", "feature", "input", "reconstruction"])
        for name, values, answers in zip(names, inputs, reconstructions, strict=True):
            for step, (value, answer) in enumerate(zip(values.tolist(), answers.tolist(), strict=True), 1):
                for feature, before, after in zip(features, value, answer, strict=True):
                    if before == before:  # NaN: the sequence has ended
                        writer.writerow([name, step, feature, before, after])


@contextmanager
def _writer(path: str) -> Iterator[Any]:
    from zoo.files import atomic_file

    with (
        atomic_file(path) as partial,
        partial.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        yield csv.writer(file)
