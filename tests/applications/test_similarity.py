"""Embeddings of photos, and the nearest photos of a folder."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

import applications
from applications import features
from applications.features import Extractor
from support.programs import command, foreign
from zoo.artifacts.nearest import Neighbour
from zoo.errors import InputError, Notice
from zoo.kinds.class_folders import Example
from zoo.kinds.images.folders import readable

SIZE = 64
SMALL = ["--input-size", str(SIZE)]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight crops of two real photos, at several depths and without labels."""
    from sklearn.datasets import load_sample_images

    root = tmp_path_factory.mktemp("scenes")
    for image, name in zip(load_sample_images().images, ("china", "flower"), strict=True):
        for number, left in enumerate((0, 130, 260, 390)):
            path = root / ("deep" if number % 2 else ".") / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[60:300, left : left + 240]).save(path)
    return root


@pytest.fixture
def photos(scenes: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return shutil.copytree(scenes, tmp_path / "photos")


@pytest.fixture
def runtimes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many photos each pass through a network was for, with an empty cache."""
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "own cache"))
    counts: list[int] = []
    runtime = features.Extractor.runtime
    monkeypatch.setattr(features.Extractor, "runtime", lambda self, count: counts.append(count) or runtime(self, count))
    return counts


def test_the_nearest_of_a_changed_copy_is_its_original(scenes: Path) -> None:
    for path in sorted(scenes.rglob("*.png")):
        image = Image.open(path)
        for changed in (image.rotate(8, Image.Resampling.BICUBIC), ImageEnhance.Brightness(image).enhance(1.3)):
            found = applications.similar(changed, scenes, 3, input_size=SIZE)
            assert len(found) == 3 and all(isinstance(each, Neighbour) for each in found)
            assert Path(found[0].name) == path
            similarities = [each.similarity for each in found]
            assert similarities == sorted(similarities, reverse=True)


def test_similarity_is_a_symmetric_cosine_of_the_embeddings(scenes: Path) -> None:
    paths = sorted(scenes.rglob("*.png"))
    vectors = applications.embed(scenes, input_size=SIZE).astype(np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    table = np.eye(len(paths))
    for at, path in enumerate(paths):
        found = applications.similar(path, scenes, 100, input_size=SIZE)
        assert len(found) == len(paths) - 1  # without itself
        for name, similarity in found:
            assert -1 <= similarity <= 1
            table[at, paths.index(Path(name))] = similarity
    np.testing.assert_allclose(table, table.T, atol=1e-6)
    np.testing.assert_allclose(table, unit @ unit.T, atol=1e-6)


def test_photos_are_taken_in_every_form(scenes: Path) -> None:
    paths = sorted(scenes.rglob("*.png"))
    expected = applications.embed([str(path) for path in paths], input_size=SIZE)
    assert expected.shape == (8, 1280) and expected.dtype == np.float32 and len(np.unique(expected, axis=0)) == 8
    images = [Image.open(path) for path in paths]
    arrays = np.stack([np.asarray(image) for image in images])
    for form in (scenes, [path.read_bytes() for path in paths], images, list(arrays), arrays):
        np.testing.assert_allclose(applications.embed(form, input_size=SIZE), expected, atol=1e-5)
    one = applications.embed(paths[3], input_size=SIZE)
    np.testing.assert_array_equal(one, expected[3:4])
    mixed = applications.embed([arrays[1], paths[0], arrays[1], paths[0]], input_size=SIZE)
    np.testing.assert_allclose(mixed, expected[[1, 0, 1, 0]], atol=1e-5)
    grey = np.asarray(images[0].convert("L"))
    repeated = applications.embed(np.repeat(grey[..., None], 3, axis=-1), input_size=SIZE)
    np.testing.assert_allclose(applications.embed(grey, input_size=SIZE), repeated, atol=1e-5)


def test_a_second_search_computes_nothing(photos: Path, runtimes: list[int]) -> None:
    query = photos / "china" / "0.png"
    first = applications.similar(query, photos, input_size=SIZE)
    assert runtimes == [8]
    assert applications.similar(query, photos, input_size=SIZE) == first and runtimes == [8]
    (photos / "china" / "2.png").rename(photos / "renamed.png")
    Image.new("RGB", (30, 30), "red").save(photos / "new.png")
    applications.similar(photos / "flower" / "0.png", photos, input_size=SIZE)
    assert runtimes == [8, 1]


def test_copies_are_no_results_but_said(photos: Path) -> None:
    query = photos / "china" / "0.png"
    shutil.copy(query, photos / "deep" / "copy.png")
    assert str(photos / "deep" / "copy.png") not in {n for n, _ in applications.similar(query, photos, 9)}
    said = json.loads(command("similar", query, photos, *SMALL, "--json").stdout)
    (row,) = said["photos"]
    assert row["copies"] == [str(photos / "deep" / "copy.png")] and len(row["similar"]) == 5
    assert not {str(query), row["copies"][0]} & {each["name"] for each in row["similar"]}
    table = command("similar", query, photos, *SMALL).stdout
    assert "│ copy " in table
    in_memory = applications.similar(query.read_bytes(), photos, 9, input_size=SIZE)
    assert len(in_memory) == 7  # known by its content


def test_files_that_are_no_photos_are_told(photos: Path) -> None:
    content = (photos / "china" / "0.png").read_bytes()
    (photos / "cut.png").write_bytes(content[: len(content) // 2])
    (photos / "notes.txt").write_text("no photo")
    (photos / ".hidden.png").write_bytes(content)
    with pytest.warns(Notice) as warned:
        found = applications.similar(photos / "china" / "0.png", photos, 99, input_size=SIZE)
    assert len(found) == 7
    warned = " ".join(str(each.message) for each in warned)
    assert "cut.png: " in warned and "notes.txt: not an image" in warned and ".hidden.png: hidden" in warned

    query = photos.parent / "broken.png"
    query.write_bytes(content[:3000])
    several = command("similar", query, photos / "flower" / "0.png", "absent.png", photos, *SMALL, "--json")
    assert several.returncode == 0
    said = json.loads(several.stdout)
    assert [Path(row["photo"]).name for row in said["photos"]] == ["broken.png", "0.png", "absent.png"]
    assert "truncated" in said["photos"][0]["error"] and said["photos"][2]["error"] == "does not exist"
    assert {Path(note["name"]).name for note in said["left_out"]} == {"cut.png", "notes.txt", ".hidden.png"}
    table = command("similar", query, photos, *SMALL, "--picture", photos.parent / "none.png")
    assert table.returncode == 1 and "unreadable" in table.stdout and not (photos.parent / "none.png").exists()
    with pytest.raises(InputError, match=r"broken.png: .*truncated"):
        applications.similar(query, photos, input_size=SIZE)
    with pytest.raises(InputError, match=r"notes.txt can't be read: not an image .*; leave it out"):
        applications.embed(photos, input_size=SIZE)


def test_the_command_prints_writes_and_draws(photos: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{photos}/deep/china/1.png\n"))
    written = ["--csv", "found.csv", "--picture", "found.png"]
    done = command("similar", f"{photos}/flower/*.png", "-", photos, *SMALL, "--top", "2", *written)
    assert done.returncode == 0 and foreign(done.stderr) == [] and "found.csv" in done.stdout
    with (workplace / "found.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2"] * 3
    assert [Path(row["photo"]).parent.name for row in rows] == ["flower"] * 4 + ["china"] * 2
    assert all(Path(row["photo"]).parent.name == Path(row["name"]).parent.name for row in rows)  # of one scene
    expected = applications.similar(photos / "flower" / "0.png", photos, 2, input_size=SIZE)
    assert [(row["name"], float(row["similarity"])) for row in rows[:2]] == expected
    drawn = np.asarray(Image.open("found.png").convert("RGB")).astype(int)
    height, width = drawn.shape[0] // 3, drawn.shape[1] // 3
    middle = drawn[height // 2 + 40, width // 2 - 20]  # a pixel of the first query, at the left
    shown = np.asarray(Image.open(photos / "flower" / "0.png").resize((144, 144), Image.Resampling.BICUBIC)).astype(int)
    row, column = height // 2 + 40 - 14 - 2, width // 2 - 20 - 2
    assert np.abs(middle - shown[row, column]).max() <= 2
    plain = command("similar", photos / "flower" / "0.png", photos, *SMALL).stdout
    assert f"{expected[0].similarity:.4f}" in plain
    cells = [line.split("│")[3].strip() for line in plain.splitlines() if line.startswith("│")]
    assert "".join(cells).startswith(expected[0].name + expected[1].name)  # long names go on in the next line


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["{photo}", "nowhere"], "nowhere does not exist; expected a folder of photos"),
        (["{folder}", "{photo}"], "is a file; expected a folder of photos"),
        (["{photo}", "empty"], "empty: expected photos at any depth, found none"),
        (["{photo}", "texts"], "found none that can be read: texts/a.txt is left out, not an image"),
        (["{photo}"], "Missing argument"),
        (["{photo}", "{folder}", "--backbone", "resnet5O"], "did you mean resnet50"),
        (["{photo}", "{folder}", "--from", "nothing"], "no artifact"),
        (["{photo}", "{folder}", "--input-size", "8"], "at least 32"),
        (["{photo}", "{folder}", "--top", "0"], "x>=1"),
        (["*.tiff", "{folder}"], "no file fits this pattern"),
    ],
)
def test_wrong_use_is_one_line(scenes: Path, workplace: Path, arguments: list[str], expected: str) -> None:
    (workplace / "empty").mkdir()
    (workplace / "texts").mkdir()
    (workplace / "texts" / "a.txt").write_text("text")
    names = {"photo": scenes / "china" / "0.png", "folder": scenes}
    done = command("similar", *(each.format(**names) for each in arguments))
    assert done.returncode == 2 and expected in done.stderr and foreign(done.stderr) == []


def test_wrong_calls_say_what_is_expected(scenes: Path, tmp_path: Path) -> None:
    photo = scenes / "china" / "0.png"
    with pytest.raises(InputError, match="expected one photo"):
        applications.similar([photo], scenes)
    with pytest.raises(InputError, match="count"):
        applications.similar(photo, scenes, 0)
    with pytest.raises(InputError, match="received int"):
        applications.embed([5])
    with pytest.raises(InputError, match="holds none"):
        applications.embed(tmp_path)
    with pytest.raises(InputError, match=r"absent.png does not exist"):
        applications.embed("absent.png")


@pytest.mark.slow
def test_a_fine_tuned_network_searches_too(tiny: str, folder: Path, workplace: Path) -> None:
    made = applications.fine_tune(folder, tiny, weights=None, input_size=32, out=workplace / "made").artifact
    query = folder / "red" / "00.png"
    found = json.loads(command("similar", query, folder, "--from", made, "--top", "11", "--json").stdout)
    assert len(found["photos"][0]["similar"]) == 11
    cropped = Extractor(tiny, None, 32, 1.0)  # as small pictures are
    (own,) = features.embed(readable([Example(query, "query", ())], []), cropped)[0].values()
    np.testing.assert_allclose(applications.embed([query], start=made), [own], rtol=1e-4, atol=1e-5)
