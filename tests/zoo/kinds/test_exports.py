"""Files as spreadsheets, competitions and programs save them, from `zoo check` to a served answer without an option."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas
import pytest

from support.programs import command
from support.servers import served
from zoo.serving.model_manager import ModelManager

ROWS = 160
RNG = np.random.default_rng(0)
AGES = RNG.integers(17, 80, ROWS)
RICH = AGES + RNG.normal(0, 6, ROWS) > 45


def census(path: Path) -> None:
    """A blank after each comma, no names, a question mark for what is missing."""
    lines = []
    for at, (age, rich) in enumerate(zip(AGES, RICH, strict=True)):
        work, school = "Private" if at % 3 else "?", "Bachelors" if at % 2 else "HS-grad"
        lines.append(f"{age}, {work}, {at * 7 % 99}, {school}, {'>' if rich else '<='}50K")
    path.write_text("\n".join(lines) + "\n\n")


def titanic(path: Path) -> None:
    """Written by seaborn: true and false, a column twice in other words, missing cells."""
    frame = pandas.DataFrame(
        {"survived": RICH.astype(int), "pclass": RNG.integers(1, 4, ROWS), "age": AGES.astype(float)}
    )
    frame.loc[::9, "age"] = np.nan
    frame["who"], frame["alone"] = np.where(AGES < 30, "child", "man"), AGES % 2 == 0
    frame["deck"] = np.where(AGES % 5 == 0, "C", None)
    frame.to_csv(path, index=False)


def competition(path: Path) -> None:
    """An identifier, names of people, tickets; the target in the middle."""
    frame = pandas.DataFrame({"PassengerId": np.arange(1, ROWS + 1), "Survived": RICH.astype(int)})
    frame["Name"] = [f"Braund, {'Mr.' if at % 2 else 'Mrs.'} Owen Harris the {at}th" for at in range(ROWS)]
    frame["Age"], frame["Ticket"] = AGES, [f"A/5 {at * 37}" for at in range(ROWS)]
    frame.to_csv(path, index=False)


def german(path: Path) -> None:
    """Semicolons, decimal commas, points between thousands, days first, Windows-1252."""
    lines = ["Datum;Gehalt (€);Größe;Zielwert"]
    for at, (age, rich) in enumerate(zip(AGES, RICH, strict=True)):
        day = f"{at % 28 + 1:02d}.{at % 12 + 1:02d}.2023"
        height, pay = f"{age / 40:.2f}".replace(".", ","), f"{age // 10}.{at:03d},{at % 90 + 10} €"
        lines.append(f"{day};{pay};{height};{'hoch' if rich else 'tief'}")
    path.write_bytes("\r\n".join(lines).encode("cp1252"))


def pandas_export(path: Path) -> None:
    """An index without name, times as pandas writes them."""
    frame = pandas.DataFrame({"seen": pandas.date_range("2024-01-01", periods=ROWS, freq="7h"), "age": AGES})
    frame["label"] = np.where(RICH, "rich", "poor")
    frame.to_csv(path)


@pytest.mark.slow
@pytest.mark.parametrize("write", [census, titanic, competition, german, pandas_export])
def test_from_check_to_a_served_answer(write: Callable[[Path], None], tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    write(file)
    checked = command("check", file, "--json")
    assert checked.returncode == 0, checked.stderr
    columns = json.loads(checked.stdout)["columns"]
    assert sum(row["read_as"] == "target" for row in columns) == 1
    trained = command("train", "mlp", file, "--epochs", 30, "--out", tmp_path / "made")
    assert trained.returncode == 0, trained.stderr
    scored = command("evaluate", tmp_path / "made", file, "--json")
    assert json.loads(scored.stdout)["accuracy"] > 0.75, scored.stdout
    predicted = command("predict", tmp_path / "made", file, "--json")
    answers = json.loads(predicted.stdout)
    assert len(answers) == ROWS and not any(answer.get("error") for answer in answers)
    example = json.loads((tmp_path / "made" / "1" / "example.json").read_text())
    with served(ModelManager({"it": tmp_path / "made"})) as server:
        status, answer = server("/v1/models/it:predict", example)
        assert status == 200 and answer["predictions"][0]["label"]
