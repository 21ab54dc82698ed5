"""What goes into a file of another runtime: functions of named number tensors, without strings and files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.artifacts.warming import described
from zoo.builders.loading import loaded
from zoo.data.dataset import Inputs
from zoo.tasks.forms import portable
from zoo.tasks.registry import task_of

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

CODES = {
    "code": "what the decoder takes",
    "mean": "of the code; what the decoder takes",
    "log_variance": "of the code",
}


class Graph(NamedTuple):
    """One file of a format.

    Attributes:
        name: model, encoder or decoder.
        function: tensors by name to a dict of tensors.
        specs: what it takes; the batch axis is free.
        meanings: of inputs and outputs, in words.
    """

    name: str
    function: Callable[..., dict[str, tf.Tensor]]
    specs: dict[str, tf.TensorSpec]
    meanings: dict[str, str]

    def answers(self) -> dict[str, tf.TensorSpec]:
        """What it gives: name -> type and shape."""
        import tensorflow as tf

        found = tf.function(self.function, autograph=False).get_concrete_function(**self.specs).structured_outputs
        return {name: tf.TensorSpec(value.shape, value.dtype) for name, value in found.items()}


def graphs(model: keras.Model, card: dict[str, Any]) -> list[Graph]:
    """What the model of an artifact is outside of Keras: one graph, and one for each network that is asked on its own.

    Args:
        model: as `zoo.builders.loading.loaded` gives it.
        card: of the artifact.
    """
    import tensorflow as tf
    from keras import ops

    task, description = task_of(card), described(card, model)
    raw, meanings = _raw_specs(model, description), _meanings(description)
    # Of images there is no preprocessing; a user's own network may have a layer of that name.
    preprocess = None if description["kind"] in ("images", "code") else preprocess_of(model)
    run, values = task.network_outputs(model if preprocess is None else _behind(model)), portable(task)

    def ready(tensors: dict[str, tf.Tensor]) -> Any:
        return _prepared(preprocess, tensors, description)

    def answer(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = run(ready(tensors))
        said = task.answer(outputs, {}, ops).values
        return {name: said[name] for name in values}

    meanings |= {name: value.meaning for name, value in values.items()}
    made = [Graph("model", answer, raw, meanings)]
    for name, (takes_inputs, function) in (model.parts() if hasattr(model, "parts") else {}).items():
        if takes_inputs:

            def part(function: Any = function, **tensors: tf.Tensor) -> dict[str, tf.Tensor]:
                return function(ready(tensors))

            made.append(Graph(name, part, raw, meanings | CODES))
        else:
            code = {"code": tf.TensorSpec([None, *model.code_shape], tf.float32, name="code")}
            made.append(Graph(name, function, code, meanings | CODES))
    return made


def in_float32(path: Path) -> keras.Model:
    """The model in a file, every layer of it computing in float32, as runtimes do that know no mixed precision."""
    model = loaded(path)
    for layer in model._flatten_layers():
        layer.dtype_policy = "float32"
    return model


def is_float32(model: keras.Model) -> bool:
    """Whether no layer of `model` computes in half precision."""
    return all(layer.compute_dtype not in ("float16", "bfloat16") for layer in model._flatten_layers())


def numbers(model: keras.Model, inputs: Inputs, card: dict[str, Any]) -> dict[str, np.ndarray]:
    """Raw `inputs`, as `zoo.data.Part` has them in memory, as the tensors that `graphs` take."""
    description = described(card, model)
    kind = description["kind"]
    if kind == "code":
        place = {name: at for at, name in enumerate(description["classes"])}
        labels = {"label": np.array([place[str(each)] for each in inputs["label"]], np.int32)} if place else {}
        return {"code": np.asarray(inputs["code"], np.float32)} | labels
    if kind == "images":
        return {"pixels": np.asarray(inputs, np.float32)}
    if kind == "sequence":
        return {"sequence": np.asarray(inputs, np.float32)}
    preprocess = preprocess_of(model)
    if kind == "text":
        from zoo.arrays import apply

        return {"tokens": apply(preprocess, inputs).astype(np.int32)}
    found = {"numeric": inputs["numeric"].astype(np.float32)} if "numeric" in inputs else {}
    if "categorical" in inputs:
        places = [{each: at for at, each in enumerate(names)} for names in categories(model)]
        columns = zip(inputs["categorical"].T, places, strict=True)
        ids = [[place.get(str(each), -1) for each in column] for column, place in columns]
        found["categorical"] = np.array(ids, np.int32).T.reshape(-1, len(places))
    return found


def categories(model: keras.Model) -> list[list[str]]:
    """Of a table, the categories of each column of strings; a category's number is its position."""
    preprocess = preprocess_of(model)
    layers = [] if preprocess is None else [layer for layer in preprocess.layers if hasattr(layer, "categories")]
    return layers[0].categories if layers else []


