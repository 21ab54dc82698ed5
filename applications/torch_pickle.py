"""Read the tensors of a legacy-format PyTorch checkpoint without PyTorch.

The format, as ``torch.save(..., _use_new_zipfile_serialization=False)`` writes it: five pickles (magic number,
protocol version, system information, the object, the storage keys), then for every storage its element count as
a little-endian int64 and its elements.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_DTYPES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
}


class _Tensor:
    """A view on a storage that is read later."""

    def __init__(self, storage: tuple[str, np.dtype], offset: int, shape: tuple[int, ...], strides: tuple[int, ...]):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides


def _rebuild_tensor(storage: Any, offset: int, shape: Any, strides: Any, *_: Any) -> _Tensor:
    return _Tensor(storage, int(offset), tuple(shape), tuple(strides))


class _Unpickler(pickle.Unpickler):
    """Admits what a dictionary of tensors needs and nothing else, so that a file can't run code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"refused {module}.{name}: a weights file may hold tensors only")

    def persistent_load(self, pid: Any) -> Any:
        kind, dtype, key, _location, _size, _view = pid
        if kind != "storage" or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError(f"refused a persistent object of kind {kind!r}")
        return str(key), dtype


def read(path: str | Path) -> dict[str, np.ndarray]:
    """Tensors of a legacy PyTorch checkpoint.

    Args:
        path: a file whose object is a flat dictionary of tensors.

    Returns:
        name -> array, in the file's dtype and PyTorch's axis order (convolutions: out, in, height, width).

    Raises:
        ValueError: the file is no such checkpoint, is truncated, or holds anything but tensors.
    """
    try:
        with open(path, "rb") as file:
            return _read(file)
    except (pickle.UnpicklingError, EOFError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: expected a legacy PyTorch checkpoint of tensors; {error}") from error


def _read(file: BinaryIO) -> dict[str, np.ndarray]:
    if _Unpickler(file).load() != _MAGIC or _Unpickler(file).load() != _PROTOCOL:
        raise pickle.UnpicklingError("its magic number is not that of the legacy format")
    _Unpickler(file).load()  # byte order and integer sizes of the writer: the storages are little-endian always
    tensors = _Unpickler(file).load()
    storages: dict[str, np.ndarray] = {}
    dtypes = {tensor.storage[0]: tensor.storage[1] for tensor in tensors.values()}
    for key in _Unpickler(file).load():
        count = int.from_bytes(file.read(8), "little")
        data = file.read(count * dtypes[key].itemsize)
        if len(data) != count * dtypes[key].itemsize:
            raise EOFError("the file ends inside a tensor")
        storages[key] = np.frombuffer(data, dtypes[key])
    return {name: _view(tensor, storages[tensor.storage[0]]) for name, tensor in tensors.items()}


def _view(tensor: _Tensor, storage: np.ndarray) -> np.ndarray:
    last = tensor.offset + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True))
    if tensor.offset < 0 or min(tensor.strides, default=0) < 0 or last >= max(len(storage), 1):
        raise IndexError("a tensor reaches outside its storage")
    strides = [s * storage.itemsize for s in tensor.strides]
    return np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides, writeable=False).copy()
