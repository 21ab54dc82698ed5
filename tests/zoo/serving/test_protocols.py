"""What requests mean, and what goes back: TensorFlow Serving's REST and the Open Inference Protocol."""

from __future__ import annotations

import base64
import io
import json
import struct
from typing import Any

import numpy as np
import PIL
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from zoo.kinds import Tables
from zoo.kinds.images import decoding, exportable
from zoo.serving import open_inference, tf_rest
from zoo.serving.request_errors import RequestError
from zoo.serving.servables import Signature, Tensor, checked

KIND = Tables(("age",), ("kind",))
ROWS = {
    "serving_default": Signature(
        {"age": Tensor("float32", (None,)), "kind": Tensor("string", (None,))},
        {"label": Tensor("string", (None,)), "probabilities": Tensor("float32", (None, 2))},
    ),
    "one": Signature({"code": Tensor("float32", (None, 2))}, {"pixels_bytes": Tensor("string", (None,))}),
}
PHOTO = {"serving_default": Signature({"image_bytes": Tensor("string", (None,))}, {"x": Tensor("float32", (None,))})}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
keys = st.sampled_from(["instances", "inputs", "signature_name", "outputs", "name", "shape", "datatype", "data", "age"])
requests = st.dictionaries(keys, anything, max_size=4)


def test_rows_and_columns_are_the_same_request() -> None:
    by_row = tf_rest.parse({"instances": [{"age": 1, "kind": "a"}, {"age": None, "kind": "b"}]}, ROWS)
    by_column = tf_rest.parse({"inputs": {"age": [1, None], "kind": ["a", "b"]}}, ROWS)
    assert by_row.rows == by_column.rows == [{"age": 1, "kind": "a"}, {"age": None, "kind": "b"}]


def test_the_only_input_needs_no_name() -> None:
    for instance in ([1.0, 2.0], {"code": [1.0, 2.0]}):
        assert tf_rest.parse({"signature_name": "one", "instances": [instance]}, ROWS).rows == [{"code": [1.0, 2.0]}]
    for inputs in ([[1.0, 2.0]], {"code": [[1.0, 2.0]]}):
        assert tf_rest.parse({"signature_name": "one", "inputs": inputs}, ROWS).rows == [{"code": [1.0, 2.0]}]
    encoded = {"b64": "AAAA"}
    assert tf_rest.parse({"instances": [encoded]}, PHOTO).rows == [{"image_bytes": encoded}]


def test_answers_are_those_of_tensorflow_serving() -> None:
    answers = [{"label": b"a", "probabilities": np.array([0.5, np.nan], np.float32)}]
    asked = tf_rest.parse({"instances": [{"age": 1, "kind": "a"}]}, ROWS)
    found = tf_rest.reply(asked, answers, ROWS["serving_default"])
    assert found == {"predictions": [{"label": "a", "probabilities": [0.5, None]}]}
    asked = asked._replace(by_row=False)
    found = tf_rest.reply(asked, answers, ROWS["serving_default"])
    assert found == {"outputs": {"label": ["a"], "probabilities": [[0.5, None]]}}
    one = tf_rest.parse({"signature_name": "one", "instances": [[1, 2]]}, ROWS)
    assert tf_rest.reply(one, [{"pixels_bytes": b"\xff"}], ROWS["one"]) == {"predictions": [{"b64": "/w=="}]}


def test_tensors_of_json_and_of_bytes_are_the_same_request() -> None:
    code = np.arange(4, dtype=np.float32)
    head = {"name": "code", "shape": [2, 2], "datatype": "FP32"}
    plain = {"parameters": {"signature_name": "one"}, "inputs": [head | {"data": code.tolist()}]}
    nested = plain | {"inputs": [head | {"data": code.reshape(2, 2).tolist()}]}
    binary = plain | {"inputs": [head | {"parameters": {"binary_data_size": 16}}]}
    found = [open_inference.parse(plain, b"", ROWS), open_inference.parse(nested, b"", ROWS)]
    found.append(open_inference.parse(binary, code.tobytes(), ROWS))
    for each in found:
        assert [row["code"].tolist() for row in each.rows] == [[0, 1], [2, 3]]


def test_photos_of_bytes() -> None:
    packed = b"".join(struct.pack("<I", len(each)) + each for each in (b"one", b"three"))
    head = {"name": "image_bytes", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(packed)}}
    text = json.dumps({"id": "7", "inputs": [head], "parameters": {"binary_data_output": True}}).encode()
    split = open_inference.split(text + packed, str(len(text)))
    asked = open_inference.parse(json.loads(split[0]), split[1], PHOTO)
    assert asked.rows == [{"image_bytes": b"one"}, {"image_bytes": b"three"}]
    body, length = open_inference.reply(asked, [{"x": 1.5}, {"x": 2.5}], PHOTO["serving_default"], "m", 3)
    head = json.loads(body[:length])
    assert head["id"] == "7" and head["model_version"] == "3" and head["outputs"][0]["shape"] == [2]
    assert np.frombuffer(body[length:], "<f4").tolist() == [1.5, 2.5]


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"instances": []},
        {"instances": [{"age": 1, "kind": "a"}], "inputs": {}},
        {"instances": 3},
        {"signature_name": "other", "instances": [1]},
        {"signature_name": ["serving_default"], "instances": [1]},
        {"inputs": {"age": [1, 2], "kind": ["a"]}},
        {"inputs": {"age": [], "kind": []}},
        {"instances": [1]},
    ],
)
def test_what_is_no_request_is_refused_with_a_reason(body: Any) -> None:
    with pytest.raises(RequestError, match="expected") as error:
        tf_rest.parse(body, ROWS)
    assert error.value.status == 400


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"age": 1},
        {"age": 1, "kind": "a", "more": 2},
        {"age": "1", "kind": "a"},
        {"age": [1], "kind": "a"},
        {"age": True, "kind": "a"},
        {"age": {"b64": "AA"}, "kind": "a"},
        {"age": 1, "kind": 2},
        {"age": 1, "kind": "\ud800"},
        {"age": 1, "kind": {"b64": "?"}},
        {"age": 1, "kind": None},
    ],
)
def test_what_is_no_example_is_refused_with_a_reason(fields: Any) -> None:
    with pytest.raises(RequestError, match="expected") as error:
        checked(fields, ROWS["serving_default"].inputs, KIND)
    assert error.value.status == 400


