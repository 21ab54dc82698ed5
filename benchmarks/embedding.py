"""Files to embeddings: this project, `model.predict`, and the fastest runtime alone, in one run.

    python benchmarks/embedding.py PHOTOS [--images 5000]

The photos are taken in turns until there are enough; each counts as new. Ours and Keras' rates include decoding and,
for ours, building the runtime and writing the cache; the runtime's own rate is on pixels that are in memory already.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
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

    started = time.perf_counter()
    embed(many, Extractor(NAME, "imagenet", 224, 0.875))
    ours = len(many) / (time.perf_counter() - started)

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
    print(f"the runtime alone {alone:.0f}/s, of which ours is {ours / alone:.0%}")


if __name__ == "__main__":
    main()
