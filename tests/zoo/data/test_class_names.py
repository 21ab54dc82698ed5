"""Classes whose names look like one: told at reading, whatever is read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.data.dataset import near_equal

PAIRS = [
    (("cat", "Cat"), "case"),
    (("caf\u00e9", "cafe\u0301"), "Unicode normal form"),
    (("cat", " cat"), "spaces"),
    (("big cat", "big  cat"), "spaces"),
    (("cat", "Cat "), "spaces and case"),
    (("stra\u00dfe", "STRASSE"), "case"),
    (("\u00c9t\u00e9", "e\u0301te\u0301"), "case and Unicode normal form"),
]


@pytest.mark.parametrize(("names", "difference"), PAIRS)
def test_near_equal_names_are_noted_with_what_they_differ_in(names: tuple[str, ...], difference: str) -> None:
    (note,) = near_equal([*names, "dog"])
    show = ascii if "Unicode" in difference else repr
    assert note.name == " and ".join(map(show, names)) and note.action == "kept"
    assert f"alike but for {difference};" in note.reason and "dog" not in str(note)


def test_names_that_differ_otherwise_are_not_noted() -> None:
    assert near_equal(["cat", "cats", "c at", "kat", "1", "1.0", "01", "resume", "r\u00e9sum\u00e9"]) == []


def folder(root: Path, names: tuple[str, ...]) -> Path:
    for index, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for at in range(4):
            pixels = np.random.default_rng([index, at]).integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{at}.png")
    return root


def manifest(root: Path, names: tuple[str, ...]) -> Path:
    folder(root, ("0", "1"))
    rows = [{"path": f"{index}/{at}.png", "label": name} for index, name in enumerate(names) for at in range(4)]
    (root / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return root / "rows.jsonl"


def texts(root: Path, names: tuple[str, ...]) -> Path:
    for index, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for at in range(4):
            (root / name / f"{at}.txt").write_text(f"text {at} of {index}")
    return root


def table(root: Path, names: tuple[str, ...]) -> Path:
    root.mkdir()
    rows = [f"{index * 6 + at},{at},{name}" for index, name in enumerate(names) for at in range(6)]
    (root / "rows.csv").write_text("\n".join(["a,b,target", *rows, ""]), encoding="utf-8")
    return root / "rows.csv"


@pytest.mark.parametrize("written", [folder, manifest, texts, table])
@pytest.mark.parametrize("names", [("cat", "Cat"), ("caf\u00e9", "cafe\u0301")])
def test_every_reader_tells_them(tmp_path: Path, written, names: tuple[str, ...]) -> None:
    data = zoo.data.open(written(tmp_path / "data", names))
    assert set(data.classes) == set(names)
    assert "2 classes, their names alike" in data.intake[0].reason
    data.save(tmp_path)
    assert "their names alike" in (tmp_path / "intake.csv").read_text(encoding="utf-8")
