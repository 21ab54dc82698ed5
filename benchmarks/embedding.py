"""Files to embeddings: this project, a bare loop, `model.predict`, and the fastest runtime alone, in one run.

    python benchmarks/embedding.py PHOTOS [--images 5000]

The photos are taken in turns until there are enough; each counts as new. Ours and Keras' rates include decoding and,
for ours, building the runtime and writing the cache; the runtime's own rate is on pixels that are in memory already.
The bare loop decodes in as many threads as there are cores, 64 photos ahead, and keeps nothing; ours and the loop take
turns three times, and the medians are compared.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ["ZOO_CACHE"] = tempfile.mkdtemp()

import numpy as np
import recipes

from applications import efficientnet_lite, weights
from applications.features import Extractor, embed
from zoo.artifacts import runtimes
from zoo.kinds.images import decoding
from zoo.kinds.images.folders import labelled

NAME = "efficientnet_lite0"


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--images", type=int, default=5000)
    options = parser.parse_args()
    photos, *_ = labelled(options.photos)
    many = [photos[i % len(photos)]._replace(digest=str(i), name=str(i)) for i in range(options.images)]

    def embedded(turn: int) -> float:
        copies = [photo._replace(digest=f"{turn}-{photo.digest}") for photo in many]
        started = time.perf_counter()
        embed(copies, Extractor(NAME, "imagenet", 224, 0.875))
        return len(many) / (time.perf_counter() - started)

    def looped() -> float:
        run = runtimes.openvino_runtime(efficientnet_lite.openvino_model(NAME, weights.arrays(NAME), 224))

        def decoded() -> Iterator[np.ndarray]:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                for start in range(0, len(many), 64):
                    yield from pool.map(lambda photo: decoding.decode(photo.path, (224, 224), 0.875), many[start:][:64])

        started = time.perf_counter()
        assert sum(1 for _ in run(decoded())) == len(many)
        return len(many) / (time.perf_counter() - started)

    turns = [(embedded(turn), looped()) for turn in range(3)]
    ours, bare = np.median(turns, axis=0)

    pixels = np.stack([decoding.decode(photo.path, (224, 224), 0.875) for photo in photos[:256]])
    run = runtimes.openvino_runtime(efficientnet_lite.openvino_model(NAME, weights.arrays(NAME), 224))
    for _ in run(pixels[:32]):
        pass
    started = time.perf_counter()
    for _ in range(4):
        for _ in run(pixels):
            pass
    alone = 4 * len(pixels) / (time.perf_counter() - started)

    import tensorflow as tf

    model = recipes.backbone()

    def read(path: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
        return tf.image.resize(image, (224, 224))

    files = tf.data.Dataset.from_tensor_slices([str(photo.path) for photo in many])
    batches = files.map(read, num_parallel_calls=tf.data.AUTOTUNE).batch(32).prefetch(2)
    started = time.perf_counter()
    model.predict(batches, verbose=0)
    theirs = len(many) / (time.perf_counter() - started)
    print(f"{len(many)} images: ours {ours:.0f}/s, model.predict {theirs:.0f}/s: {ours / theirs:.1f} times;", end=" ")
    print(f"a bare loop {bare:.0f}/s, {ours / bare:.2f} of it;", end=" ")
    print(f"the runtime alone {alone:.0f}/s, of which ours is {ours / alone:.0%}")


if __name__ == "__main__":
    main()
