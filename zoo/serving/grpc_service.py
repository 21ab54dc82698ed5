"""TensorFlow Serving's gRPC: Predict of its PredictionService, beside the HTTP server.

Messages arrive as bytes and are parsed in threads, after their size in memory was computed.

Source: tensorflow/serving, tensorflow_serving/apis/prediction_service.proto and predict.proto.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import predict_pb2

from zoo.errors import InputError
from zoo.serving import access, tensors
from zoo.serving.dispatcher import HELD, PATIENCE, Dispatcher
from zoo.serving.model_manager import Version
from zoo.serving.monitoring import Log
from zoo.serving.request_errors import RequestError, bad_request, too_large
from zoo.serving.servables import DEFAULT, Signature
from zoo.serving.tf_rest import rows_of

PREDICT = "/tensorflow.serving.PredictionService/Predict"
HURRIED = 1.0  # seconds for a message to arrive while others wait to send theirs
IDLE = 30_000  # milliseconds without a call after which a connection is closed
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.RESOURCE_EXHAUSTED,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}


@asynccontextmanager
async def beside(
    dispatcher: Dispatcher, host: str, port: int, token: str | None, log: Log, connections: int = 1024
) -> AsyncIterator[None]:
    """Run a gRPC server within the block; accepted calls are answered before it ends.

    Raises:
        InputError: the port is in use.
    """
    options = [
        ("grpc.max_receive_message_length", dispatcher.limits.request),
        ("grpc.so_reuseport", 0),
        ("grpc.max_allowed_incoming_connections", connections),
        ("grpc.max_connection_idle_ms", IDLE),
        ("grpc.server_handshake_timeout_ms", IDLE),
    ]
    server = grpc.aio.server(options=options, maximum_concurrent_rpcs=dispatcher.limits.queue)
    server.add_generic_rpc_handlers((Predictions(dispatcher, token, log),))
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


class Predictions(grpc.GenericRpcHandler):
    """Answers Predict; other calls are not implemented.

    Args:
        dispatcher: has limits and models.
        token: that calls must have in the metadatum ``authorization``; None for no such check.
        log: gets a line for each call.
    """

    def __init__(self, dispatcher: Dispatcher, token: str | None, log: Log) -> None:
        self.dispatcher, self.token, self.log = dispatcher, token, log
        self._slots, self._sending = asyncio.Semaphore(HELD), 0
        self._arriving: dict[asyncio.Timeout, float] = {}  # timeout of a message -> when it began to arrive

    def service(self, handler_call_details: Any) -> Any:
        """The handler of a call, that of a stream: then this program decides when a message may arrive."""
        if handler_call_details.method == PREDICT:
            return grpc.stream_unary_rpc_method_handler(self.predict)
        return None

    async def predict(self, messages: Any, context: Any) -> bytes:
        """The bytes of a PredictResponse for a PredictRequest."""
        facts: dict[str, Any] = {"model": ""}
        started, status = time.perf_counter(), 200
        try:
            values = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
            if refusal := access.check_token([str(value).encode() for value in values], self.token):
                raise refusal
            return await self._answer(await self._message(context), facts)
        except RequestError as error:
            status, facts["reason"] = error.status, error.reason
            await context.abort(CODES.get(error.status, grpc.StatusCode.UNKNOWN), error.reason)
        except BaseException as error:
            status = 499 if isinstance(error, asyncio.CancelledError) else 500
            facts["reason"] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise
        finally:
            seconds = time.perf_counter() - started
            self.dispatcher.metrics.requests.labels(facts["model"], "grpc", str(status)).inc()
            if facts["model"]:
                self.dispatcher.metrics.seconds.labels(facts["model"]).observe(seconds)
            self.log(
                "request", client=context.peer(), path="Predict", status=status, ms=round(1000 * seconds, 1), **facts
            )

    async def _message(self, context: Any) -> bytes:
        """The message of a call. A few arrive at a time, and must arrive fast while others wait."""
        began = asyncio.get_running_loop().time()
        for each, since in self._arriving.items() if self._slots.locked() else ():
            if not each.expired():
                each.reschedule(min(each.when() or began, max(began, since + HURRIED)))
        self._sending += 1
        try:
            async with self._slots, asyncio.timeout(HURRIED if self._sending > HELD else PATIENCE) as patience:
                self._arriving[patience] = asyncio.get_running_loop().time()
                try:
                    message = await context.read()
                finally:
                    del self._arriving[patience]
        except TimeoutError as error:
            raise RequestError(408, "the request did not arrive in time") from error
        finally:
            self._sending -= 1
        if not isinstance(message, bytes):
            raise bad_request("expected a PredictRequest, received none")
        return message

    async def _answer(self, message: bytes, facts: dict[str, Any]) -> bytes:
        with self.dispatcher.hold(len(message)):
            work = self.dispatcher.threaded if tensors.few(message, tensors.SHORT) else self.dispatcher.one_by_one
            request, size = await work(self._read, message, facts)
            name, version = _model(request)
            with self.dispatcher.hold(size), self.dispatcher.models.using(name, version) as model_version:
                facts["version"] = model_version.number
                return await self._answered(request, model_version, facts)

    def _read(self, message: bytes, facts: dict[str, Any]) -> tuple[Any, int]:
        """A PredictRequest, and the bytes of its arrays."""
        if not tensors.few(message):
            raise too_large(f"expected a message of at most {tensors.FIELDS:,} fields; put numbers into tensor_content")
        try:
            request = predict_pb2.PredictRequest.FromString(message)
        except DecodeError as error:
            raise bad_request("expected a PredictRequest, received bytes that are none") from error
        name, version = _model(request)
        model_version = self.dispatcher.models.get(name, version)
        facts |= {"model": name, "version": model_version.number}
        limits, signature = self.dispatcher.limits, _signature(request, model_version)[1]
        return request, tensors.check(request.inputs, signature.inputs, limits.queue, limits.request)

    async def _answered(self, request: Any, model_version: Version, facts: dict[str, Any]) -> bytes:
        name, signature = _signature(request, model_version)
        wanted = list(request.output_filter) or list(signature.outputs)
        if not set(wanted) <= set(signature.outputs):
            raise bad_request(f"expected outputs out of {', '.join(signature.outputs)}")
        columns = await self.dispatcher.threaded(tensors.columns, request.inputs)
        rows = rows_of(columns, self.dispatcher.limits.queue)
        answers = (await self.dispatcher.answers(model_version, name, rows, facts)).answers  # no place for notes
        reply = predict_pb2.PredictResponse()
        reply.model_spec.name, reply.model_spec.signature_name = request.model_spec.name, name
        reply.model_spec.version.value = model_version.number
        for key in wanted:
            values, dtype = [answer[key] for answer in answers], signature.outputs[key].dtype
            array = values if dtype == "string" else np.stack([np.asarray(value) for value in values]).astype(dtype)
            reply.outputs[key].CopyFrom(tf.make_tensor_proto(array))
        return reply.SerializeToString()


def _model(request: Any) -> tuple[str, str | None]:
    """Name and version that a request is for."""
    spec = request.model_spec
    return spec.name, str(spec.version.value) if spec.HasField("version") else None


def _signature(request: Any, model_version: Version) -> tuple[str, Signature]:
    name, signatures = request.model_spec.signature_name or DEFAULT, model_version.servable.signatures
    if name not in signatures:
        raise bad_request(f"expected a signature_name out of {', '.join(signatures)}")
    return name, signatures[name]
