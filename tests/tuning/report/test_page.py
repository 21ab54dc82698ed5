"""What a search leaves to read: the CSV, the page and its script."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from support.search_results import EXTREMES, made, search, trial
from tuning.rendering import show_result
from tuning.report.importance import columns, importances
from tuning.report.page import page, write
from tuning.results import SearchResult

HOSTILE = "</script><script>alert(1)</script> <img src=x onerror=alert(2)> & \"quoted\" 'too' {{data}} \u2028 \ud800"
needs_node = pytest.mark.skipif(not shutil.which("node"), reason="needs Node.js")


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
