"""TensorFlow Serving's gRPC: what a request would become is counted first, and who stops holds nobody up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.servers import served_by_grpc
from zoo.serving import tensors
from zoo.serving.model_manager import ModelManager
from zoo.serving.request_errors import RequestError
from zoo.serving.servables import Tensor

grpc = pytest.importorskip("grpc")
predict_pb2 = pytest.importorskip("tensorflow_serving.apis.predict_pb2")
COLUMNS = tuple(f"feature_{at}" for at in range(4))
SIGNATURE = {name: Tensor("float32", (None,)) for name in COLUMNS}
PHOTOS = {"image_bytes": Tensor("string", (None,))}
WIDE = {"code": Tensor("float32", (None, None, 3))}


def of_floats(values: dict[str, float], shape: list[int], name: str = "table", dtype: int = 1) -> Any:
    """A request whose tensors say one value each, and any shape."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    for key, value in values.items():
        request.inputs[key].dtype = dtype
        request.inputs[key].float_val.append(value)
        for size in shape:
            request.inputs[key].tensor_shape.dim.add().size = size
    return request


def peak() -> float:
    """MB that this process ever had, since it was last asked."""
    status = Path("/proc/self/status").read_text()
    Path("/proc/self/clear_refs").write_text("5")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_small_messages_of_large_tensors_make_none(tabular: Path) -> None:
    ones = dict.fromkeys(COLUMNS, 1.0)
    with served_by_grpc(ModelManager({"table": tabular})) as ask:
        ask(of_floats(ones, [2]))
        before, started = (peak(), peak())[1], time.monotonic()
        for shape in ([16_000_000], [256, 16_000_000], [1, 2**40], [2**62], [-1], [0], [], [1] * 300):
            with pytest.raises(grpc.RpcError) as error:
                ask(of_floats(ones, shape))
            assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT and "expected" in error.value.details()
        assert peak() - before < 50 and time.monotonic() - started < 5
        assert len(ask(of_floats(ones, [256])).outputs["label"].string_val) == 256


def test_grpc_takes_the_tensors_of_the_signature_alone(tabular: Path) -> None:
    ones = dict.fromkeys(COLUMNS, 1.0)
    with served_by_grpc(ModelManager({"table": tabular}), token="a-long-secret") as ask:
        bearer = ("authorization", "bEARER a-long-secret")
        assert ask(of_floats(ones, [1]), metadata=[bearer]).outputs["label"].string_val
        wrong: list[tuple[Any, str]] = [(of_floats(ones, [1], dtype=dtype), "DT_") for dtype in (7, 8, 10, 11, 20, 21)]
        wrong += [(of_floats(ones, [1], dtype=dtype), "type of numbers") for dtype in (0, 101, 999)]
        wrong += [(of_floats({**ones, "e": 1.0}, [1]), "inputs feature_0, feature_1")]
        wrong += [(of_floats({COLUMNS[1]: 1.0}, [1]), "received feature_1")]
        wrong += [(of_floats({}, [1]), "received none"), (b"\xff\xff", "PredictRequest")]
        wrong += [(of_tensor(field(8, b"") * 300_000), "at most 200,000 fields")]
        for request, reason in wrong:
            with pytest.raises(grpc.RpcError) as error:
                ask(request, metadata=[bearer])
            assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT and reason in error.value.details()
        for metadata in ([], [("authorization", "Bearer other")], [bearer, bearer]):
            with pytest.raises(grpc.RpcError) as error:
                ask(of_floats(ones, [1]), metadata=metadata)
            assert error.value.code() != grpc.StatusCode.UNKNOWN and "expected" in error.value.details()


def proto(dtype: int, shape: list[int], **values: Any) -> Any:
    from tensorflow.core.framework import tensor_pb2

    found = tensor_pb2.TensorProto(dtype=dtype, **values)
    for size in shape:
        found.tensor_shape.dim.add().size = size
    return found


