"""Tables of formats on standard output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from zoo.formats.exporting import Exported
from zoo.formats.registry import FORMATS, missing
from zoo.kinds.codes import Codes
from zoo.kinds.registry import KINDS, kind_class
from zoo.progress import CONSOLE, literal
from zoo.tasks.forms import portable
from zoo.tasks.registry import TASKS


def rows(exported: Sequence[Exported]) -> list[dict[str, Any]]:
    """Rows for JSON: name, folder, whether the format is new, and measurements in its manifest."""
    facts = ("bytes", "latency_ms", "gate", "score")
    return [
        {"format": each.name, "folder": str(each.folder), "new": each.new}
        | {name: each.manifest[name] for name in facts if name in each.manifest}
        for each in exported
    ]


def show_exported(exported: Sequence[Exported]) -> None:
    """Print one row a format: size, speed, and the result of the gate."""
    table = Table()
    table.add_column("format", no_wrap=True)
    for name in ("size", "ms of 1", "ms of 32", _measure(exported), "difference", "labels"):
        table.add_column(name, justify="right")
    for each in exported:
        table.add_row(each.name, *_cells(each.manifest))
    CONSOLE.print(table)
    gates = [each.manifest["gate"] for each in exported if "gate" in each.manifest]
    for origin, count in dict.fromkeys((gate["inputs"], gate["examples"]) for gate in gates):
        CONSOLE.print(f"held to the Keras model on {count} inputs: {literal(origin)}")
    scores = [each.manifest["score"] for each in exported if each.manifest.get("score")]
    if scores:
        CONSOLE.print(f"{scores[0]['measure']} of the Keras model {scores[0]['model']:.4f}")
    for each in exported:
        state = "the version itself" if each.name == "saved_model" else "new" if each.new else "was there"
        CONSOLE.print(f"{each.name} ({state}): {literal(each.folder)}")


def _measure(exported: Sequence[Exported]) -> str:
    return next((each.manifest["score"]["measure"] for each in exported if each.manifest.get("score")), "score")


def _cells(manifest: dict[str, Any]) -> list[str]:
    size = f"{manifest['bytes'] / 1e6:.2f} MB"
    if "gate" not in manifest:
        return [size, *["-"] * 5]
    gate, score, latency = manifest["gate"], manifest["score"], manifest["latency_ms"]
    agree = "-" if gate["labels_agree"] is None else f"{gate['labels_agree']:.1%}"
    times = [f"{latency[size]:.{1 if latency[size] >= 1 else 3}f}" if size in latency else "-" for size in ("1", "32")]
    return [
        size,
        *times,
        "-" if score is None else f"{score['format']:.4f}",
        f"{gate['largest_difference']:.1g}",
        agree,
    ]


def show_formats() -> None:
    """Print which models go into which format, and the inputs and outputs of the files."""
    table = Table("model of", *FORMATS)
    kinds = [*map(kind_class, KINDS), Codes]
    for kind in kinds:
        goes = ("-" if name == "litert-int8" and not kind.fits_int8 else "yes" for name in FORMATS)
        table.add_row(kind.title, *goes)
    CONSOLE.print(table)
    CONSOLE.print("saved_model takes files, rows and texts as they are; the others take")
    for kind in kinds:
        CONSOLE.print(f"  {kind.title}: {kind.takes}")
    CONSOLE.print("and answer with")
    for name, task in TASKS.items():
        CONSOLE.print(f"  {name}: {', '.join(portable(task()))}")
    CONSOLE.print("of an autoencoder there are encoder and decoder, too")
    CONSOLE.print("litert-int8 takes models that answer with classes or values, not autoencoders")
    for name, described in FORMATS.items():
        absent = missing(name)
        CONSOLE.print(
            f"{name}: " + (f"[yellow]needs[/] {literal(absent)}" if absent else f"ready, {described.package}")
        )
