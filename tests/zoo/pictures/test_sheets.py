"""Images in pictures and files, and where a model puts its inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo import InputError
from zoo.pictures import sheets
from zoo.pictures.plots import latent_space


def noise(count: int, height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def written(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_every_pixel_is_where_it_belongs(tmp_path: Path, channels: int, suffix: str) -> None:
    images = noise(5, 4, 6, channels)
    sheets.sheet(images, tmp_path / f"grid{suffix}", columns=3, scale=2)
    found = written(tmp_path / f"grid{suffix}")
    grey = channels == 1 and suffix == ".png"
    assert found.shape == (2 + 2 * 10, 2 + 3 * 14) + (() if grey else (3,))
    found = found.reshape(*found.shape[:2], -1)
    expected = np.full((22, 44, channels), 255, np.uint8)
    for position, image in enumerate(images):
        top, left = 2 + position // 3 * 10, 2 + position % 3 * 14
        expected[top : top + 8, left : left + 12] = np.kron(image, np.ones((2, 2, 1), np.uint8))
    assert np.array_equal(found, np.broadcast_to(expected, found.shape))


def test_floats_are_rounded_and_cut(tmp_path: Path) -> None:
    images = np.array([-3.0, 0.6, 99.4, 300.0], np.float32).reshape(1, 2, 2, 1)
    sheets.sheet(images, tmp_path / "a.png", scale=1)
    assert written(tmp_path / "a.png")[2:4, 2:4].tolist() == [[0, 1], [99, 255]]


@pytest.mark.parametrize(
    ("count", "size", "given", "shape"),
    [
        (10, 28, {}, (2 + 3 * 58, 2 + 4 * 58)),  # nearly square, twice as large
        (1, 28, {"columns": 8}, (60, 60)),
        (4, 100, {}, (2 + 2 * 102, 2 + 2 * 102)),
        (3, 8, {"columns": 1}, (2 + 3 * 58, 60)),
        (3, 20, {"scale": 1, "titles": "abc"}, (2 + 2 * 36, 2 + 2 * 22)),
    ],
)
def test_sizes(tmp_path: Path, count: int, size: int, given: dict, shape: tuple[int, int]) -> None:
    sheets.sheet(noise(count, size, size, 1), tmp_path / "a.JPG", **given)
    with Image.open(tmp_path / "a.JPG") as picture:
        assert picture.format == "JPEG" and picture.mode == "L" and picture.size == shape[::-1]


def test_titles_are_above_their_images_and_hide_none(tmp_path: Path) -> None:
    images = noise(2, 60, 60, 3)
    sheets.sheet(images, tmp_path / "a.png", titles=["grün, and much longer than the image is wide", ""])
    found = written(tmp_path / "a.png")
    assert np.array_equal(found[16:76, 2:62], images[0]) and np.array_equal(found[16:76, 64:124], images[1])
    assert (found[2:16, 2:62] < 128).any() and (found[:16, 62:] == 255).all()


def test_rows_go_on_in_a_new_band(tmp_path: Path) -> None:
    above, below = noise(18, 56, 56, 1), noise(18, 56, 56, 1, seed=1).astype(np.float32)
    sheets.rows(above, below, path=tmp_path / "a.png")
    found = written(tmp_path / "a.png")
    assert found.shape == (2 + 4 * 58 + 10, 2 + 16 * 58)
    tops = [2, 60, 2 + 116 + 10, 60 + 116 + 10]
    for group, places in ((above, tops[::2]), (below, tops[1::2])):
        for position in (0, 15, 16, 17):
            top, left = places[position // 16], 2 + position % 16 * 58
            assert np.array_equal(found[top : top + 56, left : left + 56], group[position, ..., 0])
    assert (found[128:, 2 + 2 * 58 :] == 255).all()
    sheets.rows(above, below, path=tmp_path / "b.png", labels=["originals", "reconstructions"])
    found = written(tmp_path / "b.png")
    assert found.shape == (2 + 4 * 72 + 10, 2 + 16 * 58)
    assert np.array_equal(found[16:72, 2:58], above[0, ..., 0])
    assert (found[74:88, 60:] < 128).any()  # a label is longer than a tile


@pytest.mark.parametrize(
    ("images", "given", "expected"),
    [
        (noise(2, 4, 4, 1), {"path": "a.gif"}, r"\.png, \.jpg.*received 'a\.gif'"),
        (noise(2, 4, 4, 1), {"path": "a"}, "received 'a'"),
        (np.full((2, 4, 4, 1), np.nan), {}, "NaN"),
        (noise(0, 4, 4, 1), {}, "at least one"),
        (noise(2, 4, 4, 2), {}, "1 or 3"),
        (noise(2, 4, 4, 1)[0], {}, "received"),
        (noise(2, 4, 4, 1).astype(int), {}, "received int64"),
        (noise(2, 4, 4, 1), {"columns": 0}, "columns"),
        (noise(2, 4, 4, 1), {"scale": 1.5}, "scale"),
        (noise(2, 4, 4, 1), {"titles": ["one"]}, "2 titles"),
        (noise(2, 4, 4, 1), {"path": "a.webp", "scale": 5000}, r"16383 pixels.*use \.png"),
        (noise(2, 4, 4, 1), {"path": "nowhere/a.png"}, "folder does not exist"),
    ],
)
def test_what_can_not_be_drawn_leaves_nothing_behind(
    workplace: Path, images: np.ndarray, given: dict, expected: str
) -> None:
    with pytest.raises(InputError, match=expected):
        sheets.sheet(images, **({"path": "a.png"} | given))
    assert not list(workplace.iterdir())


def test_groups_that_do_not_fit_are_refused(workplace: Path) -> None:
    for groups in ((), (noise(2, 4, 4, 1), noise(3, 4, 4, 1)), (noise(2, 4, 4, 1), noise(2, 4, 4, 3))):
        with pytest.raises(InputError, match="one shape"):
            sheets.rows(*groups, path="a.png")
    with pytest.raises(InputError, match="expected 1 labels"):
        sheets.rows(noise(2, 4, 4, 1), path="a.png", labels=["a", "b"])
    assert not list(workplace.iterdir())


def test_a_failure_while_writing_leaves_what_was_there(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Image.Image, path: Path, *args: object, **kwargs: object) -> None:
        if not Path(path).name.startswith("0000"):
            Path(path).write_bytes(b"half")
            raise OSError("disk full")

    Path("old.png").write_bytes(b"old")
    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        sheets.sheet(noise(2, 4, 4, 1), "old.png")
    with pytest.raises(OSError, match="disk full"):
        sheets.files(noise(2, 4, 4, 1), "new")
    assert [path.name for path in workplace.iterdir()] == ["old.png"] and Path("old.png").read_bytes() == b"old"


@pytest.mark.parametrize("channels", [1, 3])
def test_files_are_written_to_a_new_or_an_empty_folder(workplace: Path, channels: int) -> None:
    images = noise(3, 4, 5, channels)
    Path("empty").mkdir()
    for folder in (Path("empty"), Path("deep", "new")):
        sheets.files(images, folder)
        assert sorted(path.name for path in folder.iterdir()) == ["0000.png", "0001.png", "0002.png"]
        for number, image in enumerate(images):
            found = written(folder / f"{number:04d}.png")
            assert found.shape == ((4, 5) if channels == 1 else (4, 5, 3))
            assert np.array_equal(found.reshape(image.shape), image)
    assert sorted(path.name for path in workplace.iterdir()) == ["deep", "empty"]


def test_files_overwrite_nothing(workplace: Path) -> None:
    Path("full").mkdir()
    Path("full", ".hidden").write_text("mine")
    Path("file").write_text("mine")
    for place in ("full", "file"):
        with pytest.raises(InputError, match="nothing is overwritten"):
            sheets.files(noise(1, 4, 4, 1), place)
    assert sorted(str(path.relative_to(workplace)) for path in workplace.rglob("*")) == ["file", "full", "full/.hidden"]


@pytest.mark.parametrize("dimensions", [1, 2, 5])
@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_latents_are_drawn(tmp_path: Path, dimensions: int, suffix: str) -> None:
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(40, dimensions)).astype(np.float32)
    path = tmp_path / f"latents{suffix}"
    latent_space(latents, np.arange(40) % 3, ("_grün", "$bad \\frac{$", "c"), path)
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG" if suffix == ".png" else b"<?xml") and len(content) > 2000
    if suffix == ".svg":
        text = content.decode()
        assert text.count("PathCollection") >= 3
        assert ("principal component 1 (" in text) == (dimensions == 5)
        assert ("dimension 2" in text) == (dimensions == 2)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_latents_of_one_dimension_lie_on_a_line_and_of_more_on_their_components() -> None:
    from zoo.pictures.plots import _plane

    line = np.array([[1.0], [2.0], [4.0]])
    assert _plane(line)[0].tolist() == [[1, 0], [2, 0], [4, 0]]
    wide = np.random.default_rng(0).normal(size=(500, 4)) * [10, 1, 0.1, 0.1]
    points, (first, second) = _plane(wide)
    assert points.shape == (500, 2) and points[:, 0].std() > 5 * points[:, 1].std()
    assert first == "principal component 1 (99% of the variance)" and second.startswith("principal component 2 (1%")


@pytest.mark.parametrize("classes", [(), ("image",), tuple(f"class {number}" for number in range(30))])
def test_without_classes_or_with_too_many_there_is_no_legend(tmp_path: Path, classes: tuple[str, ...]) -> None:
    latents = np.zeros((30, 3), np.float32)  # all in one place, as of an encoder that has collapsed
    latent_space(latents, np.arange(30) % max(1, len(classes)), classes, tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text()
    assert ("legend" in text) == (len(classes) == 1) and "(0% of the variance)" in text


@pytest.mark.parametrize(
    ("latents", "targets", "name", "expected"),
    [
        (np.zeros((4, 2)), np.zeros(4, int), "a.jpg", "received '.jpg'"),
        (np.full((4, 2), np.nan), np.zeros(4, int), "a.png", "NaN"),
        (np.zeros((4, 2, 2)), np.zeros(4, int), "a.png", r"\(4, 2, 2\)"),
        (np.zeros((1, 2)), np.zeros(1, int), "a.png", "two examples or more"),
        (np.zeros((4, 2)), np.zeros(3, int), "a.png", "4 targets"),
    ],
)
def test_other_latents_are_refused(
    workplace: Path, latents: np.ndarray, targets: np.ndarray, name: str, expected: str
) -> None:
    with pytest.raises(InputError, match=expected):
        latent_space(latents, targets, ("a",), name)
    assert not list(workplace.iterdir())
