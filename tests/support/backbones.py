"""A backbone of four layers, for tests of what is done with one: those of the table take far longer to export."""

from __future__ import annotations

from typing import Any

from applications.backbone_table import Backbone

NAME = "tiny"
ROW = Backbone(
    name=NAME,
    constructor="support.backbones:network",
    input_size=32,
    least_input_size=16,
    embedding_width=32,
    parameters=6_808,
    preprocessing="tf",
    crop=0.875,
    blocks=r"block\d",
    unfreeze=1,
    weights="keras",
    file="tiny_{size}.h5",
    file_sizes=(),
)


def network(*, input_tensor: Any, **_: Any) -> Any:
    """Convolutions that halve the size four times, with random weights; as constructors of `keras.applications`."""
    import keras
    from keras import layers

    x = input_tensor
    for block, channels in enumerate((8, 8, 16, 32)):
        x = layers.Conv2D(channels, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.Activation("relu", name=f"block{block}")(layers.BatchNormalization()(x))
    inputs = keras.utils.get_source_inputs(input_tensor)
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(x), name=NAME)
