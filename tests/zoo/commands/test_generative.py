"""`zoo generate`, `reconstruct`, `anomalies` and `latent`, and training what they ask, run as a user runs them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image

from support.programs import command


@pytest.fixture
def photos(workplace: Path, pixels: np.ndarray) -> Path:
    """Five digits, two of them inverted, and a file that is no image."""
    folder = workplace / "photos"
    folder.mkdir()
    for number, image in enumerate([*pixels[:3], 255 - pixels[0], 255 - pixels[1]]):
        Image.fromarray(image).save(folder / f"{number}.png")
    (folder / "bad.png").write_bytes(b"no image")
    return folder


def rows_of(path: str) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_anomalies_are_told_with_threshold_and_what_could_not_be_read(variational: Path, photos: Path) -> None:
    done = command("anomalies", variational.parent, photos, "--csv", "found.csv")
    assert done.returncode == 0, done.stderr
    card = json.loads((variational / "card.json").read_text())
    found = rows_of("found.csv")
    assert list(found[0]) == ["name", "score", "threshold", "is_anomaly", "error"] and len(found) == 6
    assert [Path(row["name"]).name for row in found[2:]][-1] == "bad.png" and "not an image" in found[-1]["error"]
    assert {Path(row["name"]).name for row in found[:2]} == {"3.png", "4.png"}
    scores = [float(row["score"]) for row in found[:5]]
    assert scores == sorted(scores, reverse=True)
    assert [row["is_anomaly"] for row in found[:5]] == [str(int(score > card["threshold"])) for score in scores]
    count = sum(score > card["threshold"] for score in scores)
    assert f"{count} of 5 are anomalies" in done.stdout and f"{card['threshold']:.5g}" in done.stdout
    low, high = (100 * each for each in card["false_alarms_between"])
    assert f"({low:.2g} to {high:.2g} %)" in done.stdout and low < 5 < high
    assert "5 % of normal examples" in done.stdout and "1 could not be read" in done.stdout
    assert "unreadable" in done.stdout and "every input: found.csv" in done.stdout


@pytest.mark.slow
def test_images_are_drawn_one_a_class(conditional: Path, workplace: Path) -> None:
    done = command("generate", conditional, "-n", 6)
    assert done.returncode == 0, done.stderr
    assert "6 images of seed 0: samples.png" in done.stdout
    with Image.open("samples.png") as sheet:
        assert sheet.width < sheet.height * 2.5 and sheet.width == 2 + 3 * 58  # a column a class


@pytest.mark.slow
def test_single_files_labels_and_strips(conditional: Path, variational: Path, workplace: Path) -> None:
    import zoo as package

    done = command("generate", conditional, "-n", 3, "--label", "two", "--seed", 5, "--out", "twos")
    assert done.returncode == 0 and "3 images of seed 5 in twos/" in done.stdout
    files = sorted(Path("twos").iterdir())
    assert [file.name for file in files] == ["0000.png", "0001.png", "0002.png"]
    images = package.load(conditional).generate(3, seed=5, label="two")
    for file, image in zip(files, images, strict=True):
        assert np.abs(np.asarray(Image.open(file)).astype(float) - image[..., 0]).max() <= 0.51
    again = command("generate", conditional, "--out", "twos")
    assert again.returncode == 2 and "nothing is overwritten" in again.stderr
    for artifact in (conditional, variational):
        strips = command("generate", artifact, "-n", 2, "--interpolate", "--out", "strips.png")
        assert strips.returncode == 0 and "2 strips" in strips.stdout
        with Image.open("strips.png") as sheet:
            assert sheet.size == (2 + 8 * 58, 2 + 2 * 58)


@pytest.mark.slow
def test_reconstructions_and_the_way_between_two(variational: Path, photos: Path) -> None:
    done = command("reconstruct", variational, photos, "--csv", "errors.csv")
    assert done.returncode == 0 and "reconstructed.png; every image: errors.csv" in done.stdout, done.stderr
    found = rows_of("errors.csv")
    assert len(found) == 6 and "not an image" in found[-1]["error"]
    assert float(found[0]["psnr"]) == pytest.approx(-10 * np.log10(float(found[0]["mse"])))
    assert Image.open("reconstructed.png").height > Image.open("reconstructed.png").width / 3
    strip = command("reconstruct", variational, photos / "0.png", photos / "1.png", "--interpolate", "--out", "way.png")
    assert strip.returncode == 0 and "8 steps" in strip.stdout
    with Image.open("way.png") as drawn:
        assert drawn.size == (2 + 8 * 58, 2 + 58)


@pytest.mark.slow
def test_codes_are_drawn_by_class(variational: Path, workplace: Path, pixels: np.ndarray, labels: np.ndarray) -> None:
    for number, (image, label) in enumerate(zip(pixels[:30], labels[:30], strict=True)):
        Path("set", str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(f"set/{label}/{number}.png")
    done = command("latent", variational, "set")
    assert done.returncode == 0 and "30 examples, in 3 classes: latent.png" in done.stdout, done.stderr
    assert Path("latent.png").stat().st_size > 5000
    flat = command("latent", variational, "set/1", "--out", "one.svg")
    assert flat.returncode == 0 and "classes" not in flat.stdout and Path("one.svg").stat().st_size > 1000


@pytest.mark.slow
def test_training_without_labels_and_for_anomalies(photos: Path, pixels: np.ndarray, labels: np.ndarray) -> None:
    for number, (image, label) in enumerate(zip(pixels[:200], labels[:200], strict=True)):
        Path("set", str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(f"set/{label}/{number}.png")
    options = ("--epochs", 3, "--input-size", 8)
    made = command("train", "gan", "set", "--no-labels", "--set", "units=16", *options)
    assert made.returncode == 0, made.stderr
    assert "Fréchet" in made.stdout and "the critic's loss" in made.stdout
    assert "no label differs" not in made.stdout and "zoo predict" not in made.stdout
    assert "artifact: saved_models/set/1\nask it:   zoo generate saved_models/set --out samples.png" in made.stdout
    assert len(list(Path("saved_models/set/1/run/samples").glob("*.png"))) == 3
    odd = command(
        *("train", "conv_autoencoder", "set", "--normal", "0,1", "--false-alarms", 0.1, "--out", "saved_models/odd"),
        *("--set", "filters=8", *options),
    )
    assert odd.returncode == 0, odd.stderr
    assert "isolation forest" in odd.stdout and "threshold" in odd.stdout and "no verdict differs" in odd.stdout
    assert "ask it:   zoo anomalies saved_models/odd PHOTO" in odd.stdout and "zoo generate" not in odd.stdout
    asked = command("anomalies", "odd", photos / "0.png", "set/2/*.png", "--json")
    found = json.loads(asked.stdout)
    assert found["false_alarms"] == 0.1 and len(found["inputs"]) == 1 + len(list(Path("set/2").iterdir()))


@pytest.mark.slow
def test_a_series_from_training_to_a_table_of_reconstructions(workplace: Path) -> None:
    time = np.arange(200)
    pandas.DataFrame({"time": time, "height": np.sin(time / 5)}).to_csv("waves.csv", index=False)
    options = ("--window", 10, "--epochs", 3, "--set", "units=8", "--false-alarms", 0.1, "--json")
    made = command("train", "sequence_autoencoder", "waves.csv", *options)
    assert made.returncode == 0, made.stderr
    done = command("reconstruct", "waves", "waves.csv")
    assert done.returncode == 0 and "191 sequences: reconstructed.csv" in done.stdout, done.stderr
    found = rows_of("reconstructed.csv")
    assert len(found) == 191 * 10 and [found[0]["step"], found[9]["step"]] == ["1", "10"]
    assert found[0]["feature"] == "height" and float(found[7]["input"]) == pytest.approx(np.sin(7 / 5), abs=1e-6)
    for arguments in (("--interpolate",), ("--out", "x.png")):
        wrong = command("reconstruct", "waves", "waves.csv", *arguments)
        assert wrong.returncode == 2 and "use --csv alone" in wrong.stderr


def test_nothing_that_can_be_read_is_code_1(variational: Path, photos: Path) -> None:
    done = command("anomalies", variational, photos / "bad.png", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["inputs"][0]["error"].startswith("not an image")


def test_wrong_use_is_one_line_and_code_2(variational: Path, conditional: Path, photos: Path) -> None:
    cases = [
        (("predict", conditional, photos), "is a conditional_gan, which does not answer zoo predict"),
        (("evaluate", variational, photos), "ask it with: zoo anomalies, zoo reconstruct, zoo latent, zoo generate"),
        (("latent", conditional, photos), "ask it with: zoo generate"),
        (("generate", variational, "--label", "3"), "without classes"),
        (("reconstruct", variational, photos / "0.png", "--interpolate"), "two files"),
        (("anomalies", variational, "nowhere/*.png"), "no file fits"),
        (("anomalies", "nothing", photos), "zoo train"),
    ]
    for arguments, message in cases:
        result = command(*arguments)
        lines = [line for line in result.stderr.splitlines() if line.startswith("zoo: ")]
        assert result.returncode == 2, (arguments, result.stderr)
        assert len(lines) == 1 and message in lines[0], (arguments, result.stderr)
        assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_more_wrong_use(variational: Path, conditional: Path, photos: Path) -> None:
    pandas.DataFrame({"a": np.arange(40.0), "kind": ["x", "y"] * 20}).to_csv("t.csv", index=False)
    cases = [
        (("generate", conditional, "--label", "three"), "out of nought, one, two; received 'three'"),
        (("generate", conditional, "--out", "x.bmp"), "to end in .png"),
        (("reconstruct", variational, photos / "bad.png"), "nothing could be read"),
        (("latent", variational, photos, "--out", "x.bmp"), "to end in .pdf"),
        (("latent", variational, "nowhere"), "does not exist"),
        (("train", "gan", "t.csv", "--target", "kind"), "gan"),
        (("train", "mlp", "t.csv", "--target", "kind", "--normal", "x"), "autoencoder"),
        (("train", "dense_autoencoder", "t.csv", "--target", "kind", "--normal", "z"), "x, y"),
        (("train", "dense_autoencoder", "t.csv", "--target", "kind", "--false-alarms", "2"), "between 0 and 1"),
    ]
    for arguments, message in cases:
        result = command(*arguments)
        lines = [line for line in result.stderr.splitlines() if line.startswith("zoo: ")]
        assert result.returncode == 2, (arguments, result.stderr)
        assert len(lines) == 1 and message in lines[0], (arguments, result.stderr)
