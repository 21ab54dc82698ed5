"""The server as its users meet it: real requests over HTTP, to real artifacts."""

from __future__ import annotations

import base64
import http.client
import io
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import zoo
from support.pictures import b64, encoded
from support.servers import Client, process, served
from zoo.errors import InputError
from zoo.serving import connections, front, hosting, running
from zoo.serving.batching import Batcher
from zoo.serving.front import Limits
from zoo.serving.hosting import Host
from zoo.serving.observing import Log


@pytest.fixture(scope="module")
def server(classifier: Path) -> Iterator[Client]:
    host = Host({"digits": classifier}, runtime="saved_model", most=1_000_000)
    with served(host, limits=Limits(request=1_000_000, queue=64)) as client:
        yield client


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


def test_it_tells_what_it_serves(server: Client) -> None:
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
    status, text = server("/metrics")
    assert status == 200 and 'zoo_requests_total{code="200",model="digits",protocol="v1"}' in text


def test_it_tells_what_a_request_is_made_of(server: Client, tabular: Path) -> None:
    assert server("/v1/models/digits/inputs") == (200, {"inputs": [{"name": "image_bytes", "type": "image"}]})
    assert server("/v1/models/nobody/inputs")[0] == server("/v1/models/digits/versions/9/inputs")[0] == 404
    with served(Host({"table": tabular}, runtime="saved_model")) as client:
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
    host = Host({"digits": classifier}, runtime="saved_model", told=sizes.append)
    wanted = [each.label for each in zoo.load(classifier).predict(list(pixels[:200]))]
    with served(host, limits=Limits(queue=300)) as client, ThreadPoolExecutor(24) as pool:
        asked = [{"instances": [b64(encoded(each))]} for each in pixels[:200]]
        found = list(pool.map(lambda body: client("/v1/models/digits:predict", body), asked))
    assert [answer["predictions"][0]["label"] for _, answer in found] == wanted
    assert sum(sizes) == 200 and max(sizes) > 1


def test_a_full_queue_is_told(classifier: Path, pixels: np.ndarray) -> None:
    host = Host({"digits": classifier}, runtime="saved_model")
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


def test_clients_that_stop_in_the_middle_hold_nothing_up(
    classifier: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "PATIENCE", 1.0)
    body = json.dumps({"instances": [b64(encoded(pixels[0]))]}).encode()
    head = f"POST /v1/models/digits:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    out = io.StringIO()
    with served(Host({"digits": classifier}, runtime="saved_model"), limits=Limits(queue=2), log=Log(out)) as client:
        slow = [socket.create_connection(("127.0.0.1", client.port)) for _ in range(8)]
        for each in slow:
            each.sendall(head + body[:100])
        slow.pop().close()
        assert client("/v1/models/digits:predict", body)[0] == 200
        for each in slow:
            each.settimeout(20)
            assert b" 408 " in each.recv(100)
            each.close()
        monkeypatch.setattr(front, "HELD", 0)
        assert client("/v1/models/digits:predict", body)[0] == 429
        monkeypatch.setattr(front, "HELD", 16)
        assert client("/v1/models/digits:predict", body)[0] == 200
    statuses = {json.loads(line)["status"] for line in out.getvalue().splitlines()}
    assert statuses == {200, 408, 429, 499}


def test_a_token_is_asked_for(classifier: Path, pixels: np.ndarray) -> None:
    host = Host({"digits": classifier}, runtime="saved_model")
    with served(host, token="a secret".replace(" ", "-")) as client:
        for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": "Basic YTpi"}):
            status, found = client("/v1/models", headers=headers)
            assert status == 401 and "Bearer" in found["error"]
        assert client("/v1/models", headers={"Authorization": "Bearer a-secret"})[0] == 200
        assert client("/v2/health/ready")[0] == client("/")[0] == 200


@pytest.mark.parametrize("text", ["short", "with a space", "ümlaut-long"])
def test_a_weak_token_is_refused(text: str, workplace: Path) -> None:
    with pytest.raises(InputError, match="token of 8"):
        running.token_of(None, text)
    with pytest.raises(InputError, match="can't be read"):
        running.token_of("missing", None)
    assert running.token_of(None, None) is None


