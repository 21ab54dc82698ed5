"""Networks with weights at random, and how their answers are compared."""

import numpy as np


def pixels(size: int, count: int = 2) -> np.ndarray:
    """Images from dark to bright, so that a network with random weights can tell them apart."""
    images = np.random.default_rng(0).uniform(0, 255, (count, size, size, 3)).astype("float32")
    return images * np.linspace(0.1, 1, count, dtype="float32").reshape(-1, 1, 1, 1)


def assert_same(embeddings, expected) -> None:
    """Equal, and equal in what depends on the image."""
    embeddings, expected = np.asarray(embeddings), np.asarray(expected)
    assert embeddings.shape == expected.shape
    np.testing.assert_allclose(embeddings, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    difference = expected[1] - expected[0]
    assert np.abs(difference).max() > 0.05 * np.abs(expected).max()
    error = np.abs(embeddings[1] - embeddings[0] - difference).max() / np.abs(difference).max()
    assert error < 5e-3


def shuffle(model, images: np.ndarray) -> None:
    """Random weights that leave no layer without effect, not even a layer scale of one millionth.

    Batch normalisation has the moments of the `images`, which are many: otherwise little of an image comes through, or
    rounding grows large, and that differs from processor to processor.
    """
    import keras

    random = np.random.default_rng(1)
    for weight in model.weights:
        value = weight.numpy() if hasattr(weight, "numpy") else np.asarray(weight)
        if not np.issubdtype(value.dtype, np.floating):
            continue
        if weight.name in ("gamma", "variance"):
            weight.assign(random.uniform(0.5, 1.5, value.shape))
        elif weight.name in ("beta", "bias", "mean"):
            weight.assign(random.normal(0, 0.1, value.shape))
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    model(images, training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
