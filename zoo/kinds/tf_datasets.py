"""Examples of a `tf.data.Dataset` as arrays. TensorFlow is looked for among what is loaded, never imported."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from zoo.data import assembling
from zoo.errors import InputError
from zoo.kinds.array_targets import is_one_hot

MEMORY = 8 << 30  # bytes that are read at most, also of a data set that does not know its end


def holds(value: Any) -> bool:
    """Whether a value is a `tf.data.Dataset`."""
    tensorflow = sys.modules.get("tensorflow")
    return hasattr(value, "element_spec") and tensorflow is not None and isinstance(value, tensorflow.data.Dataset)


def read(dataset: Any) -> tuple[np.ndarray, np.ndarray, tuple[str, ...] | None]:
    """All examples of a data set.

    They are sorted by their content, so that one that shuffles gives the same data each time.

    Args:
        dataset: of inputs and targets, one tensor each, batched or not.

    Returns:
        inputs (examples, ...), targets (examples, ...), and its attribute ``class_names``, which
        `keras.utils.image_dataset_from_directory` sets; None where there is none.

    Raises:
        InputError: its elements are no such pairs, it has no end, or it is too large; it shows the call that works.
    """
    batched = _is_batched(dataset)
    count = int(dataset.cardinality())
    if count == -1:
        raise InputError("the tf.data.Dataset repeats without end; say how many: zoo.data.open(dataset.take(100))")
    inputs: list[np.ndarray] = []
    targets: list[np.ndarray] = []
    size = 0
    for x, y in dataset.as_numpy_iterator():
        inputs.append(x if batched else np.asarray(x)[None])
        targets.append(y if batched else np.asarray(y)[None])
        size += inputs[-1].nbytes
        if size > MEMORY:
            raise InputError(
                f"the tf.data.Dataset has over {MEMORY >> 30} GB, or no end; take some: "
                f"zoo.data.open(dataset.take({len(inputs) // 2})), or give the folder of its files"
            )
    if not inputs:
        raise InputError("the tf.data.Dataset is empty; expected examples (x, y)")
    if batched and len({each.shape for each in targets}) == 1 and is_one_hot(np.stack(targets)):
        # Not batches, but one-hot rows.
        inputs, targets = ([each[None] for each in several] for several in (inputs, targets))
    if len({each.shape[1:] for each in inputs}) > 1:
        raise InputError(
            "the tf.data.Dataset has inputs of different shapes; pad them: dataset.padded_batch(32, "
            "padding_values=(numpy.nan, ...)) for sequences, dataset.map(lambda x, y: (tf.image.resize(x, (64, 64)), "
            "y)) for images"
        )
    values, wanted = _strings(np.concatenate(inputs)), _strings(np.concatenate(targets))
    if len(values) != len(wanted):
        raise InputError(f"the tf.data.Dataset has {len(values)} inputs and {len(wanted)} targets; expected as many")
    keys = list(zip(assembling.row_digests(values), assembling.row_digests(wanted), strict=True))
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__))
    names = getattr(dataset, "class_names", None)
    return values[order], wanted[order], None if names is None else tuple(map(str, names))


def _strings(values: np.ndarray) -> np.ndarray:
    """The bytes of string tensors as str."""
    if values.dtype.kind not in "OS":
        return values
    return np.array([each.decode("utf-8", "replace") for each in values.ravel()], dtype=object).reshape(values.shape)


def _is_batched(dataset: Any) -> bool:
    """Whether the elements are batches: both tensors have axes, the first of one length.

    Raises:
        InputError: the elements are no pairs of tensors.
    """
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2:
        what = f"{len(spec)} values" if isinstance(spec, tuple) else "inputs alone"
        call = "dataset.map(lambda x, y, weight: (x, y))" if isinstance(spec, tuple) else "(x, y), with targets"
        hint = "; images without labels: zoo.data.open(FOLDER, labels=False)" if not isinstance(spec, tuple) else ""
        raise InputError(f"the tf.data.Dataset gives {what}; expected pairs (x, y): zoo.data.open({call}){hint}")
    for name, each in zip(("inputs", "targets"), spec, strict=True):
        if type(each).__name__ == "RaggedTensorSpec":
            raise InputError(
                f"the tf.data.Dataset has ragged {name}; pad them: "
                "zoo.data.open(dataset.map(lambda x, y: (x.to_tensor(numpy.nan), y)))"
            )
        if type(each).__name__ != "TensorSpec":
            raise InputError(
                f"the tf.data.Dataset has {name} of several tensors ({type(each).__name__}); expected one: for columns "
                "give the table itself, zoo.data.open('table.csv', target=COLUMN), or a data frame"
            )
        if each.shape.rank is None:
            raise InputError(
                f"the tf.data.Dataset does not say the shape of its {name}; say it: dataset.map(lambda x, y: "
                "(tf.ensure_shape(x, [28, 28, 1]), tf.ensure_shape(y, [])))"
            )
    inputs, targets = (each.shape for each in spec)
    least = 1 if spec[0].dtype.name == "string" else 2
    return inputs.rank >= least and targets.rank >= 1 and inputs[0] == targets[0]
