"""The server as its users meet it: real requests over HTTP, to real artifacts."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from support.pictures import b64, encoded
from support.servers import Client, served
from zoo.errors import InputError
from zoo.serving.dispatcher import Limits
from zoo.serving.model_manager import ModelManager


def test_answers_are_those_of_the_artifact(server: Client, classifier: Path, pixels: np.ndarray) -> None:
    images = [encoded(each) for each in pixels[:20]]
    wanted = zoo.load(classifier).predict(list(pixels[:20]))
    status, found = server("/v1/models/digits:predict", {"instances": [b64(image) for image in images]})
    assert status == 200
    status, columns = server("/v1/models/digits/versions/1:predict", {"inputs": [b64(image) for image in images]})
    assert status == 200 and columns["outputs"]["label"] == [each.label for each in wanted]
    tensor = {"name": "image_bytes", "shape": [20], "datatype": "BYTES"}
    tensor["data"] = [b64(image)["b64"] for image in images]
    status, tensors = server("/v2/models/digits/infer", {"inputs": [tensor]})
    assert status == 200 and tensors["outputs"][0]["data"] == [each.label for each in wanted]
    classes = zoo.load(classifier).classes
    for want, answer, row in zip(wanted, found["predictions"], columns["outputs"]["probabilities"], strict=True):
        assert answer["label"] == want.label and answer["probabilities"] == row
        for name, value in zip(classes, row, strict=True):
            assert value == pytest.approx(want.probabilities[name], abs=1e-6)
    status, one = server("/v1/models/digits:predict", images[0], {"Content-Type": "image/png"})
    assert status == 200 and one["predictions"][0]["label"] == wanted[0].label
    status, code = server("/v1/models/digits:predict", {"signature_name": "embed", "instances": [b64(images[0])]})
    assert status == 200 and len(code["predictions"]) == 1


def test_it_tells_what_it_serves(server: Client, pixels: np.ndarray) -> None:
    status, found = server("/v1/models/digits")
    assert status == 200 and found["model_version_status"][0]["state"] == "AVAILABLE"
    _, found = server("/v1/models/digits/metadata")
    assert "image_bytes" in found["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]
    _, found = server("/v2/models/digits/versions/1")
    assert found["inputs"] == [{"name": "image_bytes", "datatype": "BYTES", "shape": [-1]}]
    for path in (
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/digits/ready",
        "/openapi.json",
        "/v1/models",
    ):
        assert server(path)[0] == 200
    status, page = server("/")
    assert status == 200 and "<style>" in page and "Drop a photo" in page
    assert 'src="' not in page and "http" not in page  # all of it is in one answer, and nothing is of others
    assert server("/", method="HEAD") == (200, "")
    assert server("/v1/models/digits:predict", {"instances": [b64(encoded(pixels[0]))]})[0] == 200
    status, text = server("/metrics")
    assert status == 200 and 'zoo_requests_total{code="200",model="digits",protocol="v1"}' in text


def test_it_tells_what_a_request_is_made_of(server: Client, tabular: Path) -> None:
    assert server("/v1/models/digits/inputs") == (200, {"inputs": [{"name": "image_bytes", "type": "image"}]})
    assert server("/v1/models/nobody/inputs")[0] == server("/v1/models/digits/versions/9/inputs")[0] == 404
    with served(ModelManager({"table": tabular}, runtime="saved_model")) as client:
        _, found = client("/v1/models/table/versions/1/inputs")
        kept = (tabular / "example.json").read_bytes()
        row = json.loads(kept)["instances"][0]
        assert found["inputs"] == [
            {"name": name, "column": name, "type": "number", "example": value} for name, value in row.items()
        ]
        status, reply = client("/v1/models/table:predict", kept)  # the example is a request
        assert status == 200 and reply["predictions"][0]["label"] == zoo.load(tabular).predict(row)[0].label


def test_bad_requests_are_refused_with_a_reason(server: Client, pixels: np.ndarray) -> None:
    good, predict = b64(encoded(pixels[0])), "/v1/models/digits:predict"
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)
    wrong = [
        (400, predict, b"{"),
        (400, predict, b"\xff\xfe"),
        (400, predict, b"[" * 100_000),
        (400, predict, {"instances": [b64(b"no image")]}),
        (400, predict, {"instances": [{"b64": "%%"}]}),
        (400, predict, {"instances": [b64(encoded(noise, "JPEG")[:900])]}),
        (400, predict, {"instances": [good, {"photo": good}]}),
        (413, predict, {"instances": [b64(encoded(np.zeros((1200, 1200), np.uint8)))]}),
        (413, predict, b" " * 1_000_001),
        (413, predict, {"instances": [good] * 65}),
        (404, "/v1/models/nobody:predict", {"instances": [good]}),
        (404, "/v1/models/digits/versions/9:predict", {"instances": [good]}),
        (404, "/v2/models/nobody/infer", {"inputs": []}),
        (400, "/v2/models/digits/infer", {"inputs": []}),
        (404, "/nothing", None),
        (405, "/v1/models/digits", {"instances": []}),
    ]
    for status, path, body in wrong:
        code, found = server(path, body)
        assert (code, path) == (status, path) and found["error"], found
    code, found = server(predict, {"instances": [good, b64(b"no image")]})
    assert code == 400 and found["error"].startswith("example 1: image_bytes")
    assert server(predict, {"instances": [good]})[0] == 200


def test_many_at_once_share_batches_and_get_their_own_answers(classifier: Path, pixels: np.ndarray) -> None:
    sizes: list[int] = []
    host = ModelManager({"digits": classifier}, runtime="saved_model", on_batch=sizes.append)
    wanted = [each.label for each in zoo.load(classifier).predict(list(pixels[:200]))]
    with served(host, limits=Limits(queue=300)) as client, ThreadPoolExecutor(24) as pool:
        asked = [{"instances": [b64(encoded(each))]} for each in pixels[:200]]
        found = list(pool.map(lambda body: client("/v1/models/digits:predict", body), asked))
    assert [answer["predictions"][0]["label"] for _, answer in found] == wanted
    assert sum(sizes) == 200 and max(sizes) > 1


def test_a_full_queue_is_told(classifier: Path, pixels: np.ndarray) -> None:
    host = ModelManager({"digits": classifier}, runtime="saved_model")
    batcher, go = host.get("digits").batcher, threading.Event()
    real = batcher._run
    batcher._run = lambda key, rows: (go.wait(30), real(key, rows))[1]
    body = {"instances": [b64(encoded(pixels[0]))] * 3}
    with served(host, limits=Limits(queue=4)) as client, ThreadPoolExecutor(2) as pool:
        first = pool.submit(client, "/v1/models/digits:predict", body)
        ends = time.monotonic() + 20
        while "zoo_waiting_examples 3.0" not in client("/metrics")[1] and time.monotonic() < ends:
            time.sleep(0.02)
        status, found = client("/v1/models/digits:predict", body)
        assert status == 429 and "wait already" in found["error"]
        go.set()
        assert first.result()[0] == 200
        assert client("/v1/models/digits:predict", body)[0] == 200


def test_a_token_is_asked_for(classifier: Path, pixels: np.ndarray) -> None:
    host = ModelManager({"digits": classifier}, runtime="saved_model")
    with served(host, token="a secret".replace(" ", "-")) as client:
        for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": "Basic YTpi"}):
            status, found = client("/v1/models", headers=headers)
            assert status == 401 and "Bearer" in found["error"]
        assert client("/v1/models", headers={"Authorization": "Bearer a-secret"})[0] == 200
        assert client("/v2/health/ready")[0] == client("/")[0] == 200


@pytest.mark.slow
def test_codes_and_reconstructions_are_served(conditional: Path, variational: Path, pixels: np.ndarray) -> None:
    with pytest.raises(InputError, match="--runtime onnx is for labels of images"):
        ModelManager({"gan": conditional}, runtime="onnx")
    with served(ModelManager({"gan": conditional, "vae": variational})) as client:
        card = json.loads((conditional / "card.json").read_text())
        width = zoo.load(conditional).width
        status, found = client(
            "/v1/models/gan:predict", {"instances": [{"code": [0.0] * width, "label": card["classes"][0]}]}
        )
        assert status == 200
        image = Image.open(io.BytesIO(base64.b64decode(found["predictions"][0]["image_bytes"]["b64"])))
        assert image.size == (8, 8)
        status, found = client("/v1/models/gan:predict", {"instances": [{"code": [0.0] * width, "label": "nobody"}]})
        assert status == 400 and "does not take" in found["error"]
        for kind in ("PNG", "TIFF"):  # the exported graph knows no TIFF
            body = {"instances": [b64(encoded(each, kind)) for each in pixels[:3]]}
            status, found = client("/v1/models/vae:predict", body)
            wanted = zoo.load(variational).anomalies(list(pixels[:3]))
            scores = [each["score"] for each in found["predictions"]]
            assert status == 200 and scores == pytest.approx([each.score for each in wanted], rel=1e-3)


@pytest.mark.slow
def test_a_schema_driven_fuzz_finds_no_failure(server: Client, workplace: Path) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{server.port}/openapi.json"]
    options = ["--checks", "not_a_server_error", "--max-examples", "60", "--seed", "1", "--phases", "examples,fuzzing"]
    result = subprocess.run([*command, *options], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-1000:]
    assert "test cases" in result.stdout or "generated" in result.stdout, result.stdout
