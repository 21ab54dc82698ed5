"""Embeddings of images by a frozen backbone, computed once for each image and cached."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from applications import backbones, depths, efficientnet_lite, weights
from applications.embedding_cache import EmbeddingCache
from zoo import progress
from zoo.artifacts import checksums, runtimes
from zoo.builders.loading import embedding_of
from zoo.errors import Notice
from zoo.files import cache_folder, digest
from zoo.kinds.images import decoding

if TYPE_CHECKING:
    import keras

# The conversion of a Keras model for OpenVINO takes some 10 s, which pays from about this many images on.
CONVERT_FROM = 400


class Image(Protocol):
    """An image to embed: a file, and the sha256 of its content."""

    @property
    def path(self) -> Path:
        """Of the file."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def digest(self) -> str:
        """Sha256 of its content, hexadecimal."""


@dataclass(frozen=True)
class Extractor:
    """A frozen backbone, and everything that its embeddings depend on.

    Attributes:
        backbone: a name in `applications.backbones.BACKBONES`, or the name of a ``.keras`` file of the user.
        weights: ``"imagenet"``, None for random ones, the path of a weights file, or of an artifact's ``model.keras``.
        input_size: side of the square that images are resized to, in pixels.
        crop: share of the centre square to crop to, in (0, 1].
        seed: of random weights.
        bits: that the samples of 16-bit grey images have.
        every_depth: whether the outputs of all blocks follow the embedding; see `applications.depths`.
    """

    backbone: str
    weights: str | Path | None
    input_size: int
    crop: float
    seed: int = 0
    bits: int = 16
    every_depth: bool = False

    @cached_property
    def key(self) -> str:
        """A name for the embeddings: two extractors with the same key compute the same embedding of a file."""
        if self.weights == "imagenet":
            origin = weights.CHECKPOINTS[self.backbone].sha256 if self._built_in else "imagenet"
        else:
            origin = f"seed {self.seed}" if self.weights is None else digest(self.weights)
        name = "own" if backbones.is_own(self.backbone) else self.backbone  # files of one content may have two names
        parts = [name, origin, self.input_size, self.crop, decoding.VERSION]
        parts += [self.bits] if self.bits < 16 else []
        parts += ["every depth"] if self.every_depth else []
        return f"{name}-{sha256(repr(parts).encode()).hexdigest()[:16]}"

    @property
    def _built_in(self) -> bool:
        return self.backbone in weights.CHECKPOINTS

    @cached_property
    def keras_model(self) -> keras.Model:
        """The backbone as `applications.backbone` builds it."""
        import keras

        if self.weights is not None and Path(self.weights).suffix == ".keras":  # an artifact, without its head
            model = keras.models.load_model(self.weights, safe_mode=True)
            return keras.Model(model.inputs[0], embedding_of(model), name=Path(self.backbone).stem)
        if self.weights is None:
            keras.utils.set_random_seed(self.seed)
        is_available, how = backbones.available(self.backbone, self.input_size)
        if self.weights == "imagenet" and not is_available:
            warnings.warn(f"the weights of {self.backbone} are not here: {how}", Notice, stacklevel=2)
        with contextlib.redirect_stdout(io.StringIO()):  # Keras prints its downloads there
            return backbones.backbone(self.backbone, weights=self.weights, input_size=self.input_size)

    @cached_property
    def depths(self) -> depths.Depths:
        """The widths of what this extractor computes."""
        if self._built_in:
            known = depths.of_built_in(self.backbone)
        else:
            known = depths.of_model(self.keras_model, self.backbone)
        return known if self.every_depth else depths.Depths(known.embedding)

    @cached_property
    def _network(self) -> keras.Model:
        """The backbone with all that this extractor computes as its output."""
        if not self.every_depth:
            return self.keras_model
        import keras

        parts = depths.tensors(self.keras_model, self.backbone, depths.ALL)
        return keras.Model(self.keras_model.inputs[0], depths.joined(parts), name=Path(self.backbone).stem)

    def runtime(self, count: int) -> runtimes.Runtime:
        """The fastest exact runtime for `count` images."""
        if self._built_in and self.weights == "imagenet":
            arrays = weights.arrays(self.backbone)
            size, every = self.input_size, self.every_depth
            model = efficientnet_lite.openvino_model(self.backbone, arrays, size, depths=every)
            return runtimes.openvino_runtime(model)
        path = cache_folder("openvino") / f"{self.key}.xml"
        files = path, path.with_suffix(".bin")
        converted = checksums.sealed(*files)
        if count < CONVERT_FROM and not converted:
            return runtimes.keras_runtime(self._network)
        if not converted:
            runtimes.convert(self._network, path)
            checksums.seal(*files)
        return runtimes.openvino_runtime(path)


def embed(images: Sequence[Image], extractor: Extractor) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Embeddings of `images`, cached ones from the cache. A warning tells of a damaged cache.

    Returns:
        digest -> float32 (width,); and name -> reason for each file that can't be decoded.
    """
    vectors: dict[str, np.ndarray] = {}
    failures: dict[str, str] = {}
    with EmbeddingCache(cache_folder("embeddings") / f"{extractor.key}.sqlite") as cache:
        vectors.update(cache.read(image.digest for image in images))
        new = {image.digest: image for image in images if image.digest not in vectors}
        if new:
            runtime = extractor.runtime(len(new))
            size = (extractor.input_size, extractor.input_size)
            decoded = _decoded(list(new.values()), size, extractor, failures)
            pending: list[str] = []

            def pixels() -> Iterator[np.ndarray]:
                for image, array in decoded:
                    pending.append(image.digest)
                    yield array

            with progress.bar("embedding", len(new)) as advance:
                batch: dict[str, np.ndarray] = {}
                for index, vector in enumerate(runtime(pixels())):
                    batch[pending[index]] = vector
                    advance(1)
                    if len(batch) == 256:  # a killed run does not compute them again
                        cache.write(batch)
                        vectors.update(batch)
                        batch = {}
                cache.write(batch)
                vectors.update(batch)
    # A copy of a file that failed fails too.
    broken = {image.digest: failures[image.name] for image in images if image.name in failures}
    failures.update({image.name: broken[image.digest] for image in images if image.digest in broken})
    return vectors, failures


def _decoded(
    images: Sequence[Image], size: tuple[int, int], extractor: Extractor, failures: dict[str, str]
) -> Iterator[tuple[Image, np.ndarray]]:
    """Pixels of each image in order, decoded ahead on every core; `failures` gets those that can't be decoded."""

    def decode(image: Image) -> np.ndarray | decoding.DecodeError:
        try:
            return decoding.decode(image.path, size, extractor.crop, extractor.bits)
        except decoding.DecodeError as error:
            return error

    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        for image, result in zip(images, _ahead(pool, decode, images, 4 * workers), strict=True):
            if isinstance(result, decoding.DecodeError):
                failures[image.name] = str(result)
            else:
                yield image, result


def _ahead(pool: ThreadPoolExecutor, function: Any, items: Iterable[Any], count: int) -> Iterator[Any]:
    """As `pool.map`, but at most `count` results ahead of the reader."""
    items = iter(items)
    waiting: list[Future] = [pool.submit(function, item) for item in islice(items, count)]
    while waiting:
        first = waiting.pop(0)
        waiting += [pool.submit(function, item) for item in islice(items, 1)]
        yield first.result()