@pytest.mark.parametrize(
    ("inputs", "given", "reason"),
    [
        (WIDE, {"code": proto(1, [2, 9, 4], float_val=[1.0])}, "expected the shape examples x any x 3"),
        (WIDE, {"code": proto(1, [2, 3], float_val=[1.0])}, "received 2 x 3"),
        (WIDE, {"code": proto(1, [1, 10**6, 3], float_val=[1.0])}, "at most 1,000,000 bytes"),
        (WIDE, {"code": proto(1, [1, 1, 3], tensor_content=b"1234")}, "expected 12 bytes in tensor_content"),
        (WIDE, {"code": proto(1, [1, 1, 3], float_val=[1.0] * 4)}, "expected 3 values in float_val"),
        (PHOTOS, {"image_bytes": proto(7, [5], string_val=[b"x" * 300_000])}, "received 1,500,000"),
        (PHOTOS, {"image_bytes": proto(7, [2], string_val=[b""] * 3)}, "expected 2 values in string_val"),
        (PHOTOS, {"image_bytes": proto(7, [2])}, "expected 2 values in string_val"),
        (PHOTOS, {"image_bytes": proto(7, [9], string_val=[b""] * 9)}, "at most 8 examples"),
        (
            SIGNATURE,
            {name: proto(1, [1 + (name == COLUMNS[-1])], float_val=[1.0]) for name in COLUMNS},
            "as many values",
        ),
    ],
)
def test_tensors_are_counted_before_they_are_made(inputs: Any, given: Any, reason: str) -> None:
    with pytest.raises(RequestError, match=reason):
        tensors.check(given, inputs, 8, 1_000_000)


def field(number: int, content: bytes) -> bytes:
    """One of a message, with its length before it."""
    size, length = len(content), b""
    while size > 127:
        size, length = size >> 7, length + bytes([size & 127 | 128])
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def of_tensor(content: bytes) -> bytes:
    return field(1, field(1, b"table")) + field(2, field(1, b"a") + field(2, content))


@pytest.mark.parametrize(
    "message",
    [
        of_tensor(field(8, b"") * 600_000),
        of_tensor(field(2, field(2, b"") * 600_000)),
        of_tensor(b"\x08\x01" * 600_000),
        field(2, b"") * 600_000,
        field(3, b"") * 600_000,
    ],
)
def test_messages_are_counted_before_they_are_read(message: bytes) -> None:
    assert not tensors.few(message) and not tensors.few(message, 10)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (of_tensor(field(15, b"")), "resource or a variant"),
        (of_tensor(field(14, field(1, b"cpu"))), "resource or a variant"),
        (of_tensor(b"\x42\x05abc"), "bytes that are none"),
        (b"\x0b" * 9, "bytes that are none"),
        (b"\xff" * 20, "bytes that are none"),
        (b"\x0a", "bytes that are none"),
    ],
)
def test_messages_that_are_no_requests_are_refused(message: bytes, reason: str) -> None:
    with pytest.raises(RequestError, match=reason):
        tensors.few(message)


def test_messages_that_are_requests_are_counted_as_such() -> None:
    import tensorflow as tf

    request = of_floats(dict.fromkeys(COLUMNS, 1.0), [2, 3])
    request.model_spec.version.value = 2**62
    request.output_filter.extend(["label", ""])
    request.inputs["text"].CopyFrom(tf.make_tensor_proto([b"", b"x" * 300, b"\xff" * 20_000]))
    request.inputs["numbers"].CopyFrom(tf.make_tensor_proto(np.arange(9.0)))
    request.inputs["one"].CopyFrom(tf.make_tensor_proto(-1))
    assert tensors.few(request.SerializeToString(), 70) and not tensors.few(request.SerializeToString(), 20)
    assert tensors.few(b"", 0)


def test_tensors_are_what_tensorflow_reads() -> None:
    import tensorflow as tf

    for dtype in ("float32", "float64", "float16", "int8", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        array = np.arange(12).reshape(2, 2, 3).astype(dtype)
        for given in (tf.make_tensor_proto(array), proto(tf.as_dtype(dtype).as_datatype_enum, [2, 2, 3])):
            assert tensors.check({"code": given}, WIDE, 8, 1000) == array.nbytes
            (found,) = tensors.columns({"code": given}).values()
            assert np.array_equal(found, tf.make_ndarray(given)) and found[0].dtype == dtype
    assert tensors.columns({"text": proto(7, [3], string_val=[b"a", b"b"])}) == {"text": [b"a", b"b", b"b"]}


def test_messages_that_do_not_come_hold_nobody_up(tabular: Path) -> None:
    from zoo.serving.grpc_service import PREDICT

    ended = threading.Event()

    def never() -> Iterator[bytes]:
        ended.wait(60)
        yield from ()

    with served_by_grpc(ModelManager({"table": tabular})) as ask:
        request = of_floats(dict.fromkeys(COLUMNS, 1.0), [1])
        ask(request)
        slow = [ask.channel.stream_unary(PREDICT).future(never()) for _ in range(40)]
        time.sleep(0.5)
        started = time.monotonic()
        for _ in range(3):
            assert ask(request).outputs["label"].string_val
        assert time.monotonic() - started < 20  # a minute, where the first sixteen may take their time
        ended.set()
        assert grpc.StatusCode.RESOURCE_EXHAUSTED in {each.code() for each in slow}
