"""Cards: one that is damaged is refused in one line when it is read, whatever was done to it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import zoo
from support.places import KEPT, KEPT_NAMES
from zoo.artifacts import card as cards
from zoo.artifacts import checksums
from zoo.errors import InputError

NEEDED = ("task", "classes", "input")
WRONG: tuple[Any, ...] = (None, 7.5, "nonsense", [], {}, ["twice", "twice"], [1, 2], True, -1)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("cards")
    for name in KEPT_NAMES:
        shutil.unpack_archive(KEPT / f"{name}.zip", place / name)
    return place


def said(card: dict[str, Any] | str, place: Path) -> str:
    """What reading an artifact with this card and no checksums raises."""
    place.mkdir(exist_ok=True)
    (place / "card.json").write_text(card if isinstance(card, str) else json.dumps(card))
    with pytest.raises(InputError) as raised:
        cards.read(place)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def damaged(card: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What was done to it, and the card: what is needed is gone, or of another type."""
    needed = [*NEEDED, *(name for name in ("majority", "threshold") if name in card)]
    for name in needed:
        yield f"no {name}", {key: value for key, value in card.items() if key != name}
        for value in WRONG:
            may = name == "classes" and value == [] and card.get("kind", "supervised") != "supervised"
            if not may and not (name == "threshold" and value in (7.5, -1)):
                yield f"{name}: {value}", card | {name: value}
    optional = ("target", "columns", "header", "separator", "channels", "pixels")
    for name in card["input"]:
        if name in optional:
            continue
        yield f"no {name}", card | {"input": {key: v for key, v in card["input"].items() if key != name}}
        yield f"{name}: 7.5", card | {"input": card["input"] | {name: 7.5}}


@pytest.mark.parametrize("name", KEPT_NAMES)
def test_what_is_missing_or_of_another_type_is_refused(kept: Path, name: str, tmp_path: Path) -> None:
    card = cards.read(kept / name / "1", checksums.SERVED)
    assert "format" not in card
    if card["input"]["kind"] == "images":  # the very first cards of images had no kind
        first = {key: value for key, value in card["input"].items() if key != "kind"}
        (tmp_path / "card.json").write_text(json.dumps(card | {"input": first}))
        assert cards.read(tmp_path)["input"] == first
        card = card | {"input": first}
    for _, changed in damaged(card):
        assert "its card.json is damaged: " in said(changed, tmp_path)


def test_the_reason_names_what_was_expected_and_what_is_there(kept: Path, tmp_path: Path) -> None:
    card = cards.read(kept / "classification" / "1")
    for changed, reason in (
        ({"classes": ["none", "none"]}, r"list of names that differ, received ['none', 'none']"),
        ({"task": "translation"}, "expected a task out of classification, multi_label"),
        ({"task": "reconstruction"}, "that of reconstruction, received 'supervised'"),
        ({"majority": 2}, "expected majority, the position of a class, received 2"),
        ({"input": card["input"] | {"kind": "video"}}, "kind images, sequence, text or table, received 'video'"),
        ({"input": card["input"] | {"length": 0}}, "no length that could be one: received 0"),
    ):
        assert reason in said(card | changed, tmp_path)
    rows = cards.read(kept / "multi_label" / "1")
    for changed, reason in (
        ({key: value for key, value in rows["input"].items() if key != "target"}, "no target that could be one"),
        (
            {k: v for k, v in rows["input"].items() if k != "columns"} | {"header": False},
            "no columns that could be one",
        ),
    ):
        assert reason in said(rows | {"input": changed}, tmp_path)
    whole = json.dumps(card)
    for text, reason in (
        (whole[: len(whole) // 2], "can't be read"),
        ("[]", "expected an object"),
        ('{"task": "regression", ' + whole[1:], "it says 'task' twice"),
        ("[" * 100_000, "can't be read"),
    ):
        assert reason in said(text, tmp_path)


def test_a_card_of_a_newer_version_says_to_update(kept: Path, tmp_path: Path) -> None:
    card = cards.read(kept / "classification" / "1")
    assert "pip install --upgrade keras-model-zoo" in said(card | {"format": cards.FORMAT + 1}, tmp_path)
    assert "pip install --upgrade" in said({"format": 9, "everything": "else"}, tmp_path)
    for none in ("2", True, None, 0):
        assert "expected format 2 or none" in said(card | {"format": none}, tmp_path)


def test_what_is_published_has_a_format_and_needs_its_checksums(classifier: Path, tmp_path: Path) -> None:
    assert next(iter(json.loads((classifier / "card.json").read_text()).items())) == ("format", cards.FORMAT)
    copied = shutil.copytree(classifier, tmp_path / "1")
    (copied / checksums.NAME).unlink()  # as while it is copied in
    with pytest.raises(InputError, match="expected the file SHA256SUMS, which is not there; copy the version again"):
        zoo.load(copied)


@pytest.mark.parametrize(
    ("name", "harm", "reason"),
    [
        ("classification", lambda c: c["classes"].append("more"), "probabilities 3 in the card, 2 in the model"),
        ("multi_label", lambda c: c["input"]["numeric"].append("more"), "numeric columns 2 in the card, 1 in the"),
        ("forecasting", lambda c: c["classes"].pop(), "prediction 1 in the card, 2 in the model"),
        ("regression", lambda c: c["input"]["features"].append("more"), "features 3 in the card, 2 in the model"),
        ("fine_tuned", lambda c: c["input"].update(size=[32, 32]), "images 32 x 32 x 3 in the card, 16 x 16 x 3"),
        ("reconstruction", lambda c: c["input"].update(categorical=[]), "categorical columns 0 in the card, 1 in"),
        ("reconstruction", lambda c: c.update(threshold=-1), "threshold -1 in the card, 2.6856"),
        ("generation", lambda c: c["classes"].append("even"), "classes 1 in the card, 0 in the model"),
    ],
)
def test_the_model_is_held_to_the_card(
    kept: Path, name: str, harm: Callable[[dict[str, Any]], object], reason: str, tmp_path: Path
) -> None:
    copied = shutil.copytree(kept / name / "1", tmp_path / "1")
    card = json.loads((copied / "card.json").read_text())
    harm(card)
    (copied / "card.json").write_text(json.dumps(card))
    checksums.write(copied)  # whoever changes a card can do the sums again
    with pytest.raises(InputError, match=f"its card.json and its model.keras don't belong together: {reason}"):
        zoo.load(copied).model  # noqa: B018, loads it
