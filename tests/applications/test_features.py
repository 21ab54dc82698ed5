from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from applications import features
from applications.features import Extractor, embed
from support.pictures import photo
from zoo.artifacts import runtimes
from zoo.files import cache_folder
from zoo.kinds.images import decoding
from zoo.kinds.images.folders import labelled

EXTRACTOR = Extractor("efficientnet_lite0", "imagenet", 32, 1.0)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "own cache"))
    return tmp_path / "own cache"


def count_decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    decoded = []
    decode = decoding.decode

    def counting(source: Path, *arguments: object) -> np.ndarray:
        decoded.append(source)
        return decode(source, *arguments)

    monkeypatch.setattr(decoding, "decode", counting)
    return decoded


def test_nothing_is_embedded_twice(folder: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples, *_ = labelled(folder)
    decoded = count_decoded(monkeypatch)
    first, failures = embed(examples, EXTRACTOR)
    assert len(first) == len(decoded) == 36 and not failures
    second, _ = embed(examples, EXTRACTOR)
    assert len(decoded) == 36
    assert all((first[digest] == second[digest]).all() for digest in first)
    (folder / "red" / "00.png").rename(folder / "red" / "renamed.png")  # the content counts, not the name
    photo(folder / "red" / "new.png", 0, 999)
    embed(labelled(folder)[0], EXTRACTOR)
    assert len(decoded) == 37


@pytest.mark.parametrize(
    "other",
    [
        Extractor("efficientnet_lite0", "imagenet", 64, 1.0),
        Extractor("efficientnet_lite0", "imagenet", 32, 0.8),
        Extractor("efficientnet_lite1", "imagenet", 32, 1.0),
        Extractor("efficientnet_lite0", None, 32, 1.0),
        Extractor("efficientnet_lite0", None, 32, 1.0, seed=1),
    ],
)
def test_whatever_changes_the_numbers_changes_the_key(other: Extractor) -> None:
    assert other.key != EXTRACTOR.key


def test_order_does_not_matter_and_failures_are_named(folder: Path, own_cache: Path) -> None:
    examples, *_ = labelled(folder)
    whole = (folder / "red" / "00.png").read_bytes()
    (folder / "red" / "00.png").write_bytes(whole[: len(whole) // 2])  # damaged after it was listed
    vectors, failures = embed(examples[::-1], EXTRACTOR)
    assert list(failures) == ["red/00.png"] and "truncated" in failures["red/00.png"]
    expected, _ = embed([example for example in examples if example.name != "red/00.png"], EXTRACTOR)
    assert vectors.keys() == expected.keys() and all((vectors[digest] == expected[digest]).all() for digest in vectors)


def test_every_runtime_gives_the_same_embeddings(
    folder: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples, *_ = labelled(folder)
    extractor = Extractor("mobilenet", None, 32, 1.0)
    few, _ = embed(examples, extractor)  # by Keras
    assert not list(cache_folder("openvino").iterdir())
    (cache_folder("embeddings") / f"{extractor.key}.sqlite").unlink()
    monkeypatch.setattr(features, "CONVERT_FROM", 10)
    many, _ = embed(examples, extractor)  # converted
    assert (cache_folder("openvino") / f"{extractor.key}.xml").exists()
    (cache_folder("embeddings") / f"{extractor.key}.sqlite").unlink()
    weights = cache_folder("openvino") / f"{extractor.key}.bin"
    whole = weights.read_bytes()
    weights.write_bytes(bytes(len(whole)))
    with pytest.warns(UserWarning, match="xml is damaged, and made again"):
        again, _ = embed(examples, extractor)
    assert weights.read_bytes() == whole and all((again[d] == many[d]).all() for d in many)
    spread = np.std(list(few.values()))
    assert max(np.abs(few[d] - many[d]).max() for d in few) < 1e-3 * spread


def test_a_damaged_cache_is_made_anew(folder: Path, own_cache: Path) -> None:
    examples, *_ = labelled(folder)
    path = cache_folder("embeddings") / f"{EXTRACTOR.key}.sqlite"
    path.write_bytes(b"no database" * 1000)
    with pytest.warns(UserWarning, match="is damaged .file is not a database.: what it lacks is computed again"):
        vectors, _ = embed(examples, EXTRACTOR)
    assert len(vectors) == 36
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT COUNT(*) FROM embeddings").fetchone() == (36,)


@pytest.mark.skipif(os.getuid() == 0 and not Path("/dev/full").exists(), reason="needs a way to refuse writing")
def test_a_cache_that_can_not_be_written_costs_nothing_but_itself(
    folder: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = cache_folder("embeddings") / f"{EXTRACTOR.key}.sqlite"
    path.symlink_to("/dev/full")
    with pytest.warns(UserWarning, match="not kept for the next run"):
        vectors, _ = embed(labelled(folder)[0], EXTRACTOR)
    assert len(vectors) == 36


def test_runtimes_keep_the_order(own_cache: Path) -> None:
    from applications import efficientnet_lite, weights

    model = efficientnet_lite.openvino_model("efficientnet_lite0", weights.arrays("efficientnet_lite0"), 32)
    run = runtimes.openvino_runtime(model)
    images = np.random.default_rng(0).integers(0, 256, (25, 32, 32, 3), dtype=np.uint8)
    together = np.stack(list(run(images)))
    one_by_one = np.stack([next(iter(run([image]))) for image in images])
    assert np.array_equal(together, one_by_one)
    assert list(run([])) == []
