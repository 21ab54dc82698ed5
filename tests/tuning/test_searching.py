"""Searches: honest, steady, resumed, light, and ended in an artifact."""

from __future__ import annotations

import csv
import gc
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tuning
import zoo
from support.searches import Cut, program, trial_rows, trials_table
from tuning.results import SearchResult
from tuning.searching import seconds_of
from zoo.data import Data, arrays
from zoo.errors import InputError, JobError

METHODS = ("random", "grid", "bayesian", "hyperband")


def blobs(count: int = 240, seed: int = 0) -> Data:
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % 3
    inputs = rng.normal(size=(count, 6)) + 1.5 * np.eye(6)[targets]
    return arrays(inputs.astype(np.float32), targets.astype(np.int64))


def small(hp: Any) -> dict[str, dict[str, Any]]:
    """A space of small networks."""
    return {
        "model": {"units": (hp.Choice("units", [4, 8, 16]),), "dropout": hp.Choice("dropout", [0.0, 0.2])},
        "training": {"learning_rate": hp.Choice("learning_rate", [1e-3, 1e-2, 3e-2])},
    }


def rates(hp: Any) -> dict[str, dict[str, Any]]:
    return {"model": {}, "training": {"learning_rate": hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")}}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def unexported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials are what is tested: the export, tested elsewhere, takes longer than all of them."""
    monkeypatch.setattr("zoo.training.run.Trained.export", lambda trained, out, run: Path(out))


def run(method: str = "random", **options: Any) -> SearchResult:
    given = {"space": small, "trials": 5, "epochs": 3, "out": "artifacts/blobs"} | options
    return tuning.search(blobs(), "mlp", method=method, **given)


def test_a_search_ends_in_an_artifact_that_answers_and_knows_of_it() -> None:
    result = run()
    assert [trial.number for trial in result.trials] == list(range(6))
    assert result.best.score == max(trial.score for trial in result.trials)
    made = zoo.load(result.artifact)
    values = blobs().held_out.inputs["numeric"]
    asked = pd.DataFrame(values, columns=[f"feature_{number}" for number in range(values.shape[1])])
    labels = np.array([int(each.label) for each in made.predict(asked)])
    told = made.card["search"]
    assert told["best"]["number"] == result.best.number and len(told["trials"]) == 6
    assert made.card["metrics"]["accuracy"] == pytest.approx(result.held_out.best)
    assert (labels == blobs().held_out.targets).mean() == pytest.approx(result.held_out.best)
    page = (result.artifact / "run" / "report.html").read_text(encoding="utf-8")
    assert "learning_rate" in page and "default configuration" in page
    assert "always the most frequent class" in result.beside[0] and "nearest neighbours" in result.beside[0]
    assert made.card["metrics"]["baselines"].keys() >= {"logistic regression", "nearest neighbours", "boosted trees"}
    assert "of simple models: " in page
    with (result.artifact / "run" / "trials.csv").open(encoding="utf-8") as file:
        assert [int(row["number"]) for row in csv.DictReader(file)] == list(range(6))
    assert not list(Path(".runs").glob("*"))


@pytest.mark.slow
@pytest.mark.usefixtures("unexported")
@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_search_and_what_was_tried_is_not_drawn_again(method: str) -> None:
    first, second = (run(method, out=f"artifacts/{name}") for name in "ab")
    assert trial_rows(first) == trial_rows(second)
    drawn = [json.dumps([t.values, t.epochs], sort_keys=True) for t in first.trials[1:]]
    assert method == "hyperband" or len(set(drawn)) == len(drawn)


QUICK = {("random", "save")}
CUTS = [
    *(("hyperband", moment) for moment in ("run", "save_trial", "save")),
    *((method, "run") for method in ("grid", "bayesian")),
    *QUICK,
]


@pytest.mark.usefixtures("unexported")
@pytest.mark.parametrize(
    ("method", "moment"),
    [
        pytest.param(method, moment, marks=[] if (method, moment) in QUICK else pytest.mark.slow)
        for method, moment in CUTS
    ],
)
def test_a_search_that_was_cut_off_goes_on_to_the_same_results(
    method: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuning import oracles
    from tuning.builder_trials import BuilderTrials

    trials = 14 if method == "hyperband" else 4
    whole = run(method, out="artifacts/whole", trials=trials)
    place = BuilderTrials if moment == "run" else oracles.ResumableOracle
    real: Callable[..., Any] = getattr(place, moment)
    for count in (4, 2):  # it is cut off twice
        calls = [0]

        def cut(*given: Any, calls: list[int] = calls, count: int = count, **named: Any) -> Any:
            calls[0] += 1
            if calls[0] == count:
                raise Cut
            return real(*given, **named)

        with monkeypatch.context() as patch, pytest.raises(Cut):
            patch.setattr(place, moment, cut)
            run(method, out="artifacts/cut", trials=trials)
    again = run(method, out="artifacts/cut", trials=trials)
    assert trial_rows(again) == trial_rows(whole)
    assert again.held_out == whole.held_out


@pytest.mark.slow
def test_a_process_that_is_killed_goes_on() -> None:
    whole = program("hyperband", 12, 1, "whole", "artifacts/whole")
    process = program("hyperband", 12, 1, "cut", "artifacts/cut")
    while len(list(Path("cut/search").glob("trial_*/trial.json"))) < 7 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert whole.wait(300) == 0
    process = program("hyperband", 12, 1, "cut", "artifacts/cut")
    assert process.wait(300) == 0, process.stderr.read()
    assert trials_table("artifacts/cut") == trials_table("artifacts/whole")


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced_and_its_trial_is_run_again() -> None:
    process = program("random", 6, 2, "many", "artifacts/many")
    while not list(Path("many/search").glob("trial_*/trial.json")) and process.poll() is None:
        time.sleep(0.05)
    listed = subprocess.run(["pgrep", "-P", str(process.pid), "-f", "tuning.worker_process"], capture_output=True)
    os.kill(int(listed.stdout.split()[0]), signal.SIGKILL)
    assert process.wait(400) == 0, process.stderr.read()
    rows = trials_table("artifacts/many")
    assert [int(row["number"]) for row in rows] == list(range(7))
    assert all(row["status"] == "completed" for row in rows)


@pytest.mark.usefixtures("unexported")
def test_what_fails_is_recorded_with_its_reason_and_the_search_goes_on() -> None:
    def fragile(hp: Any) -> dict[str, dict[str, Any]]:
        kind = hp.Choice("kind", ["good", "raises", "nan", "unknown argument", "wrong value"])
        if kind == "raises":
            raise RuntimeError("a reason\nin two lines")
        model = {"unit": 3} if kind == "unknown argument" else {"units": (0,)} if kind == "wrong value" else {}
        rate = 1e30 if kind == "nan" else hp.Float("learning_rate", 1e-3, 1e-2)
        return {"model": model, "training": {"learning_rate": rate, "clip_norm": None if kind == "nan" else 1.0}}

    result = run(space=fragile, trials=14, epochs=2)
    notes = {trial.values["kind"]: trial.note for trial in result.trials if trial.status == "failed"}
    assert notes["raises"] == "RuntimeError: a reason in two lines"
    assert "the training loss is" in notes["nan"]
    assert "did you mean units" in notes["unknown argument"]
    assert "units" in notes["wrong value"]
    assert result.best.values.get("kind", "good") == "good"
    assert all(trial.status == "completed" for trial in result.trials if trial.values.get("kind") == "good")


@pytest.mark.parametrize(
    ("training", "default"),
    [
        ({}, True),
        ({"augment": [], "learning_rate": 1e-3, "batch_size": 32, "weight_decay": 0.0}, True),
        ({"learning_rate": 1e-2}, False),
        ({"optimizer": "adamw"}, False),
        ({"precision": "mixed_bfloat16"}, False),
    ],
)
def test_what_training_does_if_nothing_is_said_is_the_default_however_it_is_said(
    training: dict[str, Any], default: bool
) -> None:
    from tuning.builder_trials import BuilderTrials

    assert BuilderTrials("mlp", blobs(), epochs=2).is_default({"model": {}, "training": training}) == default


@pytest.mark.usefixtures("unexported")
def test_three_failures_in_a_row_for_one_reason_end_it() -> None:
    def broken(hp: Any) -> dict[str, dict[str, Any]]:
        width = hp.Int("width", 1, 100, default=1)
        if width > 1:
            raise RuntimeError("out of cheese")
        return {"model": {}, "training": {}}

    with pytest.raises(JobError, match="no trial succeeded: RuntimeError: out of cheese"):
        run(space=broken, trials=50)
    assert len(list(next(Path(".runs").iterdir()).glob("search/trial_*"))) == 3


@pytest.mark.usefixtures("unexported")
def test_what_is_held_out_is_seen_by_no_trial() -> None:
    clean = blobs()
    from dataclasses import replace

    held = clean.held_out
    spoilt = replace(held, targets=(held.targets + 1) % 3)
    changed = replace(clean, **{"test" if clean.test is not None else "validation": spoilt})
    options = {"space": small, "trials": 4, "epochs": 2}
    honest = tuning.search(clean, "mlp", out="artifacts/a", **options)
    other = tuning.search(changed, "mlp", out="artifacts/b", run="elsewhere", **options)
    assert trial_rows(honest) == trial_rows(other)
    assert honest.held_out.best > other.held_out.best


@pytest.mark.slow
@pytest.mark.usefixtures("unexported")
def test_weights_of_the_best_alone_stay_on_disk() -> None:
    run(trials=6, run="kept", keep=2)
    assert len(list(Path("kept/search").glob("trial_*/state_*.npz"))) == 2
    run(trials=6, run="none", disk=0, out="artifacts/none")
    assert not list(Path("none/search").glob("trial_*/state_*.npz"))


@pytest.mark.slow
@pytest.mark.usefixtures("unexported")
def test_weights_that_are_gone_are_trained_again_to_the_same() -> None:
    first = run(trials=3, run="with", out="artifacts/with")
    second = run(trials=3, run="without", disk=0, out="artifacts/without")
    assert first.held_out == second.held_out


@pytest.mark.slow
@pytest.mark.usefixtures("unexported")
def test_folds_give_a_mean_and_a_spread() -> None:
    result = run(trials=2, folds=3)
    assert all(0 < trial.spread < 0.5 and 0 < trial.score <= 1 for trial in result.trials)


@pytest.mark.slow
@pytest.mark.usefixtures("unexported")
def test_memory_is_steady_over_a_hundred_trials() -> None:
    def resident() -> int:
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    if not Path("/proc/self/statm").is_file():
        pytest.skip("memory is read from /proc, which is not here")
    sizes: list[int] = []
    from tuning.builder_trials import BuilderTrials

    real = BuilderTrials.run

    def watched(self: Any, *given: Any, **named: Any) -> Any:
        outcome = real(self, *given, **named)
        if len(sizes) == 0 or watched.calls % 10 == 0:
            sizes.append(resident())
        watched.calls += 1
        return outcome

    watched.calls = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BuilderTrials, "run", watched)
        run(space=rates, trials=100, epochs=1, method="random")
    grown = (sizes[-1] - sizes[3]) / 2**20
    assert grown < 30, [round(size / 2**20) for size in sizes]


@pytest.mark.slow
@pytest.mark.usefixtures("unexported")
def test_the_budget_ends_the_search_and_the_trial_in_flight() -> None:
    started = time.monotonic()
    result = run(space=rates, trials=None, budget="6s", epochs=4)
    assert time.monotonic() - started < 60  # export and all
    assert "budget" in result.ended and len(result.trials) > 3


def test_a_budget_shorter_than_one_trial_says_so() -> None:
    with pytest.raises(InputError, match="shorter than one trial"):
        tuning.search(blobs(3000), "mlp", space=rates, budget="1s", epochs=5000)


@pytest.mark.usefixtures("unexported")
def test_another_search_is_not_overwritten() -> None:
    run(run="mine", trials=2)
    before = {path: path.read_bytes() for path in Path("mine").rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=r"mine is of a search with another seed: 0 there, 1 now"):
        run(run="mine", trials=2, seed=1)
    with pytest.raises(InputError, match="another method"):
        run("grid", run="mine", trials=2)
    assert before == {path: path.read_bytes() for path in Path("mine").rglob("*") if path.is_file()}
    Path("foreign").mkdir()
    Path("foreign/letter.txt").write_text("dear")
    with pytest.raises(InputError, match="not empty, and of no search"):
        run(run="foreign", trials=2)


@pytest.mark.usefixtures("unexported")
def test_more_trials_of_the_same_search_go_on_with_it() -> None:
    fewer = run(run="mine", trials=2)
    more = run(run="mine", trials=4, out="artifacts/more")
    assert trial_rows(more)[:3] == trial_rows(fewer) and len(more.trials) == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective": "r2"}, "r2 does not fit classification; expected an objective out of accuracy"),
        ({"objective": "acuracy"}, "did you mean accuracy"),
        ({"method": "genetic"}, "expected a method out of random"),
        ({"budget": "soon"}, "expected a budget as 90s, 10m or 1h30m"),
        ({"trials": 0}, "expected trials of at least 1, received 0"),
        ({"seed": -1}, "expected seed of at least 0"),
        ({"role": "worker"}, "needs the address of its chief"),
        ({"input_size": 8}, "input_size is for images in files"),
        ({"folds": 1}, "or of at least 2, received 1"),
        ({"method": "hyperband", "epochs": 2}, "epochs of at least 3"),
        ({"space": "nowhere.py:space"}, "is no file"),
        ({"space": lambda hp: {"model": {}, "training": {}}}, "draws nothing"),
        ({"space": lambda hp: {"model": {"unit": hp.Int("unit", 1, 2)}, "training": {}}}, "did you mean units"),
        ({"space": lambda hp: hp.Int("unit", 1, 2)}, "expected a space to return"),
        ({"oracle": "here"}, "HOST:PORT"),
    ],
)
def test_wrong_use_is_told_in_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        run(**change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1h30m", 5400), ("1.5h", 5400), (45, 45), ("2m30s", 150)]
)
def test_budgets(text: str | float, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.usefixtures("unexported")
def test_what_is_in_memory_is_searched_and_optimizers_are_names_in_a_space() -> None:
    import keras

    rows = np.random.default_rng(0).normal(size=(80, 3))
    parts = (rows[:60], (rows[:60, 0] > 0).astype(int)), (rows[60:], (rows[60:, 0] > 0).astype(int))

    def space(hp: Any) -> dict[str, dict[str, Any]]:
        return {"model": {"units": (hp.Choice("units", [4, 8]),)}, "training": {}}

    assert tuning.search(parts, "mlp", space=space, trials=1, epochs=2).best
    wrong = {"optimizer": keras.optimizers.SGD(), "loss": keras.losses.Huber()}
    for name, value in wrong.items():

        def given(hp: Any, name: str = name, value: Any = value) -> dict[str, dict[str, Any]]:
            return {"model": {"units": (hp.Choice("units", [4, 8]),)}, "training": {name: value}}

        with pytest.raises(InputError, match=f"expected the name of '{name}' in a search, received"):
            tuning.search(parts, "mlp", space=given, trials=1, epochs=2)