def vocabulary(model: keras.Model) -> list[str]:
    """Of texts, the words; a word's number is its position."""
    return preprocess_of(model).get_layer("words").get_vocabulary()


def preprocess_of(model: keras.Model) -> keras.Model | None:
    """The part of `model` that a reader fitted; None where there is none."""
    if hasattr(model, "preprocess"):
        return model.preprocess
    return next((layer for layer in model.layers if layer.name == "preprocess"), None)


def _raw_specs(model: keras.Model, description: dict[str, Any]) -> dict[str, tf.TensorSpec]:
    import tensorflow as tf

    kind = description["kind"]
    if kind == "code":
        specs = {"code": tf.TensorSpec([None, description["width"]], tf.float32, name="code")}
        label = {"label": tf.TensorSpec([None], tf.int32, name="label")}
        return specs | (label if description["classes"] else {})
    if kind == "table":
        types = {"numeric": tf.float32, "categorical": tf.int32}
        widths = {name: len(description.get(name, ())) for name in types}
        return {n: tf.TensorSpec([None, widths[n]], types[n], name=n) for n in types if widths[n]}
    if kind == "text":
        return {"tokens": tf.TensorSpec([None, *preprocess_of(model).output_shape[1:]], tf.int32, name="tokens")}
    shape = (getattr(model, "encoder", None) or model).input_shape[1:]
    name = "pixels" if kind == "images" else "sequence"
    return {name: tf.TensorSpec([None, *shape], tf.float32, name=name)}


def _meanings(description: dict[str, Any]) -> dict[str, str]:
    kind = description["kind"]
    if kind == "code":
        return {"code": "drawn from a standard normal distribution", "label": "position in labels.txt"}
    if kind == "images":
        return {"pixels": f"{description.get('pixels', 'RGB, 0-255')}, not normalised"}
    if kind == "table":
        numeric, categorical = (", ".join(description.get(name, ())) for name in ("numeric", "categorical"))
        unknown = "positions in the lists of categories.json, -1 for another value"
        return {"numeric": f"columns {numeric}; NaN where missing", "categorical": f"columns {categorical}; {unknown}"}
    if kind == "text":
        return {"tokens": "positions of the words in vocabulary.txt, 1 for another word, 0 after the end"}
    return {"sequence": f"features {', '.join(description['features'])}; rows of NaN after the end of a shorter one"}


def _behind(model: keras.Model) -> keras.Model:
    """The part of `model` after what a reader fitted."""
    import keras

    if hasattr(model, "without_preprocess"):
        return model.without_preprocess()
    preprocess = preprocess_of(model)
    nodes = (node for level in model._nodes_by_depth.values() for node in level)
    call = next(node for node in nodes if node.operation is preprocess)
    return keras.Model(call.outputs, model.outputs)


def _prepared(preprocess: keras.Model | None, tensors: dict[str, tf.Tensor], description: dict[str, Any]) -> tf.Tensor:
    """What the reader's part of the model makes of numbers; strings have become such before."""
    import tensorflow as tf

    if preprocess is None or description["kind"] == "text":
        return list(tensors.values()) if len(tensors) > 1 else next(iter(tensors.values()))
    if description["kind"] != "table":
        return preprocess(next(iter(tensors.values())))
    parts = []
    if "numeric" in tensors:
        parts.append(preprocess.get_layer("numbers")(tensors["numeric"]))
    if "categorical" in tensors:
        ids = tensors["categorical"]
        lists = preprocess.get_layer("categories").categories
        parts += [  # of -1 all are 0
            tf.cast(tf.equal(ids[:, at : at + 1], tf.range(len(names))[None]), tf.float32)
            for at, names in enumerate(lists)
        ]
    return tf.concat(parts, axis=1) if len(parts) > 1 else parts[0]