@given(requests | anything, st.binary(max_size=20))
@settings(max_examples=300, deadline=None)
def test_whatever_comes_is_a_request_or_refused(body: Any, binary: bytes) -> None:
    signatures = ROWS | {"serving_default": ROWS["one"]}
    for read in (lambda: tf_rest.parse(body, signatures), lambda: open_inference.parse(body, binary, signatures)):
        try:
            for fields in read().rows:
                checked(fields, signatures["serving_default"].inputs, KIND)
        except RequestError as error:
            assert 400 <= error.status < 500 and error.reason


@given(
    anything, st.sampled_from(["BYTES", "FP32", "BOOL", "INT64"]) | anything, st.lists(st.integers(-1, 4), max_size=3)
)
@settings(max_examples=300, deadline=None)
def test_whatever_tensor_comes_is_read_or_refused(data: Any, kind: Any, shape: list[int]) -> None:
    for signature, name in ((ROWS["one"], "code"), (PHOTO["serving_default"], "image_bytes")):
        body = {"inputs": [{"name": name, "shape": shape, "datatype": kind, "data": data}]}
        try:
            for fields in open_inference.parse(body, b"", {"serving_default": signature}).rows:
                checked(fields, signature.inputs, KIND)
        except RequestError as error:
            assert 400 <= error.status < 500 and error.reason


def test_a_request_of_too_many_examples_is_refused_before_they_are_made() -> None:
    columns = {"code": [[1, 2]] * 5}
    tensor = {"name": "code", "shape": [5, 2], "datatype": "FP32", "data": [1] * 10}
    for ask in (
        lambda: tf_rest.parse({"signature_name": "one", "instances": columns["code"]}, ROWS, 4),
        lambda: tf_rest.parse({"signature_name": "one", "inputs": columns}, ROWS, 4),
        lambda: open_inference.parse({"parameters": {"signature_name": "one"}, "inputs": [tensor]}, b"", ROWS, 4),
    ):
        with pytest.raises(RequestError, match="at most 4 examples") as refused:
            ask()
        assert refused.value.status == 413


def test_text_among_numbers_takes_no_memory() -> None:
    texts = ["a" * 1_000_000] + [""] * 50_000  # NumPy's array of these has 200 GB
    with pytest.raises(RequestError, match="expected 2 numbers"):
        checked({"code": texts}, ROWS["one"].inputs, KIND)
    tensor = {"name": "code", "shape": [1, len(texts)], "datatype": "FP32", "data": texts}
    with pytest.raises(RequestError, match="expected numbers"):
        open_inference.parse({"parameters": {"signature_name": "one"}, "inputs": [tensor]}, b"", ROWS)


def test_halves_of_surrogate_pairs_and_names_that_are_none_are_refused() -> None:
    tensor = {"name": "code", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
    body = {"parameters": {"signature_name": "one"}, "inputs": [tensor]}
    with pytest.raises(RequestError, match="half of a surrogate pair"):
        open_inference.parse(body | {"id": "\ud800"}, b"", ROWS)
    with pytest.raises(RequestError, match="each once"):
        open_inference.parse(body | {"inputs": [tensor | {"name": ["code"]}]}, b"", ROWS)
    with pytest.raises(RequestError) as refused:
        checked({"\ud800": 1}, ROWS["one"].inputs, KIND)
    assert refused.value.reason.encode()


@pytest.mark.parametrize("mode", ["CMYK", "LAB", "YCbCr", "RGB", "L"])
def test_what_png_can_not_hold_is_the_same_pixels(mode: str) -> None:
    buffer, turned = io.BytesIO(), Image.Exif()
    turned[0x0112] = 6
    values = np.random.default_rng(0).integers(0, 256, (9, 7, len(Image.new(mode, (1, 1)).getbands())), np.uint8)
    bands = [Image.fromarray(values[..., at]) for at in range(values.shape[-1])]
    Image.merge(mode, bands).save(buffer, "TIFF", exif=turned)
    if mode == "YCbCr" and int(PIL.__version__.split(".")[0]) < 13:
        pytest.skip("Pillow reads no TIFF of plain YCbCr before 13.0")
    found = decoding.decode(exportable.as_png(buffer.getvalue()), (7, 9))
    assert np.array_equal(found, decoding.decode(buffer.getvalue(), (7, 9)))


def test_a_number_that_is_missing_is_null() -> None:
    found = checked({"age": None, "kind": "ä"}, ROWS["serving_default"].inputs, KIND)
    assert np.isnan(found["age"]) and found["kind"] == "ä".encode()
    coded = base64.b64encode(b"raw").decode()
    assert checked({"age": 1, "kind": {"b64": coded}}, ROWS["serving_default"].inputs, KIND)["kind"] == b"raw"
