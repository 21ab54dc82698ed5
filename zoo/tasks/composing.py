"""Raw inputs to outputs in one model: what a reader fitted, then the builder's network, then the target's unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.builders.loading import UNIT

if TYPE_CHECKING:
    import keras


def composed(network: keras.Model, preprocess: keras.Model | None, scale: Any) -> keras.Model:
    """Raw inputs, as `zoo.data.Data` has them, to probabilities or values in the unit of the targets.

    Args:
        network: trained, on prepared inputs.
        preprocess: from raw inputs to prepared ones, and to the unit of each where it has one of its own, as
            `zoo.builders.preprocessing.WindowScale` gives it; None for nothing.
        scale: a `zoo.tasks.regression.Scale`, which brings answers into the unit of the targets; None for nothing.
    """
    import keras

    weights = network.get_weights()
    network = type(network).from_config(network.get_config())  # without the optimizer, which would be saved with it
    network.set_weights(weights)
    if isinstance(network, keras.Sequential):  # which has no output till it is called
        network = keras.Model(network.inputs[0], network.outputs[0], name=network.name)
    unit = None
    if scale is not None:
        # Not Normalization: it squares deviations, and takes those below 1e-7 for that.
        unit = keras.layers.Rescaling(scale.deviation.tolist(), scale.mean.tolist(), name=UNIT)
    if preprocess is None:
        if unit is None:
            return network
        return keras.Model(network.inputs[0], unit(network.outputs[0]), name=network.name)
    taken = preprocess.inputs[0] if isinstance(preprocess, keras.Sequential) else preprocess.input
    raw = keras.tree.map_structure(lambda t: keras.Input(t.shape[1:], dtype=t.dtype, name=t.name), taken)
    ready = preprocess(raw)
    ready, own = ready if isinstance(ready, list | tuple) else (ready, None)
    outputs = network(ready)
    if unit is not None:
        outputs = unit(outputs)
        if scale.kernel is not None:
            linear = keras.layers.Dense(len(scale.bias), name="linear_autoregression")
            outputs = keras.layers.Add(name="forecast")([outputs, linear(keras.layers.Flatten()(ready))])
            linear.set_weights([scale.kernel, scale.bias])
    if own is not None:
        from zoo.builders.preprocessing import OwnUnit

        outputs = OwnUnit(name="unit_of_the_window")(outputs, own)
    return keras.Model(raw, outputs, name=network.name)
