"""A kind of input of a few lines, registered here, goes through the whole house: nothing else of it knows the kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import tuning
import zoo
from support.programs import command
from support.servers import served
from zoo.data import assembling, targets
from zoo.data.dataset import Data
from zoo.data.kind import Kind, Raw
from zoo.data.look import Look
from zoo.data.notes import Note
from zoo.data.parts import Part
from zoo.errors import InputError, JobError
from zoo.kinds.registry import KINDS, READERS, register
from zoo.serving.model_manager import ModelManager
from zoo.tasks.classification import Classification
from zoo.tasks.task import Task


@dataclass(frozen=True)
class Spectra(Kind):
    """Spectra of light, a line of JSON each: {"name": "a", "counts": [...], "element": "iron"}."""

    channels: int

    name: ClassVar[str] = "spectrum"
    plural: ClassVar[str] = "spectra"

    @classmethod
    def recognises(cls, look: Look) -> str | None:
        return cls.name if look.name.endswith(".spectra") else None

    @property
    def shape(self) -> tuple[int | None, ...]:
        return (self.channels,)

    def raw(self, source: Any, *, every: bool = False) -> Raw:
        if not isinstance(source, str | Path):
            counts = np.atleast_2d(np.asarray(source, np.float32))
            names = [f"input {at}" for at in range(len(counts))]
        else:
            names, counts, _ = lines(source)
        if counts.shape[1] != self.channels:
            raise InputError(f"expected spectra of {self.channels} channels, received {counts.shape[1]}")
        return Raw(names, counts, {})

    def labelled(self, source: Any, task: Task) -> tuple[Part, list[Note]]:
        names, counts, elements = lines(source)
        encoded = task.encode(targets.Targets.of_labels(elements, names, str(source)))
        return Part(counts, encoded, tuple(names), tuple(assembling.row_digests(counts))), []

    def checked(self, values: dict[str, Any], most: int) -> dict[str, Any]:
        if (values[self.name] < 0).any():
            raise InputError("expected counts of 0 or more")
        return values

    def made_up(self, model: Any, count: int, rng: np.random.Generator) -> np.ndarray:
        return rng.poisson(20, (count, self.channels)).astype(np.float32)


def lines(path: Any) -> tuple[list[str], np.ndarray, list[str]]:
    rows = [json.loads(line) for line in Path(path).read_text().splitlines()]
    counts = np.array([row["counts"] for row in rows], np.float32)
    return [row["name"] for row in rows], counts, [row["element"] for row in rows]


def spectra(source: Any, *, seed: int = 0, validation: float = 0.2) -> Data:
    names, counts, elements = lines(source)
    written = targets.Targets.of_labels(elements, names, str(source))
    task = Classification.of(written)
    rows = assembling.Rows(counts, task.encode(written), names, assembling.row_digests(counts))
    given: dict[str, Any] = {"source": source, "sides": None, "notes": [], "validation": validation, "seed": seed}
    return assembling.assemble(rows, task, kind=Spectra(counts.shape[1]), preprocess=scaled, **given)


def scaled(train: Part) -> Any:
    import keras

    layer = keras.layers.Normalization()
    layer.adapt(train.inputs)
    return keras.Sequential([keras.Input(train.inputs.shape[1:]), layer], name="preprocess")


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    register(Spectra, spectra)
    yield
    del KINDS["spectrum"], READERS["spectrum"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Counts in 12 channels; each of three elements has a line of its own, which is three times as bright."""
    rng = np.random.default_rng(0)
    rows = []
    for at in range(240):
        element = at % 3
        brightness = np.full(12, 20.0)
        brightness[4 * element : 4 * element + 2] *= 3
        counts = rng.poisson(brightness).tolist()
        rows.append(json.dumps({"name": f"s{at}", "counts": counts, "element": ("iron", "neon", "zinc")[element]}))
    path = tmp_path_factory.mktemp("spectra") / "lamps.spectra"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def trained(file: Path) -> Any:
    return zoo.train("mlp", file, model={"units": (16,)}, epochs=20, learning_rate=1e-2)


