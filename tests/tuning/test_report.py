"""What a search leaves to read: the CSV, the page and its script, what matters, sentences, the terminal."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuning.rendering import Live, show_result
from tuning.report.importance import columns, explain, importances
from tuning.report.page import page, write
from tuning.report.wording import beside, compared, duration, failures, settings_text, validated
from tuning.results import Comparison, SearchResult, TrialResult
from zoo.evaluation.scores import evaluate, evaluate_values

HOSTILE = "</script><script>alert(1)</script> <img src=x onerror=alert(2)> & \"quoted\" 'too' {{data}} \u2028 \ud800"
GAIN = Comparison("test", 2000, 0.893, 0.887, 0.006, (0.001, 0.011))
needs_node = pytest.mark.skipif(not shutil.which("node"), reason="needs Node.js")


def trial(number: int, score: float | None, values: dict[str, Any] | None = None, **given: Any) -> TrialResult:
    curve = [{"loss": 1 / epoch, "val_loss": 1.2 / epoch, "learning_rate": 0.001} for epoch in range(1, 6)]
    told = {"spread": None, "seconds": 12.5, "epochs": 5, "curve": curve} | given
    status = "failed" if score is None else "completed"
    return TrialResult(number, status, values or {}, score, **told)


def search(*trials: TrialResult, **given: Any) -> SearchResult:
    result = SearchResult(
        model="mlp",
        data="folder/wine.csv",
        method="random",
        objective="accuracy",
        direction="max",
        seed=7,
        seconds=723.0,
        trials=trials,
        best=trials[0],
        held_out=GAIN,
        settings={"model": {"units": (64, 32), "dropout": 0.1}, "training": {"optimizer": {"name": "adam"}}},
        ended="the budget of 10 min is used up",
    )
    result = replace(result, **given)
    return replace(result, best=next(iter(result.completed), trials[0])) if "best" not in given else result


def made(count: int, seed: int = 0, noise: float = 0.01, matters: bool = True, **given: Any) -> SearchResult:
    """A search whose scores hang on the learning rate and, a little, on whether momentum is set; on nothing else."""
    rng = np.random.default_rng(seed)
    trials = [
        trial(0, 0.8 + 0.001 * matters, {"learning_rate": 1e-3, "units": 64, "activation": "relu", "norm": False})
    ]
    for number in range(1, count + 1):
        values = {
            "learning_rate": float(10 ** rng.uniform(-5, -1)),
            "units": int(rng.choice([16, 64, 256, 1024])),
            "activation": str(rng.choice(["relu", "tanh", "gelu"])),
            "norm": bool(rng.integers(2)),
        }
        if values["norm"]:
            values["momentum"] = float(rng.uniform(0.8, 0.999))
        shape = (0.9 - 0.05 * (np.log10(values["learning_rate"]) + 3) ** 2 + 0.03 * values["norm"]) if matters else 0.8
        failed = number % 17 == 5
        score = None if failed else float(shape + rng.normal(0, noise))
        trials.append(trial(number, score, values, note="the loss is not finite\nepoch 2" if failed else ""))
    return search(*trials, **given)


class Page(HTMLParser):
    """What a browser would make of the page: tags, the rows of the table, the text of the scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.rows: list[list[str]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "img"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" in self.open:
            self.scripts[-1] += data
        elif "style" not in self.open:
            self.text += data
            if {"td", "th"} & set(self.open):
                self.rows[-1][-1] += data

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(self.scripts[0])


EXTREMES = {
    "one trial": search(trial(0, 0.9, {"units": 64})),
    "nothing varies": search(*(trial(number, 0.9 + number / 1000, {"units": 64}) for number in range(12))),
    "no hyperparameters": search(*(trial(number, 0.5) for number in range(3))),
    "all but the default failed": search(
        trial(0, 0.9, {"units": 1}), *(trial(n, None, {"units": n}, curve=[], note="no memory") for n in range(1, 4))
    ),
    "all failed": search(*(trial(n, None, {"units": n}, curve=[], epochs=0) for n in range(3))),
    "no epochs": search(*(trial(n, n / 10, {"depth": n}, curve=[], epochs=0) for n in range(3)), direction="min"),
    "losses that are no numbers": search(
        trial(0, 0.5, {"rate": 1.0}, curve=[{"loss": float("nan")}, {"loss": 2.0}]),
        trial(1, float("nan"), {"rate": 2.0}, curve=[{"loss": float("inf")}]),
        trial(2, 0.4, {"rate": None}, curve=[{"loss": 1.0}]),
    ),
    "500 trials": made(500),
}


def test_the_table_of_trials_reads_back(tmp_path: Path) -> None:
    result = made(20)
    hostile = trial(21, None, {"epochs": 3, 'a "name", odd': "b\nc"}, note='a, "b"\nc', curve=[])
    result = replace(result, trials=(*result.trials, hostile))
    write(result, tmp_path / "new" / "folder")
    with (tmp_path / "new" / "folder" / "trials.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = ["learning_rate", "units", "activation", "norm", "momentum", "hyperparameter.epochs", 'a "name", odd']
    assert list(rows[0]) == ["number", "status", "score", "spread", "seconds", "epochs", *names, "note"]
    assert len(rows) == len(result.trials)
    for row, told in zip(rows, result.trials, strict=True):
        assert (int(row["number"]), row["status"], row["note"]) == (told.number, told.status, told.note)
        assert (float(row["score"]) if row["score"] else None) == told.score
        assert (float(row["seconds"]), int(row["epochs"]), row["spread"]) == (told.seconds, told.epochs, "")
        if "learning_rate" in told.values:
            assert float(row["learning_rate"]) == told.values["learning_rate"]
            assert row["norm"] == str(told.values["norm"])
        assert row["momentum"] == str(told.values.get("momentum", ""))
    assert rows[-1]["hyperparameter.epochs"] == "3" and rows[-1]['a "name", odd'] == "b\nc"
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == ["report.html", "trials.csv"]


def test_the_page_holds_every_trial_and_asks_for_nothing() -> None:
    result = made(40)
    text = page(result)
    read = Page(text)
    rows = [row for row in read.rows if row[0].isdigit()]
    assert [int(row[0]) for row in rows] == [told.number for told in result.trials]
    assert [told["number"] for told in read.data["trials"]] == [told.number for told in result.trials]
    assert sum(row[-1] == "the loss is not finite\nepoch 2" for row in rows) == 3
    assert set(re.findall(r"https?://[^\"'\s]*", text)) == {"http://www.w3.org/2000/svg"}  # a name, never asked for
    assert not {name for name, _ in read.attributes} & {"src", "href"}
    assert not re.search(r"@import|url\(|\bfetch\b|XMLHttpRequest|innerHTML|outerHTML|insertAdjacent", text)
    assert "default-src 'none'" in text and "prefers-color-scheme: dark" in text and 'name="viewport"' in text
    for said in (
        "mlp on wine.csv",
        "accuracy, higher is better",
        "40 trials beside the default configuration in 12 min 3 s; random search, seed 7.",
        "The search ended: the budget of 10 min is used up.",
        "On 2,000 test examples accuracy 0.893 against 0.887 of the default configuration; difference 0.006, "
        "95 % interval 0.001 to 0.011: better.",
        "3 of 40 trials failed, every one: the loss is not finite",
    ):
        assert said in read.text, said
    assert ["model: units", "(64, 32)"] in read.rows and ["training: optimizer: name", "adam"] in read.rows


def test_the_page_knows_axes_colours_and_curves() -> None:
    result = made(40)
    data = Page(page(result)).data
    told = {column["name"]: column for column in data["columns"]}
    assert told["learning_rate"]["log"] and told["units"]["log"] and not told["momentum"]["log"]
    assert told["activation"]["kind"] == "category" and set(told["activation"]["levels"]) == {"relu", "tanh", "gelu"}
    assert told["momentum"]["absent"] and not told["learning_rate"]["absent"]
    shares = {told["number"]: told["share"] for told in data["trials"]}
    assert shares[result.completed[0].number] == 1 and shares[result.completed[-1].number] == 0
    assert shares[5] is None
    assert [curve["number"] for curve in data["curves"]] == [told.number for told in result.completed[:10]]
    assert data["curves"][0]["values"] == [row["val_loss"] for row in result.completed[0].curve]
    only_training = [replace(told, curve=[{"loss": 0.5}]) for told in result.trials]
    data = Page(page(replace(result, trials=tuple(only_training)))).data
    assert data["loss"] == "loss" and data["curves"][0]["values"] == [0.5]


def test_hostile_texts_are_harmless(tmp_path: Path) -> None:
    plain = search(trial(0, 0.5, {"a": "b"}), trial(1, None, {"a": "c"}, note="d", curve=[]))
    hostile = search(
        trial(0, 0.5, {HOSTILE: HOSTILE}),
        trial(1, None, {HOSTILE: "c"}, note=HOSTILE, curve=[]),
        model=HOSTILE,
        data=HOSTILE,
        method=HOSTILE,
        objective=HOSTILE,
        ended=HOSTILE,
        settings={"model": {HOSTILE: HOSTILE}, "training": {"optimizer": {"name": "adam"}, "units": 1}},
    )
    write(hostile, tmp_path)
    read = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    usual = Page(page(plain))
    assert read.tags == usual.tags
    assert [name for name, _ in read.attributes] == [name for name, _ in usual.attributes]
    assert read.scripts[1] == usual.scripts[1]
    assert read.data["trials"][1]["note"] == HOSTILE and read.data["columns"][0]["name"] == HOSTILE
    assert "<img" not in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", EXTREMES)
def test_extremes_are_written_and_shown(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = EXTREMES[name]
    write(result, tmp_path)
    read = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert len(read.data["trials"]) == len(result.trials) == len([row for row in read.rows if row[0].isdigit()])
    with (tmp_path / "trials.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == len(result.trials) + 1
    show_result(result)
    assert "The search ended: the budget of 10 min is used up." in capsys.readouterr().out


def test_what_simple_models_score_is_read_beside_the_winner(capsys: pytest.CaptureFixture[str]) -> None:
    classes = evaluate(np.array([0, 1]), np.eye(2, dtype=np.float32), ("a", "b"), 0, "test")
    line = beside(replace(classes, baselines={"trees <b>": 0.75}))
    assert line == "Accuracy there 1, of simple models: always the most frequent class 0.5; trees <b> 0.75."
    numbers = evaluate_values(np.eye(2), np.eye(2), ("a", "b"), "test")
    assert beside(replace(numbers, baselines={"ridge": {"r2": 0.25}})) == "R² there 1, of simple models: ridge 0.25."
    result = search(trial(0, 0.8), beside=(line, "simple model ahead: ridge."))
    assert "trees &lt;b&gt; 0.75. simple model ahead: ridge." in page(result)
    show_result(result)
    assert line in capsys.readouterr().out


def test_importances_find_what_matters_among_noise() -> None:
    found = explain(made(60))
    assert found.explained > 0.6
    assert found.importances[0].name == "learning_rate" and found.importances[0].importance > 0.8
    assert sum(row.importance for row in found.importances) == pytest.approx(1)
    noise = {row.name: row.importance for row in found.importances}
    assert noise["units"] < 0.05 and noise["activation"] < 0.05
    assert importances(made(60)) == found.importances  # the same seed, the same numbers


def test_importances_of_a_choice_and_of_what_is_set_only_sometimes() -> None:
    rng = np.random.default_rng(0)
    trials = []
    for number in range(60):
        values = {"kind": str(rng.choice(["a", "b", "c"])), "noise": float(rng.uniform())}
        if rng.integers(2):
            values["sometimes"] = float(rng.uniform())
        score = 0.1 * (values["kind"] == "b") + 0.1 * ("sometimes" in values) + rng.normal(0, 0.005)
        trials.append(trial(number, float(score), values))
    rows = {row.name: row.importance for row in importances(search(*trials))}
    assert rows["kind"] > 0.3 and rows["sometimes"] > 0.3 and rows["noise"] < 0.05


def test_importances_of_pure_noise_are_nothing() -> None:
    found = explain(made(60, noise=0.05, matters=False))
    assert found.explained <= 0
    assert found.importances and all(row.importance == row.spread == 0 for row in found.importances)
    assert "explains nothing" in page(made(60, noise=0.05, matters=False))


def test_one_diverged_trial_does_not_hide_what_matters() -> None:
    result = made(60)
    worst = trial(61, -1e9, {"learning_rate": 1e-3, "units": 16, "activation": "relu", "norm": False})
    assert importances(replace(result, trials=(*result.trials, worst)))[0].name == "learning_rate"


def test_too_few_trials_tell_nothing() -> None:
    assert importances(made(8)) == []
    assert "too few to tell" in page(made(8))
    equal = search(*(trial(number, 0.5 + number % 9 / 10, {"units": number}) for number in range(40)))
    assert importances(equal) == []  # forty trials, nine different scores
    unvaried = search(*(trial(number, number / 20, {"units": 64}) for number in range(20)))
    assert importances(unvaried) == []
    some = search(*(trial(number, number / 20, {"units": number, "fixed": 1}) for number in range(20)))
    assert [row.name for row in importances(some)] == ["units"]


def test_columns_know_their_kind() -> None:
    told = [trial(0, 1.0, {"flag": True, "mixed": 1, "shape": (1, 2)}), trial(1, 1.0, {"flag": False, "mixed": "x"})]
    found = {column.name: column for column in columns(told)}
    assert {column.kind for column in found.values()} == {"category"}
    assert found["shape"].absent and found["shape"].varies and found["flag"].levels == ("True", "False")


@pytest.mark.parametrize(
    ("direction", "held_out", "expected"),
    [
        ("max", GAIN, ": better."),
        (
            "max",
            Comparison("test", 200, 0.89, 0.88, 0.01, (-0.02, 0.04)),
            "interval -0.020 to 0.040: the difference may",
        ),
        ("max", Comparison("test", 200, 0.8, 0.9, -0.1, (-0.15, -0.05)), "interval -0.15 to -0.05: worse."),
        (
            "min",
            Comparison("validation", 1, 1234.4, 1300.2, -65.8, (-90.0, -40.0)),
            "1 validation example accuracy 1,234",
        ),
        ("min", Comparison("test", 9, 1.2e-7, 2e-7, -8e-8, (-9e-8, -7e-8)), "0.000000120 against 0.000000200"),
        ("max", Comparison("test", 9, 0.5, 0.5, 0.0, (0.0, 0.0)), "difference 0.0000, 95 % interval 0.0000 to 0.0000"),
        ("max", Comparison("test", 9, 0.5, float("nan"), float("nan"), (float("nan"),) * 2), "to compare it with"),
    ],
)
def test_the_comparison_in_words(direction: str, held_out: Comparison, expected: str) -> None:
    scores = (0.5, 0.6) if direction == "max" else (0.6, 0.5)
    result = search(*(trial(n, score) for n, score in enumerate(scores)), direction=direction, held_out=held_out)
    text = compared(result)
    assert expected in text
    beaten = held_out.better(direction) or held_out.difference != held_out.difference
    assert text.startswith("The search did not beat the default configuration: ") != beaten


def test_the_default_that_wins_in_words() -> None:
    result = search(trial(0, 0.9), trial(1, 0.8), held_out=Comparison("test", 2000, 0.887, 0.887, 0.0, (0.0, 0.0)))
    assert compared(result) == (
        "The search did not beat the default configuration: no trial had a better accuracy there. "
        "On 2,000 test examples its accuracy is 0.8870."
    )
    assert validated(result) == "Best accuracy on the examples that choose 0.9: that of the default configuration."


def test_failures_in_words() -> None:
    notes = ["no memory\nat step 3", "no memory", "not finite"]
    result = search(trial(0, 0.9), *(trial(n, None, note=note, curve=[]) for n, note in enumerate(notes, 1)))
    assert failures(result) == "3 of 3 trials failed, most often (2 times): no memory"
    assert failures(made(3)) == "No trial failed."


def test_numbers_in_words() -> None:
    assert settings_text({"rate": 0.000123456, "units": 1024, "act": "relu", "on": True}) == (
        "rate=0.000123 units=1024 act=relu on=True"
    )
    assert [duration(s) for s in (0.34, 59.9, 61, 723, 7300)] == [
        "0.34 s",
        "59 s",
        "1 min 1 s",
        "12 min 3 s",
        "2 h 1 min",
    ]


def test_the_result_in_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    result = made(40)
    fixed = tuple(replace(told, values=told.values | {"same": "[red]x"}) for told in result.trials)
    show_result(replace(result, trials=fixed))
    out = capsys.readouterr().out
    assert "best 10 of 41 trials" in out and "default" in out
    assert f"units={result.best.values['units']}" in out and "same=" not in out
    assert " ".join(compared(result).split()) in " ".join(out.split())
    assert "3 of 40 trials failed" in out and validated(result) in out


def test_the_live_table_is_silent_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with Live("accuracy", "max", time.monotonic() + 60, 4) as live:
        live.began(0, {"units": 64})
        live.epoch(0, 1, 5, 0.5)
        live.ended(trial(0, 0.9))
    told = capsys.readouterr()
    assert told.out == told.err == ""


def test_the_live_table_tells_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")  # to rich, a terminal
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with Live("rmse", "min", time.monotonic() + 3600, 20) as live:
        for number, score in enumerate([3.0, 1.5, None, 2.0]):
            live.began(number, {"units": number})
            live.ended(trial(number, score, {"units": number}, note="[bold]x", curve=[]))
        live.began(4, {"units": 64, "kind": "[/red]"})
        live.epoch(4, 3, 10, 0.25)
        live.epoch(99, 1, 1, 0.5)  # of a trial nobody has heard of
    told = capsys.readouterr()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told.err)
    assert told.out == ""
    assert "3 of 20 trials done, 1 failed, best rmse 1.5, 0 s gone, 1 h 0 min left" in plain
    assert "███░░░░░░░ 3/10" in plain and "kind=[/red]" in plain
    assert re.search(r"1 +1\.5 .*\n.*3 +2 .*\n.*default +3 ", plain)


# As much of a browser as the script needs; it reports what was drawn.
BROWSER = r"""
class Node {
  constructor(tag) { this.tag = tag; this.children = []; this.attributes = {}; this.on = {}; this.style = {};
    const names = new Set(); this.names = names;
    this.classList = { add: n => names.add(n), remove: n => names.delete(n), contains: n => names.has(n),
      toggle: (n, on) => on ? names.add(n) : names.delete(n) }; }
  setAttribute(n, v) { if (/NaN|undefined|Infinity/.test(String(v))) throw Error(`${this.tag} ${n}=${v}`);
    this.attributes[n] = String(v); }
  getAttribute(n) { return this.attributes[n] ?? null; }
  removeAttribute(n) { delete this.attributes[n]; }
  appendChild(c) { const at = this.children.indexOf(c); if (at >= 0) this.children.splice(at, 1);
    this.children.push(c); return c; }
  replaceChildren() { this.children = []; }
  addEventListener(n, f) { (this.on[n] ??= []).push(f); }
  fire(n, e) { for (const f of this.on[n] ?? []) f(e); }
  setPointerCapture() {}
  getBoundingClientRect() { return { left: 0, top: 0 }; }
  all(test) { return this.children.flatMap(c => [...(test(c) ? [c] : []), ...c.all(test)]); }
  get clientWidth() { return 360; }
}
const input = JSON.parse(require("fs").readFileSync(0, "utf8"));
const ids = {};
for (const id of ["data", "tip", "parallel", "progress", "importance", "curves", "trials"]) ids[id] = new Node(id);
ids.data.textContent = input.data;
const body = new Node("tbody");
for (const row of input.rows) {
  const node = new Node("tr");
  node.cells = row.map(([text, sort]) => ({ textContent: text, dataset: sort === null ? {} : { sort } }));
  body.children.push(node);
}
Object.defineProperty(body, "rows", { get() { return this.children; } });
const heads = input.rows[0].map(() => { const head = new Node("th"); head.firstElementChild = new Node("button");
  return head; });
Object.assign(ids.trials, { tBodies: [body], tHead: { rows: [{ cells: heads }] } });
globalThis.innerWidth = 400; globalThis.innerHeight = 800;
globalThis.window = { matchMedia: () => ({ matches: input.dark, addEventListener() {} }), addEventListener() {} };
globalThis.document = { getElementById: id => ids[id], createElementNS: (_, tag) => new Node(tag) };
eval(input.script);
const isTrial = n => (n.attributes.class ?? "").startsWith("trial");
const lines = ids.parallel.all(isTrial);
const handle = ids.parallel.all(n => n.attributes.class === "handle").at(-1);
const report = { parallel: lines.length, points: ids.progress.all(n => n.names.has("point")).length,
  bars: ids.importance.all(n => n.tag === "rect").length, curves: ids.curves.all(isTrial).length };
if (handle) {
  handle.fire("pointerdown", { clientY: 40, pointerId: 1 });
  handle.fire("pointermove", { clientY: 80 });
  handle.fire("pointerup", {});
  report.kept = lines.filter(line => !line.names.has("off")).length;
  handle.fire("dblclick", {});
  report.cleared = lines.filter(line => !line.names.has("off")).length;
}
const svg = ids.progress.children[0];
if (svg) {
  const point = svg.all(n => n.names.has("point"))[0];
  svg.fire("pointermove", { clientX: Number(point.attributes.cx), clientY: Number(point.attributes.cy) });
  report.tip = ids.tip.textContent;
}
const order = () => body.children.map(row => row.cells[2].textContent);
heads[2].firstElementChild.fire("click", {});
report.rising = order();
heads[2].firstElementChild.fire("click", {});
report.falling = order();
console.log(JSON.stringify(report));
"""


def drawn(result: SearchResult, dark: bool = False) -> dict[str, Any]:
    """What the page's script draws, run in Node.js."""
    text = page(result)
    data, script = Page(text).scripts
    cell = re.compile(r'<td(?:[^>]*? data-sort="([^"]*)")?[^>]*>(.*?)</td>', re.S)
    rows = [
        [(match[2], match[1]) for match in cell.finditer(row)]
        for row in re.findall(r'<tr class="(?:failed|best|trial)">(.*?)</tr>', text, re.S)
    ]
    given = json.dumps({"data": data, "script": script, "rows": rows, "dark": dark})
    done = subprocess.run(["node", "-e", BROWSER], input=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_node
@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize("dark", [False, True])
def test_the_script_draws_extremes(name: str, dark: bool) -> None:
    result = EXTREMES[name]
    told = drawn(result, dark)
    usable = [t for t in result.trials if t.score is not None and t.score == t.score]
    varies = any(column.varies for column in columns(result.trials))
    assert told["parallel"] == (len(result.trials) if varies and usable else 0)
    assert told["points"] == (len(result.trials) if usable else 0)
    assert told["curves"] == min(10, sum(bool(t.curve) for t in usable))
    assert told["bars"] == len(importances(result))


@needs_node
@pytest.mark.parametrize("direction", ["max", "min"])
def test_the_page_filters_names_and_sorts(direction: str) -> None:
    result = made(40, direction=direction)
    told = drawn(result)
    # The upper end of the score's axis is brushed: the best are kept, the failed ones are not.
    assert 1 <= told["kept"] < 20 and told["cleared"] == 41
    assert told["tip"].startswith("Default configuration\naccuracy 0.801\nlearning_rate: 0.001")
    scores = [float(text) for text in told["rising"][:-3]]
    assert scores == sorted(scores) and set(told["rising"][-3:]) == {"-"}
    assert [float(text) for text in told["falling"][:-3]] == sorted(scores, reverse=True)
    assert set(told["falling"][-3:]) == {"-"}