def test_a_newer_version_is_picked_up_and_a_broken_one_is_not(
    classifier: Path, workplace: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting, "POLL", 0.1)
    base, events = workplace / "digits", []
    shutil.copytree(classifier, base / "1")
    host = Host({"digits": base}, runtime="saved_model", tell=lambda event, **facts: events.append((event, facts)))

    def until(wanted: str, number: int) -> dict[str, Any]:
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            states = {each["version"]: each for each in client("/v1/models/digits")[1]["model_version_status"]}
            if states.get(str(number), {}).get("state") == wanted:
                return states
            time.sleep(0.05)
        raise AssertionError(states)

    with served(host) as client:
        shutil.copytree(classifier, workplace / "new")
        graph = workplace / "new" / "saved_model.pb"
        whole = graph.read_bytes()
        graph.write_bytes(whole[: len(whole) // 2])
        (workplace / "new").rename(base / "2")
        assert set(until("END", 2)) == {"1", "2"}
        assert client("/v1/models/digits:predict", {"instances": [b64(encoded(pixels[0]))]})[0] == 200
        assert [event for event, _ in events].count("version broken") == 1
        (base / "2" / "saved_model.pb").write_bytes(whole)
        assert set(until("AVAILABLE", 2)) == {"2"}
        assert client("/v1/models/digits/versions/1")[0] == 404
        assert client("/v1/models/digits:predict", {"instances": [b64(encoded(pixels[0]))]})[0] == 200
    (base / "2" / "saved_model.pb").write_bytes(b"")
    again = Host({"digits": base}, runtime="saved_model")  # started where the newest one is broken
    assert again.get("digits").number == 1 and list(again.models["digits"].broken) == [2]
    again.close()
    pinned = hosting.named([f"old={base}/1", str(base)])
    assert pinned == {"old": base / "1", "digits": base}
    monkeypatch.setattr(hosting.artifact, "ROOT", workplace)
    monkeypatch.chdir(base / "2")
    assert hosting.named(["old=digits/1", "digits"]) == {"old": base / "1", "digits": base}
    assert hosting.named(["."]) == {"digits": Path(".")} and hosting._number(Path(".")) == 2


def test_a_version_that_is_replaced_answers_what_it_began() -> None:
    import asyncio

    async def asked() -> list[Any]:
        batcher = Batcher(lambda key, rows: list(rows))
        assert batcher.hold()
        closing = asyncio.get_running_loop().run_in_executor(None, batcher.close)
        while batcher.hold():
            batcher.release()
            await asyncio.sleep(0.01)
        found = await batcher.ask("key", [1])
        assert not closing.done()
        batcher.release()
        await closing
        return found

    assert asyncio.run(asked()) == [1]


def test_who_is_gone_is_not_answered() -> None:
    import asyncio

    go, seen = threading.Event(), []

    def run(key: Any, rows: Any) -> list[int]:
        seen.extend(rows)
        go.wait(10)
        return list(rows)

    async def asked() -> None:
        batcher = Batcher(run, most=1)
        first, gone = (asyncio.ensure_future(batcher.ask("key", [row])) for row in (1, 2))
        await asyncio.sleep(0.05)
        gone.cancel()
        await asyncio.sleep(0)
        go.set()
        assert await first == [1] and await batcher.ask("key", [3]) == [3] and seen == [1, 3]
        await asyncio.get_running_loop().run_in_executor(None, batcher.close)

    asyncio.run(asked())


@pytest.mark.parametrize(
    "before", [b"GET /v2 HTTP/1.1\r\nA: ", b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: "]
)
def test_a_head_without_end_is_refused(server: Client, before: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection, pytest.raises(OSError):
        connection.sendall(before)
        for _ in range(1000):
            connection.sendall(b"a" * 100_000)
    assert server("/v2")[0] == 200


def test_a_head_that_does_not_come_is_not_waited_for(server: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 0.2)
    for begun in (b"", b"GET /v2 HTTP/1.1\r\n", b"GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\nGET /v2"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(begun)
            while connection.recv(10_000):
                pass


def test_what_can_not_be_served_is_told(classifier: Path, workplace: Path) -> None:
    with pytest.raises(InputError, match="no artifact"):
        hosting.named(["nothing"])
    with pytest.raises(InputError, match="two models are named"):
        hosting.named([str(classifier), str(classifier)])
    with pytest.raises(InputError, match="a name without"):
        hosting.named([f"a/b={classifier}"])
    with running._socket("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(InputError, match="name another --port"):
            running.serve([str(classifier)], port=taken.getsockname()[1])
        with pytest.raises(InputError, match="name another --grpc-port"):
            running.serve([str(classifier)], port=0, grpc_port=taken.getsockname()[1])
    with pytest.raises(InputError, match="name another --grpc-port"):
        running.serve([str(classifier)], port=18501, grpc_port=18501)


def test_one_bad_row_spoils_no_batch() -> None:
    import asyncio

    go = threading.Event()

    def run(key: Any, rows: Any) -> list[int]:
        go.wait(10)
        if 3 in rows:
            raise ValueError("three")
        return [row * 10 for row in rows]

    async def all_of_them() -> list[Any]:
        batcher = Batcher(run, most=8)
        asked = [asyncio.ensure_future(batcher.ask("key", [row])) for row in range(6)]
        await asyncio.sleep(0.05)
        go.set()
        found = await asyncio.gather(*asked, return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(None, batcher.close)
        with pytest.raises(RuntimeError, match="closed"):
            await batcher.ask("key", [1])
        return found

    found = asyncio.run(all_of_them())
    assert [each for each in found if not isinstance(each, Exception)] == [[0], [10], [20], [40], [50]]
    assert isinstance(found[3], ValueError)


@pytest.mark.slow
def test_codes_and_reconstructions_are_served(conditional: Path, variational: Path, pixels: np.ndarray) -> None:
    with pytest.raises(InputError, match="--runtime onnx is for labels of images"):
        Host({"gan": conditional}, runtime="onnx")
    with served(Host({"gan": conditional, "vae": variational})) as client:
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
def test_sigterm_loses_nothing_that_was_accepted(classifier: Path, workplace: Path, pixels: np.ndarray) -> None:
    body = {"instances": [b64(encoded(pixels[0]))] * 8}
    with process(str(classifier), "--runtime", "saved_model", "--host", "0.0.0.0") as (server, client, log):
        name = client("/v1/models")[1]["models"][0]["name"].replace(" ", "%20")
        counts, lock = {"answered": 0}, threading.Lock()

        def ask() -> None:
            while True:
                try:
                    status, found = client(f"/v1/models/{name}:predict", body)
                except (OSError, http.client.HTTPException):
                    return
                assert status == 200 and len(found["predictions"]) == 8
                with lock:
                    counts["answered"] += 1

        threads = [threading.Thread(target=ask) for _ in range(16)]
        for thread in threads:
            thread.start()
        while counts["answered"] < 50:
            time.sleep(0.01)
        server.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert server.wait(30) == 0
        told = [json.loads(line) for line in log.read_text().splitlines()]
        accepted = [each for each in told if each["event"] == "request" and each["method"] == "POST"]
        assert {each["status"] for each in accepted} == {200} and len(accepted) == counts["answered"]
        assert told[0]["event"] == "open to all" and told[-1]["event"] == "ended"


@pytest.mark.slow
def test_the_client_of_tensorflow_serving_is_answered(classifier: Path, workplace: Path, pixels: np.ndarray) -> None:
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    from tuning.chief import free_port

    port = free_port()
    arguments = (f"digits={classifier}", "--runtime", "saved_model", "--grpc-port", str(port))
    with process(*arguments, env={"ZOO_TOKEN": "a-long-secret"}) as (server, _, log):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(f"127.0.0.1:{port}"))
        bearer = [("authorization", "Bearer a-long-secret")]
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "digits"
        images = [encoded(each) for each in pixels[:5]]
        request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(images))
        reply = stub.Predict(request, 30, metadata=bearer, wait_for_ready=True)
        wanted = zoo.load(classifier).predict(list(pixels[:5]))
        assert [each.decode() for each in reply.outputs["label"].string_val] == [each.label for each in wanted]
        found = tf.make_ndarray(reply.outputs["probability"])
        np.testing.assert_allclose(found, [each.probability for each in wanted], atol=1e-6)

        def code() -> Any:
            with pytest.raises(grpc.RpcError) as error:
                stub.Predict(request, 30, metadata=bearer)
            return error.value.code()

        request.inputs["image_bytes"].tensor_shape.dim[0].size = 2**40
        assert code() == grpc.StatusCode.INVALID_ARGUMENT
        request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(images))
        request.output_filter.append("nothing")
        assert code() == grpc.StatusCode.INVALID_ARGUMENT
        request.ClearField("output_filter")
        request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([b"no image"]))
        assert code() == grpc.StatusCode.INVALID_ARGUMENT
        request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(b"one"))
        assert code() == grpc.StatusCode.INVALID_ARGUMENT
        request.model_spec.version.value = 9
        assert code() == grpc.StatusCode.NOT_FOUND
        bearer = []
        assert code() == grpc.StatusCode.UNAUTHENTICATED
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0, log.read_text()
        assert all(json.loads(line) for line in log.read_text().splitlines())


@pytest.mark.slow
def test_a_schema_driven_fuzz_finds_no_failure(server: Client, workplace: Path) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{server.port}/openapi.json"]
    options = ["--checks", "not_a_server_error", "--max-examples", "60", "--seed", "1", "--phases", "examples,fuzzing"]
    result = subprocess.run([*command, *options], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-1000:]
    assert "test cases" in result.stdout or "generated" in result.stdout, result.stdout