@pytest.fixture(scope="module")
def version(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained.export(tmp_path_factory.mktemp("made") / "lamps")


def test_it_is_checked(file: Path, tmp_path: Path) -> None:
    shown = command("check", file)
    assert shown.returncode == 0 and "spectra" in shown.stdout and "zinc" in shown.stdout, shown.stderr
    assert zoo.data.open(file).kind == Spectra(12)
    refused = command("check", file, "--window", "3")
    assert refused.returncode == 2 and "read as spectra, which takes no option 'window'" in refused.stderr


def test_it_is_trained_and_scored_beside_simple_models(trained: Any) -> None:
    evaluation = trained.evaluation
    assert evaluation.accuracy > 0.9 and evaluation.baseline < 0.5
    assert evaluation.baselines["logistic regression"] > 0.9
    assert zoo.diagnose(trained) == ()


def test_it_answers_and_is_scored_again(version: Path, file: Path, tmp_path: Path) -> None:
    loaded = zoo.load(version)
    assert loaded.kind == Spectra(12)
    counts = np.full(12, 20.0)
    counts[8:10] = 60
    (one,) = loaded.predict(counts)
    assert one.label == "zinc"
    with pytest.raises(InputError, match="expected spectra of 12 channels, received 5"):
        loaded.predict(np.zeros(5))
    shown = command("predict", version, file, "--csv", tmp_path / "answers.csv")
    assert shown.returncode == 0, shown.stderr
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 241
    scored = command("evaluate", version, file)
    assert scored.returncode == 0 and "accuracy" in scored.stdout, scored.stderr


def test_it_is_searched(file: Path, tmp_path: Path) -> None:
    found = tuning.search(zoo.data.open(file), "mlp", trials=2, epochs=3, out=tmp_path / "best")
    assert zoo.load(found.artifact).kind == Spectra(12)


def test_it_is_exported_and_verified(version: Path, file: Path) -> None:
    for shown in (command("export", version, "--format", "litert,openvino"), command("verify", version, file)):
        assert shown.returncode == 0, shown.stderr
    manifest = json.loads((version / "formats" / "openvino" / "manifest.json").read_text())
    assert set(manifest["inputs"]) == {"spectrum"}


def test_it_is_served(version: Path) -> None:
    counts = [20] * 8 + [60, 60, 20, 20]
    with served(ModelManager({"lamps": version})) as client:
        status, reply = client("/v1/models/lamps:predict", {"instances": [{"spectrum": counts}]})
        refused = client("/v1/models/lamps:predict", {"instances": [{"spectrum": [-1, *counts[1:]]}]})
        described = client("/v1/models")[1]["models"][0]
    assert status == 200 and reply["predictions"][0]["label"] == "zinc"
    assert refused[0] == 400 and "expected counts of 0 or more" in json.dumps(refused[1])
    assert described["inputs"] == ["spectrum"]


def test_an_export_that_reads_it_otherwise_is_refused(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Spectra.specification

    def reversed_channels(self: Spectra) -> Any:
        specs, assemble = right(self)
        return specs, lambda **tensors: assemble(**tensors)[:, ::-1]

    monkeypatch.setattr(Spectra, "specification", reversed_channels)
    with pytest.raises(JobError, match="no version was published"):
        trained.export(tmp_path / "wrong")
    assert not list((tmp_path / "wrong").glob("[0-9]*"))


@pytest.mark.parametrize("name", ["name", "shape", "raw", "labelled"])
def test_without_any_line_of_it_it_is_not_registered(name: str) -> None:
    parts = {key: value for key, value in vars(Spectra).items() if key != name and not key.startswith(("__", "_abc"))}
    parts |= {"__module__": __name__, "__annotations__": {"channels": "int"}}
    if name != "name":
        parts["name"] = "lacking"
    lacking = dataclass(frozen=True)(type("Lacking", (Kind,), parts))
    with pytest.raises(InputError, match=f"Lacking: expected a kind with {name}"):
        register(lacking, spectra)
    assert "lacking" not in KINDS


def test_a_name_is_given_once() -> None:
    parts = {"__module__": __name__, "__annotations__": {}, "name": "spectrum"}
    other = dataclass(frozen=True)(type("Other", (Spectra,), parts))
    with pytest.raises(InputError, match="there is a kind spectrum already"):
        register(other, spectra)
