"""`zoo serve` as a process: what it refuses to start with, how it ends, and the clients of others."""

from __future__ import annotations

import http.client
import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from support.pictures import b64, encoded
from support.servers import process
from zoo.errors import InputError
from zoo.serving import model_manager, server


@pytest.mark.parametrize("text", ["short", "with a space", "ümlaut-long"])
def test_a_weak_token_is_refused(text: str, workplace: Path) -> None:
    with pytest.raises(InputError, match="token of 8"):
        server.token_of(None, text)
    with pytest.raises(InputError, match="can't be read"):
        server.token_of("missing", None)
    assert server.token_of(None, None) is None


def test_what_can_not_be_served_is_told(classifier: Path, workplace: Path) -> None:
    with pytest.raises(InputError, match="no artifact"):
        model_manager.folders_by_name(["nothing"])
    with pytest.raises(InputError, match="two models are named"):
        model_manager.folders_by_name([str(classifier), str(classifier)])
    with pytest.raises(InputError, match="a name without"):
        model_manager.folders_by_name([f"a/b={classifier}"])
    with server.bound_socket("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(InputError, match="name another --port"):
            server.serve([str(classifier)], port=taken.getsockname()[1])
        with pytest.raises(InputError, match="name another --grpc-port"):
            server.serve([str(classifier)], port=0, grpc_port=taken.getsockname()[1])
    with pytest.raises(InputError, match="name another --grpc-port"):
        server.serve([str(classifier)], port=18501, grpc_port=18501)


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
