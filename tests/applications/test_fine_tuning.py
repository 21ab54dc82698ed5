from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import zoo
from applications import FineTuned, fine_tune
from applications.backbones import BACKBONES
from applications.features import Extractor
from applications.fine_tuning import evaluate
from applications.reading import Job, embed_data
from support import forks
from support.pictures import photo
from support.places import shared
from zoo import InputError, JobError
from zoo.artifacts import artifact, saved_model
from zoo.data import images
from zoo.kinds.images import decoding
from zoo.progress import Stopwatch

SMALL = 32  # pixels: the least input of the default backbone, for tests that are not about quality


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> FineTuned:
    """One fine-tune of three colours, in every format that the exported graph reads, and TIFF."""
    root = tmp_path_factory.mktemp("job")
    suffixes = ("jpg", "png", "gif", "bmp", "webp", "tiff")
    for colour, name in enumerate(("blue", "green", "red")):
        for index in range(24):
            photo(root / "photos" / name / f"{index:02d}.{suffixes[index % 6]}", 2 - colour, 100 * colour + index)
    (root / "photos" / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    before = Path.cwd()
    os.chdir(root)
    try:
        return fine_tune(root / "photos", input_size=SMALL, out=root / "saved_models" / "colours")
    finally:
        os.chdir(before)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """Models and scores that would be exported, for tests of what comes before: an export takes longer."""
    kept = []

    def publish(model: Any, data: Any, task: Any, card: Any, said: Any, evaluation: Any, *, out: Path, **_: Any) -> Any:
        kept.append((model, said["probabilities"]))
        return out, evaluation

    monkeypatch.setattr(artifact, "publish", publish)
    return kept


def test_a_class_that_a_head_never_gives_is_told(done: FineTuned) -> None:
    part = done.data.held_out
    always = np.eye(3, dtype=np.float32)[np.zeros(len(part), int)]
    data = replace(done.data, validation=part.chosen(np.repeat(np.arange(len(part)), 5)))
    evaluation, findings = evaluate(data, data.fitted_task, np.repeat(always, 5, axis=0), {}, False, 0)
    assert evaluation.classes["red"]["predicted"] == 0
    assert "class hardly ever predicted" in {finding.symptom for finding in findings}
    assert "--class-weights" not in str(findings[0])


def test_the_artifact_is_whole(done: FineTuned) -> None:
    names = {path.relative_to(done.artifact).as_posix() for path in done.artifact.rglob("*") if path.is_file()}
    wanted = {"saved_model.pb", "variables/variables.index", "assets/labels.txt", "model.keras", "card.json"}
    assert wanted | {"run/splits.csv", "run/intake.csv"} <= names
    assert done.artifact.name == "1"
    assert (done.artifact / "assets" / "labels.txt").read_text() == "blue\ngreen\nred\n"
    card = json.loads((done.artifact / "card.json").read_text())
    assert card["classes"] == ["blue", "green", "red"]
    assert card["metrics"]["accuracy"] == done.evaluation.accuracy == 1.0
    assert card["metrics"]["baselines"] == done.evaluation.baselines == {"nearest neighbours of the embeddings": 1.0}
    assert card["findings"] == [] and done.findings == ()
    assert card["backbone"] == "efficientnet_lite0" and card["data_fingerprint"] == done.data.fingerprint
    assert not list(done.artifact.parent.parent.parent.glob(".runs/*"))
    assert [note.name for note in done.data.intake if note.action == "left out"] == ["red/broken.jpg"]


def test_parity_is_proven_over_every_format(done: FineTuned) -> None:
    parity = json.loads((done.artifact / "card.json").read_text())["parity"]
    held_out = {decoding.probe(path).format for path in done.data.held_out.inputs}
    assert set(parity["formats"]) == held_out & decoding.GRAPH_FORMATS
    assert parity["passed"] and parity["largest_difference"] <= 1e-5 and parity["label_differences"] == 0


@pytest.mark.numerical
def test_tensorflow_alone_gives_the_scores_that_are_in_the_card(done: FineTuned, tmp_path: Path) -> None:
    moved = shutil.copytree(done.artifact, tmp_path / "elsewhere")
    files = [str(p) for p in done.data.held_out.inputs if decoding.probe(p).format in decoding.GRAPH_FORMATS]
    code = (
        "import sys, json; sys.modules.update(zoo=None, applications=None, keras=None)\n"
        "import tensorflow as tf\n"
        "served = tf.saved_model.load(sys.argv[1])\n"
        "content = [open(f, 'rb').read() for f in sys.argv[2:]]\n"
        "answer = served.signatures['serving_default'](image_bytes=tf.constant(content))\n"
        "wide = served.signatures['embed'](image_bytes=tf.constant(content))['embedding'].shape\n"
        "print(json.dumps([[l.decode() for l in answer['label'].numpy()], answer['probabilities'].numpy().tolist(),"
        " list(wide)]))"
    )
    output = forks.run(code, str(moved), *[str(Path(f).resolve()) for f in files])
    labels, probabilities, shape = json.loads(output.splitlines()[-1])
    expected = zoo.load(done.artifact).predict(files)
    assert labels == [e.label for e in expected] == [Path(f).parent.name for f in files]
    wanted = [[e.probabilities[name] for name in ("blue", "green", "red")] for e in expected]
    assert np.abs(np.array(probabilities) - wanted).max() <= 1e-5
    assert shape == [len(files), 1280]


def test_predictions_from_files_arrays_pictures_and_lists(done: FineTuned, tmp_path: Path) -> None:
    predictor = zoo.load(done.artifact.parent)
    file = photo(tmp_path / "in" / "a photo.png", 0, 5)
    (tmp_path / "in" / "bad.jpg").write_bytes(b"nothing")
    (tmp_path / "in" / ".hidden").write_bytes(b"nothing")
    by_file = predictor.predict(file)[0]
    assert by_file.label == "red" and by_file.name == str(file)
    assert sum(by_file.probabilities.values()) == pytest.approx(1, abs=1e-5)
    with Image.open(file) as picture:
        both = predictor.predict([picture, np.asarray(picture)])
    assert [b.name for b in both] == ["input 0", "input 1"]
    assert all(b.probabilities == pytest.approx(by_file.probabilities, abs=1e-6) for b in both)
    rows = {Path(row.name).name: row for row in predictor.predict(tmp_path / "in")}
    assert rows["a photo.png"].label == "red"
    assert rows[".hidden"].error == "hidden" and "not an image" in rows["bad.jpg"].error
    with pytest.raises(InputError, match="does not exist"):
        predictor.predict(tmp_path / "nowhere.png")


def test_evaluation_leaves_out_what_was_trained_on(done: FineTuned) -> None:
    report = zoo.load(done.artifact).evaluate(done.data.source)
    assert {row.name for row in report.rows} == set(done.data.held_out.names)
    told = [note for note in report.intake if note.reason == "the model was trained on them"]
    assert told[0].name == f"{len(done.data.train)} examples"
    assert report.evaluation.accuracy == done.evaluation.accuracy


def test_evaluation_says_how_many_strangers_are_found(done: FineTuned, tmp_path: Path) -> None:
    for index in range(20):
        grey = np.tile(np.arange(32, dtype=np.uint8)[:, None] * (3 + index // 5), (1, 32))
        Image.fromarray(grey).save(tmp_path / f"{index}.png")
    (tmp_path / "bad.png").write_bytes(b"nothing")
    report = zoo.load(done.artifact).evaluate(done.data.source, strangers=tmp_path)
    scores, held_out = report.strangers, done.data.held_out
    assert (scores.known, scores.strangers) == (len(held_out), 20) and scores.roc_auc > 0.95
    answers = zoo.load(done.artifact).predict([*held_out.inputs, *sorted(tmp_path.glob("[0-9]*"))])
    unknown = np.array([not each.is_known for each in answers])
    assert scores.false_alarms == unknown[: len(held_out)].mean() and scores.found == unknown[len(held_out) :].mean()
    assert set(scores.baselines) == {"1 - maximum probability"}
    assert [note.name for note in report.intake if "bad.png" in note.name] == [str(tmp_path / "bad.png")]
    with pytest.raises(InputError, match="no stranger can be read"):
        zoo.load(done.artifact).evaluate(done.data.source, strangers=tmp_path / "bad.png")


def test_evaluation_sorts_the_most_confidently_wrong_first(done: FineTuned, tmp_path: Path) -> None:
    for index in range(3):
        photo(tmp_path / "set" / "red" / f"{index}.png", 0, 700 + index)
    photo(tmp_path / "set" / "blue" / "really red.png", 0, 800)
    report = zoo.load(done.artifact).evaluate(tmp_path / "set")
    assert report.rows[0].name == "blue/really red.png" and not report.rows[0].right
    report.save(tmp_path / "scores.csv")
    first = (tmp_path / "scores.csv").read_text().splitlines()[1]
    assert first.startswith("blue/really red.png,blue,red,")
    photo(tmp_path / "set" / "violet" / "0.png", 0, 900)
    with pytest.raises(InputError, match="does not know the label 'violet'"):
        zoo.load(done.artifact).evaluate(tmp_path / "set")


def test_loading_needs_no_pickle_and_says_what_is_wrong(done: FineTuned, workplace: Path) -> None:
    with pytest.raises(InputError, match="no artifact of that name"):
        zoo.load("nothing")
    (workplace / "half" / "1").mkdir(parents=True)
    (workplace / "half" / "1" / "card.json").write_text("{")
    with pytest.raises(InputError, match="card.json can't be read"):
        zoo.load(workplace / "half")


@pytest.mark.numerical
@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(
    folder: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch, published: list[tuple]
) -> None:
    for name in ("first", "second"):
        monkeypatch.setenv("ZOO_CACHE", str(workplace / name))
        fine_tune(folder, input_size=SMALL, effort="max", epochs=2)
    (first, scores), (second, again) = published
    assert (scores == again).all()
    assert all((a == b).all() for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


@pytest.mark.slow
def test_an_export_that_differs_publishes_nothing(
    tiny: str, folder: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = saved_model.saved_model

    def broken(model: object, place: Path, **options: object) -> None:
        head = model.get_layer("predictions")
        kernel, bias = head.get_weights()
        head.set_weights([kernel * 0.9, bias])  # after model.keras was written
        export(model, place, **options)

    monkeypatch.setattr(saved_model, "saved_model", broken)
    with pytest.raises(JobError, match="no version was published") as caught:
        fine_tune(folder, tiny, weights=None, out="saved_models/broken")
    assert not artifact.versions(Path("saved_models/broken"))
    assert not list(Path("saved_models/broken").iterdir())
    run = next(Path(".runs").iterdir())
    assert str(run) in str(caught.value)
    assert {"model.keras", "parity.json", "splits.csv"} <= {path.name for path in run.iterdir()}
    assert json.loads((run / "parity.json").read_text())["largest_difference"] > 1e-5


@pytest.mark.slow
def test_an_export_that_can_not_be_run_leaves_the_model_in_the_run_folder(
    tiny: str, folder: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = saved_model.saved_model

    def truncated(model: object, place: Path, **options: object) -> None:
        export(model, place, **options)
        os.truncate(place / "saved_model.pb", 1000)

    monkeypatch.setattr(saved_model, "saved_model", truncated)
    with pytest.raises(JobError, match="can't be run"):
        fine_tune(folder, tiny, weights=None, out="saved_models/broken")
    assert not list(Path("saved_models/broken").iterdir())
    assert (next(Path(".runs").iterdir()) / "model.keras").stat().st_size > 0
    monkeypatch.undo()
    monkeypatch.chdir(workplace)
    data = images(folder, validation=0.5, seed=9)  # data that is read already is taken as it is
    repaired = fine_tune(data, tiny, weights=None, out="saved_models/broken")
    assert repaired.artifact == Path("saved_models/broken/1")
    assert repaired.data.held_out.names == data.validation.names
    assert not (repaired.artifact / "run" / "model.keras").exists()


@pytest.mark.slow
def test_several_labels_from_a_manifest(tiny: str, folder: Path, workplace: Path) -> None:
    rows = ["path,label"]
    for path in sorted(folder.rglob("*.png")):
        warm = {"red": "red;warm", "grün": "grün", "blue sky": ""}[path.parent.name]
        rows.append(f"{path.relative_to(folder.parent).as_posix()},{warm}")
    manifest = folder.parent / "list.csv"
    manifest.write_text("\n".join(rows), encoding="utf-8")
    result = fine_tune(manifest, tiny, weights=None)
    assert result.data.classes == ("grün", "red", "warm")
    assert result.evaluation.accuracy == 1.0 > result.evaluation.baseline
    assert zoo.load("list").predict(folder / "red" / "00.png")[0].label == "red;warm"
    scored = zoo.load("list").evaluate(manifest)  # a row without a label is an answer here
    assert {row.name for row in scored.rows} == set(result.data.held_out.names)


@pytest.mark.numerical
@pytest.mark.slow
def test_unfreezing_ships_what_the_inner_split_prefers_and_starts_from_ones_own_model(
    tiny: str, folder: Path, workplace: Path
) -> None:
    result = fine_tune(folder, tiny, weights=None, effort="balanced", epochs=3, augment=("flip", "mixup"))
    (said,) = [note for note in result.notes if note.startswith("fine-tuning the last 1 blocks")]
    shipped = "a linear head on the frozen backbone" in result.evaluation.baselines
    assert "log loss" in said and (" helped: " in said) == shipped and ("did not help" in said) != shipped
    again = fine_tune(folder, start=result.artifact, out="saved_models/again")
    assert again.evaluation.accuracy >= 0.9
    card = json.loads((again.artifact / "card.json").read_text())
    assert card["input"]["size"] == [SMALL, SMALL] and card["weights"] == "model.keras"


@pytest.mark.slow
def test_images_that_are_not_augmented_are_taken_as_they_are(
    tiny: str, folder: Path, workplace: Path, published: list[tuple]
) -> None:
    result = fine_tune(folder, tiny, weights=None, effort="max", epochs=1, augment=())
    assert any("on the images as they are" in note for note in result.notes)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["convnext_tiny", "resnet50"])  # parts are tested of every family
def test_other_backbones_go_through_the_whole_job(name: str, folder: Path, workplace: Path) -> None:
    import keras

    result = fine_tune(folder, name, weights=None, input_size=BACKBONES[name].least_input_size, out="saved_models/any")
    assert zoo.load("any").predict(folder / "red" / "00.png")[0].label in result.data.classes
    keras.backend.clear_session()


@pytest.mark.slow
def test_ants_and_bees(workplace: Path) -> None:
    result = fine_tune(shared("ants_bees"))
    assert result.evaluation.examples == 153
    assert result.evaluation.correct >= 145


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"backbone": "efficientnet_light0"}, "did you mean efficientnet_lite0"),
        ({"effort": "huge"}, "quick, balanced, max"),
        ({"input_size": 8}, "at least 32, received 8"),
        ({"augment": ["blur"]}, "received 'blur'"),
        ({"epochs": 0}, "at least one block and one epoch"),
        ({"start": "nowhere"}, "no artifact"),
    ],
)
def test_wrong_arguments_are_refused_before_any_work(
    folder: Path, workplace: Path, options: dict, expected: str
) -> None:
    with pytest.raises(InputError, match=expected):
        fine_tune(folder, **options)
    assert not Path(".runs").exists() and not Path("saved_models").exists()


def test_the_folder_that_is_read_is_not_written_to(folder: Path, workplace: Path) -> None:
    with pytest.raises(InputError, match="only read"):
        fine_tune(folder, out=folder / "model")


def test_what_the_export_can_not_read_is_told_before_training(tmp_path: Path, workplace: Path) -> None:
    for colour, name in enumerate("ab"):
        for index in range(4):
            photo(tmp_path / "scans" / name / f"{index}.tiff", colour, index + 10 * colour)
    with pytest.raises(InputError, match="reads no held-out image \\(2 TIFF\\)"):
        fine_tune(tmp_path / "scans", input_size=SMALL)


@pytest.mark.slow
def test_what_the_first_model_was_trained_on_is_not_scored_by_the_second(
    tiny: str, folder: Path, workplace: Path
) -> None:
    first = fine_tune(folder, tiny, weights=None, out="saved_models/first")
    again = fine_tune(folder, start=first.artifact, seed=1, out="saved_models/again")
    assert not set(again.data.held_out.digests) & set(first.data.train.digests)
    trained = zoo.load("again").trained_on()
    assert set(first.data.train.digests) <= trained and set(again.data.train.digests) <= trained
    assert json.loads((again.artifact / "card.json").read_text())["start"] == str(first.artifact)


@pytest.mark.parametrize("given", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_size_of_held_out_images_has_no_say_in_the_crop(tmp_path: Path, given: bool) -> None:
    large = {"train": (40, 30), "val": (150, 150)} if given else {"": (150, 150)}
    for part, size in large.items():
        for colour, name in enumerate(("green", "red")):
            for index in range(8 if part == "train" else 20):
                small = not given and index < 9
                place = tmp_path / "photos" / part / name / f"{index:02d}.png"
                photo(place, colour, 100 * colour + index, (40, 30) if small else size)

    def sides(seed: int) -> tuple[float, float]:
        data = images(tmp_path / "photos", seed=seed)
        every, train = (
            [min(decoding.probe(path)[1:3]) for path in paths]
            for paths in ([path for part in data.parts.values() for path in part.inputs], data.train.inputs)
        )
        return float(np.median(every)), float(np.median(train))

    seed = 0 if given else next(seed for seed in range(200) if sides(seed)[1] < 64)
    assert sides(seed)[0] >= 64
    extractor = Extractor("efficientnet_lite0", None, 64, 0.875, 0)
    data, found, vectors = embed_data(tmp_path / "photos", extractor, Job(Stopwatch(), seed, []))
    assert found.crop == 1.0 and {each for part in data.parts.values() for each in part.digests} <= set(vectors)
