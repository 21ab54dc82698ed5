"""The endpoints of the server: TensorFlow Serving's REST, the Open Inference Protocol, health, metrics and the page."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from zoo import __version__
from zoo.kinds.registry import kind_of
from zoo.serving import open_inference, tf_rest
from zoo.serving.dispatcher import Dispatcher
from zoo.serving.model_manager import Version
from zoo.serving.monitoring import CONTENT_TYPE_LATEST
from zoo.serving.page import PAGE
from zoo.serving.servables import DEFAULT, IMAGE
from zoo.tasks.registry import task_of

LENGTH_HEADER = "inference-header-content-length"
STATUSES: dict[int | str, Any] = {
    code: {"description": text}
    for code, text in {
        400: "the request is not of the expected form",
        401: "the token is missing or wrong",
        403: "the header Host does not name this server, and no token is required",
        404: "no such model or version",
        408: "the request did not arrive in time",
        413: "too many bytes, pixels or examples",
        429: "too many examples wait already",
        503: "the server is about to end",
    }.items()
}

Endpoint = Callable[[Request, str, str | None], Awaitable[Response]]
"""An endpoint of a model: takes the request, the name of the model, and a version; None for the current one."""


def routes(dispatcher: Dispatcher) -> APIRouter:
    """All routes of the server, which `dispatcher` answers."""
    router = APIRouter()
    _add_server_routes(router, dispatcher)
    _add_model_routes(router, dispatcher)
    return router


def _add_server_routes(router: APIRouter, dispatcher: Dispatcher) -> None:
    models, metrics = dispatcher.models, dispatcher.metrics

    @router.get("/", response_class=HTMLResponse, summary="A page to try the models")
    async def page() -> HTMLResponse:
        return HTMLResponse(PAGE)

    @router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
    async def counted() -> Response:
        for name, model in models.models.items():
            if model.version:
                metrics.versions.labels(name).set(model.version.number)
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @router.get("/v1/models", summary="All models")
    async def list_models() -> dict[str, Any]:
        return {"models": [_description(name, models.get(name)) for name in models.models]}

    @router.get("/v2", summary="The server")
    async def server() -> dict[str, Any]:
        return {"name": "keras-model-zoo", "version": __version__, "extensions": ["binary_tensor_data"]}

    @router.get("/v2/health/live", summary="Whether the server is alive")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @router.get("/v2/health/ready", summary="Whether all models answer")
    async def ready() -> dict[str, bool]:
        return {"ready": True}  # the server listens from when all models are open until it is about to end


def _add_model_routes(router: APIRouter, dispatcher: Dispatcher) -> None:
    models, queue = dispatcher.models, dispatcher.limits.queue

    async def predict(request: Request, name: str, version: str | None) -> Response:
        facts = request.state.facts
        facts["model"], facts["protocol"] = name if name in models.models else "", "v1"
        models.get(name, version)  # raises before the body is read
        async with dispatcher.body(request) as body:
            with models.using(name, version) as loaded:
                facts["version"], signatures = loaded.number, loaded.servable.signatures
                media_type = request.headers.get("content-type", "").split(";")[0].lower()
                if media_type.startswith("image/") and list(signatures[DEFAULT].inputs) == [IMAGE]:
                    parsed = tf_rest.ParsedRequest(DEFAULT, [{IMAGE: body}], True)
                else:
                    parsed = await dispatcher.read(body, lambda value: tf_rest.parse(value, signatures, queue))
                answers, notes = await dispatcher.answers(loaded, parsed.signature, parsed.rows, facts)
            reply = tf_rest.reply(parsed, answers, signatures[parsed.signature])
            return _json(reply | ({"notes": notes} if notes else {}))

    async def infer(request: Request, name: str, version: str | None) -> Response:
        facts = request.state.facts
        facts["model"], facts["protocol"] = name if name in models.models else "", "v2"
        models.get(name, version)  # raises before the body is read
        async with dispatcher.body(request) as body:
            text, binary = open_inference.split(body, request.headers.get(LENGTH_HEADER))
            with models.using(name, version) as loaded:
                facts["version"], signatures = loaded.number, loaded.servable.signatures
                parsed = await dispatcher.read(
                    text, lambda value: open_inference.parse(value, binary, signatures, queue)
                )
                answers, notes = await dispatcher.answers(loaded, parsed.signature, parsed.rows, facts)
            signature = signatures[parsed.signature]
            content, length = open_inference.reply(parsed, answers, signature, name, loaded.number, notes)
        headers = {} if length is None else {"Inference-Header-Content-Length": str(length)}
        media = "application/json" if length is None else "application/octet-stream"
        return Response(content, media_type=media, headers=headers)

    async def status(request: Request, name: str, version: str | None) -> Response:
        loaded, model = models.get(name, version), models.models[name]
        broken = {} if version else {number: why for number, why in model.broken.items() if number > loaded.number}
        return _json(tf_rest.status({loaded.number: ""} | broken))

    async def described(request: Request, name: str, version: str | None) -> Response:
        loaded = models.get(name, version)
        return _json(tf_rest.metadata(name, loaded.number, loaded.servable.signatures))

    async def model(request: Request, name: str, version: str | None) -> Response:
        loaded = models.get(name, version)
        signature = loaded.servable.signatures[DEFAULT]
        return _json(open_inference.metadata(name, [loaded.number], loaded.servable.runtime, signature))

    async def fields(request: Request, name: str, version: str | None) -> Response:
        return _json({"inputs": models.get(name, version).inputs})

    async def model_ready(request: Request, name: str, version: str | None) -> Response:
        return _json({"name": name, "ready": models.get(name, version) is not None})

    v1, v2 = "/v1/models/{name}", "/v2/models/{name}"
    _add(router, v1, ":predict", "POST", "Answers to examples", predict, _V1)
    _add(router, v1, "/metadata", "GET", "Inputs and outputs of a model", described)
    _add(router, v1, "/inputs", "GET", "The fields of a request, with an example of the training part", fields)
    _add(router, v1, "", "GET", "Versions of a model", status)
    _add(router, v2, "/infer", "POST", "Answers to examples", infer, _V2)
    _add(router, v2, "/ready", "GET", "Whether a model answers", model_ready)
    _add(router, v2, "", "GET", "Inputs and outputs of a model", model)


def _add(
    router: APIRouter, base: str, action: str, method: str, summary: str, endpoint: Endpoint, schema: Any = None
) -> None:
    """Add an endpoint twice: for the current version of a model, and for a given one."""
    extra = {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
    options = {"summary": summary, "responses": STATUSES, "openapi_extra": extra if schema else None}
    options |= {"methods": [method], "response_model": None}

    async def current(request: Request, name: str) -> Response:
        return await endpoint(request, name, None)

    async def given(request: Request, name: str, version: str) -> Response:
        return await endpoint(request, name, version)

    current.__name__, given.__name__ = endpoint.__name__, f"{endpoint.__name__}_version"
    router.add_api_route(f"{base}{action}", current, **options)
    router.add_api_route(f"{base}/versions/{{version}}{action}", given, **options)


_VALUE = {"description": "a value, an array, or {'b64': base64 of bytes}"}
_V1 = {
    "type": "object",
    "properties": {
        "signature_name": {"type": "string"},
        "instances": {"type": "array", "minItems": 1, "items": _VALUE},
        "inputs": _VALUE,
    },
}
_V2 = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string"},
        "parameters": {"type": "object"},
        "inputs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["name", "shape", "datatype", "data"],
                "properties": {
                    "name": {"type": "string"},
                    "shape": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1}},
                    "datatype": {"type": "string", "enum": ["BYTES", "FP32", "FP64", "INT32", "INT64", "BOOL"]},
                    "data": {"type": "array"},
                },
            },
        },
        "outputs": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
    },
}


def _description(name: str, version: Version) -> dict[str, Any]:
    card, signature = version.card, version.servable.signatures[DEFAULT]
    return {
        "name": name,
        "version": str(version.number),
        "runtime": version.servable.runtime,
        "task": card["task"],
        "kind": card["input"].get("kind", "images"),
        "classes": list(card.get("classes", ())),
        "values": {name: value._asdict() for name, value in task_of(card).values().items()},
        "inputs": list(signature.inputs),
        "tensors": kind_of(card["input"]).renamed(),
        "threshold": card.get("threshold"),
        "beside": task_of(card).beside(),
        "errors": {name: scores.get("mae") for name, scores in card.get("metrics", {}).get("values", {}).items()},
    }


def _json(value: Any) -> Response:
    return Response(json.dumps(value, ensure_ascii=False, allow_nan=False), media_type="application/json")
