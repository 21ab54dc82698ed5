"""What help teaches: commands by what people do, options in groups, and what a mistyped word may have meant."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import click
import pytest

from support.programs import command
from zoo import cli
from zoo.commands.options import GROUPS, OTHERS

VERBS = sorted(entry.name for entry in entry_points(group="zoo.commands"))
# Starts as a sentence, ends as one, and says its default after that.
SENTENCES = re.compile(r"[A-Za-z][^\n]{20,}[^. ]\.(  \[default: [^\[\]]+\])?")


def sections(page: str) -> dict[str, list[str]]:
    """Heading of a help page -> first words of its rows."""
    found: dict[str, list[str]] = {}
    for line in page.splitlines():
        if re.fullmatch(r"\w[\w ]*:", line):
            rows = found.setdefault(line[:-1], [])
        elif found and (row := re.match(r"  (-\w, )?(--[\w-]+|[\w-]+)", line)) and not line.startswith("   "):
            rows.append(row[2])
    return found


def test_commands_are_listed_by_what_people_do() -> None:
    found = sections(command("--help").stdout)
    assert list(found)[:6] == ["Options", "Look at data", "Train", "Search", "Predict and evaluate", "Ship"]
    assert "sample" in found["Look at data"] and "finetune" in found["Train"] and "serve" in found["Ship"]
    listed = [name for group in cli.GROUPS for name in found[group] if name in VERBS]
    assert sorted(listed) == VERBS, "each command of this distribution stands in one group"
    assert "...\n  " not in command("--help").stdout, "what a command does fits into its line"


def test_commands_of_other_packages_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    other = EntryPoint("polish", "zoo.commands.datasets:check", "zoo.commands")

    def with_another(**given: str) -> list[EntryPoint]:
        return [each for each in (*entry_points(**given), other) if each.name == given.get("name", each.name)]

    monkeypatch.setattr(cli, "entry_points", with_another)
    found = sections(command("--help").stdout)
    assert list(found)[-1] == "More" and found["More"][0] == "polish"
    assert command("polish", "nowhere").returncode == 2


@pytest.mark.parametrize("verb", ["train", "finetune", "tune"])
def test_options_of_what_trains_are_in_groups(verb: str) -> None:
    page = command(verb, "--help").stdout
    found = {title: rows for title, rows in sections(page).items() if title in GROUPS}
    assert list(found) == [group for group in GROUPS if group in found]
    assert {"Data", "Model", "Training", "Output"} <= found.keys() and found[OTHERS] == ["--help"]
    assert "--input-size" in found["Data"] and "--out" in found["Output"] and "--seed" in found["Training"]
    known = cli.zoo.get_command(click.Context(cli.zoo), verb)
    assert known is not None
    shown = sorted(row for rows in found.values() for row in rows if row != "--help")
    assert shown == sorted(each.opts[-1] for each in known.params if isinstance(each, click.Option))


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_each_option_is_a_sentence(verb: str) -> None:
    known = cli.zoo.get_command(click.Context(cli.zoo), verb)
    assert known is not None
    for option in known.params:
        if isinstance(option, click.Option):
            assert SENTENCES.fullmatch(option.help or ""), (verb, option.opts, option.help)


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("trian", "mlp", "x.csv"), "'train'"),
        (("Tune", "x.csv"), "'tune'"),
        (("evalute", "x"), "'evaluate'"),
        (("train", "mlp", "x.csv", "--optimzer", "sgd"), "'--optimizer'"),
        (("train", "mpl", "x.csv"), "mlp"),
        (("show", "Resnet"), "resnet"),
        (("sample", "irs", "place"), "iris"),
        (("finetune", "photos", "--backbone", "resnet5"), "resnet50"),
        (("finetune", "photos", "--augment", "flp"), "flip"),
        (("predict", "flower", "x.csv"), "flowers"),
        (("export", "flowers", "--format", "onx"), "onnx"),
        (("train", "mlp", "x.csv", "--optimizer", "adm"), "adam"),
        (("train", "mlp", "x.csv", "--schedule", "cosin"), "cosine"),
        (("train", "mlp", "x.csv", "--precision", "float64"), "float32"),
        (("train", "mlp", "x.csv", "--task", "regresion"), "regression"),
        (("train", "mlp", "x.csv", "--set", "droput=0.1"), "dropout"),
        (("tune", "x.csv", "--model", "fine_tun"), "fine_tune"),
        (("tune", "x.csv", "--objective", "acuracy"), "accuracy"),
    ],
)
def test_a_mistyped_word_is_told_what_it_may_have_meant(
    workplace: Path, arguments: tuple[str, ...], meant: str
) -> None:
    Path("saved_models/flowers/1").mkdir(parents=True)
    Path("saved_models/flowers/1/card.json").write_text("{}")
    Path("photos").mkdir()
    Path("x.csv").write_text("a,target\n" + "".join(f"{row},{row % 2}\n" for row in range(40)))
    done = command(*arguments)
    assert done.returncode == 2, done.stderr
    assert "did you mean" in done.stderr.lower() and meant in done.stderr, done.stderr


def test_a_word_like_no_command_is_told_where_they_are_listed() -> None:
    done = command("qqqq")
    assert done.returncode == 2 and "No such command 'qqqq'. See zoo --help." in done.stderr
