"""TensorFlow Serving's gRPC: Predict of its PredictionService, beside the HTTP server.

Source: tensorflow/serving, tensorflow_serving/apis/prediction_service.proto and predict.proto.
"""

from __future__ import annotations

import asyncio
import hmac
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from zoo.errors import InputError
from zoo.serving.answering import DEFAULT
from zoo.serving.front import Front
from zoo.serving.hosting import Version
from zoo.serving.observing import Log
from zoo.serving.refusals import Refused, bad, too_large
from zoo.serving.tf_rest import rows_of

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}


@asynccontextmanager
async def beside(front: Front, host: str, port: int, token: str | None, log: Log) -> AsyncIterator[None]:
    """A gRPC server, for as long as the block runs; what it accepted is answered before it ends.

    Raises:
        InputError: the port is in use.
    """
    options = [("grpc.max_receive_message_length", front.limits.request), ("grpc.so_reuseport", 0)]
    server = grpc.aio.server(options=options, maximum_concurrent_rpcs=front.limits.queue)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Predictions(front, token, log), server)
    try:
        bound = server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except RuntimeError as error:
        raise InputError(f"{host}:{port} can't be listened on; name another --grpc-port") from error
    await server.start()
    log("listening", address=f"grpc://{host}:{bound}")
    try:
        yield
    finally:
        await server.stop(grace=60)


class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers Predict; other calls are not implemented.

    Args:
        front: limits and models.
        token: that calls bear in the metadatum ``authorization``; None for no such check.
        log: where each call is told.
    """

    def __init__(self, front: Front, token: str | None, log: Log) -> None:
        self.front, self.token, self.log = front, token, log

    async def Predict(self, request: Any, context: Any) -> Any:
        """Answers to examples."""
        facts: dict[str, Any] = {"model": ""}
        started, status = time.perf_counter(), 200
        try:
            if self.token is not None:
                given = dict(context.invocation_metadata()).get("authorization", "")
                if not hmac.compare_digest(str(given).encode(), f"Bearer {self.token}".encode()):
                    raise Refused(401, "expected the metadatum authorization: Bearer TOKEN")
            return await self._answer(request, facts)
        except Refused as error:
            status, facts["reason"] = error.status, error.reason
            await context.abort(CODES.get(error.status, grpc.StatusCode.UNKNOWN), error.reason)
        except BaseException as error:
            status = 499 if isinstance(error, asyncio.CancelledError) else 500
            facts["reason"] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise
        finally:
            seconds = time.perf_counter() - started
            self.front.metrics.requests.labels(facts["model"], "grpc", str(status)).inc()
            if facts["model"]:
                self.front.metrics.seconds.labels(facts["model"]).observe(seconds)
            self.log(
                "request", client=context.peer(), path="Predict", status=status, ms=round(1000 * seconds, 1), **facts
            )

    async def _answer(self, request: Any, facts: dict[str, Any]) -> Any:
        spec = request.model_spec
        version = str(spec.version.value) if spec.HasField("version") else None
        with self.front.host.using(spec.name, version) as found:
            facts |= {"model": spec.name, "version": found.number}
            return await self._answered(request, found, facts)

    async def _answered(self, request: Any, found: Version, facts: dict[str, Any]) -> Any:
        spec = request.model_spec
        name, signatures = spec.signature_name or DEFAULT, found.answering.signatures
        if name not in signatures:
            raise bad(f"expected a signature_name out of {', '.join(signatures)}")
        signature = signatures[name]
        wanted = list(request.output_filter) or list(signature.outputs)
        if not set(wanted) <= set(signature.outputs):
            raise bad(f"expected outputs out of {', '.join(signature.outputs)}")
        columns = {key: _values(key, tensor, self.front.limits.request) for key, tensor in request.inputs.items()}
        if set(columns) != set(signature.inputs):
            raise bad(f"expected the inputs {', '.join(signature.inputs)}")
        answers = await self.front.answers(found, name, rows_of(columns, self.front.limits.queue), facts)
        reply = predict_pb2.PredictResponse()
        reply.model_spec.name, reply.model_spec.signature_name = spec.name, name
        reply.model_spec.version.value = found.number
        for key in wanted:
            values, dtype = [answer[key] for answer in answers], signature.outputs[key].dtype
            array = values if dtype == "string" else np.stack([np.asarray(value) for value in values]).astype(dtype)
            reply.outputs[key].CopyFrom(tf.make_tensor_proto(array))
        return reply


def _values(name: str, tensor: Any, most: int) -> list[Any]:
    """One value an example. A tensor may hold one number for all of its shape, so its size is looked at first."""
    if math.prod(max(1, each.size) for each in tensor.tensor_shape.dim) > most:
        raise too_large(f"{name}: expected at most {most:,} values")
    try:
        found = tf.make_ndarray(tensor)
    except (TypeError, ValueError, IndexError) as error:
        raise bad(f"{name}: no tensor: {error}") from error
    if not found.ndim:
        raise bad(f"{name}: expected a batch, received one value")
    return list(found)
