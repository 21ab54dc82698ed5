"""A task of a few lines, registered here, goes through the whole house: nothing else of it knows the task."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import tuning
import zoo
from support.programs import command
from support.servers import served
from zoo.errors import InputError, JobError
from zoo.serving.model_manager import ModelManager
from zoo.tasks.registry import TASKS, register
from zoo.tasks.task import Task
from zoo.tasks.terms import Answer, Measure, Plan, Value


@dataclass(frozen=True)
class Counts(Task):
    """How many there are, by Poisson regression; and whether these are more than in most of the training examples."""

    limit: float | None = None

    name: ClassVar[str] = "counts"
    outputs: ClassVar[tuple[str, ...]] = ("rate",)
    measures: ClassVar[tuple[Measure, ...]] = (Measure("deviance", "min", lambda task, *both: task.losses(*both)),)

    @classmethod
    def of(cls, raw: Any) -> Counts:
        return cls(raw.columns)

    def encode(self, raw: Any) -> np.ndarray:
        values = raw.numbers()
        bad = ~((values >= 0) & (values == np.round(values)))
        if bad.any():
            row, column = np.argwhere(bad)[0]
            received = raw.strings()[row, column]
            raise InputError(
                f"{raw.where}: {raw.names[row]}: expected a whole number of 0 or more, received {received}"
            )
        return values.astype(np.float32)

    def fitted(self, targets: np.ndarray) -> Counts:
        return replace(self, limit=float(np.quantile(targets, 0.75)))

    def arguments(self) -> dict[str, Any]:
        return {"output": "softplus"}

    def plan(self, network: Any) -> Plan:
        import keras

        return Plan(keras.losses.Poisson())

    def losses(self, targets: np.ndarray, outputs: Any) -> np.ndarray:
        rate = np.maximum(outputs["rate"], 1e-7).astype(np.float64)
        return (rate - targets * np.log(rate)).mean(axis=1)

    def constant(self, targets: np.ndarray) -> np.ndarray:
        return targets.mean(axis=0, dtype=np.float64)

    def values(self) -> dict[str, Value]:
        return {"rate": Value("numbers", "how many"), "is_busy": Value("flag", "whether these are many")}

    def answer(self, outputs: Any, request: Any, xp: Any) -> Answer:
        first = outputs["rate"][:, 0]
        return Answer({"rate": outputs["rate"], "is_busy": first > self.limit}, {"is_busy": xp.abs(first - self.limit)})

    def to_card(self) -> dict[str, Any]:
        return super().to_card() | {"limit": self.limit}

    @classmethod
    def from_card(cls, card: Any) -> Counts:
        return cls(tuple(card["classes"]), card["limit"])


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    register(Counts)
    yield
    del TASKS["counts"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Visitors by temperature and hour: their mean is an exponential of both."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(400, 2))
    visitors = rng.poisson(np.exp(1 + 0.8 * inputs[:, 0] - 0.5 * inputs[:, 1]))
    rows = [f"{a:.4f},{b:.4f},{n}" for (a, b), n in zip(inputs, visitors, strict=True)]
    path = tmp_path_factory.mktemp("counts") / "visitors.csv"
    path.write_text("\n".join(["temperature,hour,visitors", *rows, ""]))
    return path


@pytest.fixture(scope="module")
def data(table: Path) -> Any:
    return zoo.data.open(table, target="visitors", task="counts")


@pytest.fixture(scope="module")
def trained(data: Any) -> Any:
    return zoo.train("mlp", data, model={"units": (16,)}, epochs=60, learning_rate=1e-2)


@pytest.fixture(scope="module")
def version(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained.export(tmp_path_factory.mktemp("made") / "visitors")


def test_it_is_checked(table: Path, tmp_path: Path) -> None:
    shown = command("check", table, "--target", "visitors", "--task", "counts")
    assert shown.returncode == 0 and "counts" in shown.stdout
    broken = tmp_path / "broken.csv"
    broken.write_text(table.read_text().replace("visitors\n", "visitors\n0.1,0.2,-3\n"))
    refused = command("check", broken, "--target", "visitors", "--task", "counts")
    assert refused.returncode == 2 and "row 2: expected a whole number of 0 or more, received -3" in refused.stderr


def test_it_is_trained_and_scored_beside_a_constant(trained: Any) -> None:
    evaluation = trained.evaluation
    assert evaluation.scores["deviance"] < evaluation.baselines["always the same"]["deviance"] - 0.1
    assert trained.task.limit == pytest.approx(np.quantile(trained.data.train.targets, 0.75))
    assert zoo.diagnose(trained) == ()


def test_it_answers_and_is_scored_again(version: Path, table: Path, tmp_path: Path) -> None:
    loaded = zoo.load(version)
    (one,) = loaded.predict({"temperature": 2.0, "hour": -1.0})
    assert one.answer["is_busy"] is True and one.answer["rate"]["visitors"] > loaded.task.limit
    shown = command("predict", version, table, "--csv", tmp_path / "answers.csv")
    assert shown.returncode == 0, shown.stderr
    assert (tmp_path / "answers.csv").read_text().startswith("name,visitors,is_busy,error\n")
    as_json = json.loads(command("predict", version, table, "--json").stdout)
    assert as_json[0].keys() == {"name", "rate", "is_busy"}
    assert "is_busy" in command("predict", version, table).stdout
    again = tmp_path / "new.csv"
    again.write_text("temperature,hour,visitors\n2.5,0.1,21\n-1.5,0.3,1\n")
    scored = command("evaluate", version, again, "--csv", tmp_path / "rows.csv")
    assert scored.returncode == 0 and "deviance" in scored.stdout, scored.stderr
    assert (tmp_path / "rows.csv").read_text().startswith("name,target,rate,is_busy\n")


def test_it_is_searched(data: Any, tmp_path: Path) -> None:
    found = tuning.search(data, "mlp", trials=2, epochs=3, out=tmp_path / "best")
    assert (found.objective, found.direction) == ("deviance", "min")
    assert zoo.load(found.artifact).task.name == "counts"
    with pytest.raises(InputError, match="accuracy does not fit counts; expected an objective out of deviance"):
        tuning.search(data, "mlp", trials=1, objective="accuracy", out=tmp_path / "none")


def test_it_is_exported_and_verified(version: Path, table: Path) -> None:
    for shown in (command("export", version, "--format", "litert,openvino"), command("verify", version, table)):
        assert shown.returncode == 0, shown.stderr
    manifest = json.loads((version / "formats" / "openvino" / "manifest.json").read_text())
    assert set(manifest["outputs"]) == {"rate", "is_busy"}


def test_it_is_served(version: Path) -> None:
    row = {"temperature": 2.0, "hour": -1.0}
    (one,) = zoo.load(version).predict(row)
    with served(ModelManager({"visitors": version})) as client:
        status, reply = client("/v1/models/visitors:predict", {"instances": [row]})
        described = client("/v1/models")[1]["models"][0]
    assert status == 200 and described["values"]["is_busy"]["form"] == "flag"
    (said,) = reply["predictions"]
    assert said["is_busy"] is True and said["rate"][0] == pytest.approx(one.answer["rate"]["visitors"], rel=1e-5)


@pytest.mark.parametrize("fault", ["is_busy", "rate"])
def test_an_export_that_says_otherwise_is_refused(
    trained: Any, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Counts.answer

    def wrong(self: Counts, outputs: Any, request: Any, xp: Any) -> Answer:
        said = right(self, outputs, request, xp)
        if xp is np:
            return said
        return said._replace(
            values=said.values | {fault: {"is_busy": ~said.values["is_busy"], "rate": 1.001 * outputs["rate"]}[fault]}
        )

    monkeypatch.setattr(Counts, "answer", wrong)
    with pytest.raises(JobError, match="no version was published"):
        trained.export(tmp_path / "wrong")
    assert not list((tmp_path / "wrong").glob("[0-9]*"))


def methods() -> list[str]:
    own = [name for name, value in vars(Counts).items() if inspect.isfunction(value) or isinstance(value, classmethod)]
    return [name for name in own if not name.startswith("__") and name in vars(Task)]


@pytest.mark.parametrize("name", [*methods(), "name", "outputs", "measures"])
def test_without_any_line_of_it_it_fails_and_never_passes_wrongly(name: str, table: Path) -> None:
    parts = {key: value for key, value in vars(Counts).items() if key != name and not key.startswith(("__", "_abc"))}
    parts["__annotations__"] = {k: v for k, v in Counts.__annotations__.items() if k != name}
    parts |= {"__module__": __name__, "name": "lacking"} if name != "name" else {"__module__": __name__}
    lacking = dataclass(frozen=True)(type("Lacking", (Task,), parts))
    try:
        with pytest.raises(InputError) as raised:
            register(lacking)
            data = zoo.data.open(table, target="visitors", task="lacking")
            zoo.train("mlp", data, model={"units": (4,)}, epochs=1)
        assert str(raised.value)
    finally:
        TASKS.pop("lacking", None)
