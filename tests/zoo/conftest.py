"""What tests of several rooms of the zoo share."""

from __future__ import annotations

import pytest

from support.image_files import VARIANTS


@pytest.fixture(scope="session")
def decoder_graph(tmp_path_factory):
    """The exported decoder as a server has it: saved and loaded again. Called with a variant and files."""
    tf = pytest.importorskip("tensorflow")
    from zoo.kinds.images import decoding_graph

    functions = {}
    for name, (size, crop) in VARIANTS.items():

        def read(image_bytes, size=size, crop=crop):
            return {"pixels": decoding_graph.decode_batch(image_bytes, size, crop)}

        functions[name] = tf.function(read, input_signature=[tf.TensorSpec([None], tf.string)])
    folder = str(tmp_path_factory.mktemp("graph"))
    tf.saved_model.save(tf.Module(), folder, signatures=functions)
    loaded = tf.saved_model.load(folder)
    return lambda variant, encoded: loaded.signatures[variant](tf.constant(encoded))["pixels"].numpy()
