"""The server as an ASGI application: routes, who may ask, and what is counted."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from zoo import __version__
from zoo.kinds.registry import kind_of
from zoo.serving import access, open_inference, tf_rest
from zoo.serving.answering import DEFAULT, IMAGE
from zoo.serving.front import Front, Limits
from zoo.serving.hosting import Host, Version
from zoo.serving.observing import CONTENT_TYPE_LATEST, Log, Metrics
from zoo.serving.page import PAGE
from zoo.serving.refusals import Refused
from zoo.tasks.registry import task_of

LENGTH_HEADER = "inference-header-content-length"


def application(
    host: Host,
    *,
    limits: Limits | None = None,
    token: str | None = None,
    allowed_hosts: Collection[str] = (),
    metrics: Metrics | None = None,
    log: Log | None = None,
    beside: Callable[[Front], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """The server.

    Args:
        host: the models.
        limits: of requests.
        token: that requests bear; None for no such check.
        allowed_hosts: names of this server, which requests may be for where there is no token; as `access.refusal`
            takes them.
        metrics: what is counted.
        log: where each request is told; None for nowhere.
        beside: what else runs while the server does.
    """
    metrics, log = metrics or Metrics(), log or Log(None)
    front = Front(host, limits or Limits(), metrics)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        host.start()
        async with beside(front) if beside else nullcontext():
            yield
        await asyncio.get_running_loop().run_in_executor(None, host.close)
        front.close()

    app = FastAPI(
        title="zoo serve", version=__version__, lifespan=life, docs_url=None, redoc_url=None, description=__doc__ or ""
    )

    async def predict(request: Request, name: str, version: str | None) -> Response:
        """Answers to examples."""
        facts = request.state.facts
        facts["model"], facts["protocol"] = name if name in host.models else "", "v1"
        host.get(name, version)  # no body is read for what is not there
        async with front.body(request) as body:
            with host.using(name, version) as found:
                facts["version"], signatures = found.number, found.answering.signatures
                kind = request.headers.get("content-type", "").split(";")[0].lower()
                if kind.startswith("image/") and list(signatures[DEFAULT].inputs) == [IMAGE]:
                    asked = tf_rest.Asked(DEFAULT, [{IMAGE: body}], True)
                else:
                    asked = await front.read(body, lambda given: tf_rest.asked(given, signatures, front.limits.queue))
                answers = await front.answers(found, asked.signature, asked.rows, facts)
            return _reply(tf_rest.answered(asked, answers, signatures[asked.signature]))

    async def infer(request: Request, name: str, version: str | None) -> Response:
        """Answers to examples."""
        facts = request.state.facts
        facts["model"], facts["protocol"] = name if name in host.models else "", "v2"
        host.get(name, version)  # no body is read for what is not there
        async with front.body(request) as body:
            text, binary = open_inference.split(body, request.headers.get(LENGTH_HEADER))
            with host.using(name, version) as found:
                facts["version"], signatures = found.number, found.answering.signatures
                asked = await front.read(
                    text, lambda given: open_inference.asked(given, binary, signatures, front.limits.queue)
                )
                answers = await front.answers(found, asked.signature, asked.rows, facts)
            signature = signatures[asked.signature]
            reply, length = open_inference.answered(asked, answers, signature, name, found.number)
        headers = {} if length is None else {"Inference-Header-Content-Length": str(length)}
        media = "application/json" if length is None else "application/octet-stream"
        return Response(reply, media_type=media, headers=headers)

    _routes(app, host, metrics, predict, infer)
    _failures(app)
    app.add_middleware(_Told, log=log, metrics=metrics, token=token, hosts=allowed_hosts)
    return app


def _routes(app: FastAPI, host: Host, metrics: Metrics, predict: Any, infer: Any) -> None:
    one = "/v1/models/{name}"
    both = (("", False), ("/versions/{version}", True))
    told: dict[int | str, Any] = {
        code: {"description": text}
        for code, text in {
            400: "what came is not what was expected",
            401: "no token, or another one",
            403: "for a host that is not this server, where no token is asked for",
            404: "no such model or version",
            408: "the request did not arrive",
            413: "too many bytes, pixels or examples",
            429: "too many wait already",
            503: "the server is about to end",
        }.items()
    }

    @app.get("/", response_class=HTMLResponse, summary="A page on which a person asks the models")
    async def page() -> HTMLResponse:
        return HTMLResponse(PAGE)

    @app.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
    async def counted() -> Response:
        for name, model in host.models.items():
            if model.version:
                metrics.versions.labels(name).set(model.version.number)
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/v1/models", summary="All models")
    async def models() -> dict[str, Any]:
        return {"models": [_described(name, host.get(name)) for name in host.models]}

    @app.get("/v2", summary="The server")
    async def server() -> dict[str, Any]:
        return {"name": "keras-model-zoo", "version": __version__, "extensions": ["binary_tensor_data"]}

    @app.get("/v2/health/live", summary="Whether the server lives")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @app.get("/v2/health/ready", summary="Whether all models answer")
    async def ready() -> dict[str, bool]:
        return {"ready": True}  # the server listens once all models are open, and not when it is about to end

    def add(path: str, method: str, summary: str, function: Callable[..., Any], schema: Any = None) -> None:
        for part, needs in both:
            route = path.replace("{of}", part)
            extra = {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
            options = {"summary": summary, "responses": told, "openapi_extra": extra if schema else None}
            if needs:

                async def endpoint(request: Request, name: str, version: str) -> Any:
                    return await function(request, name, version)

            else:

                async def endpoint(request: Request, name: str) -> Any:
                    return await function(request, name, None)

            endpoint.__name__ = f"{function.__name__}{'_version' if needs else ''}"
            app.add_api_route(route, endpoint, methods=[method], response_model=None, **options)

    async def status(request: Request, name: str, version: str | None) -> Any:
        found, model = host.get(name, version), host.models[name]
        broken = {} if version else {n: why for n, why in model.broken.items() if n > found.number}
        return _reply(tf_rest.status({found.number: ""} | broken))

    async def described(request: Request, name: str, version: str | None) -> Any:
        found = host.get(name, version)
        return _reply(tf_rest.metadata(name, found.number, found.answering.signatures))

    async def model(request: Request, name: str, version: str | None) -> Any:
        found = host.get(name, version)
        signature = found.answering.signatures[DEFAULT]
        return _reply(open_inference.metadata(name, [found.number], found.answering.runtime, signature))

    async def fields(request: Request, name: str, version: str | None) -> Any:
        return _reply({"inputs": host.get(name, version).inputs})

    async def model_ready(request: Request, name: str, version: str | None) -> Any:
        return _reply({"name": name, "ready": host.get(name, version) is not None})

    add(f"{one}{{of}}:predict", "POST", "Answers to examples", predict, _V1)
    add(f"{one}{{of}}/metadata", "GET", "What a model takes and answers", described)
    add(f"{one}{{of}}/inputs", "GET", "What a request is made of, with an example of training", fields)
    add(f"{one}{{of}}", "GET", "Which versions there are", status)
    add("/v2/models/{name}{of}/infer", "POST", "Answers to examples", infer, _V2)
    add("/v2/models/{name}{of}/ready", "GET", "Whether a model answers", model_ready)
    add("/v2/models/{name}{of}", "GET", "What a model takes and answers", model)


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


def _described(name: str, version: Version) -> dict[str, Any]:
    card, signature = version.card, version.answering.signatures[DEFAULT]
    task = task_of(card)
    return {
        "name": name,
        "version": str(version.number),
        "runtime": version.answering.runtime,
        "task": card["task"],
        "kind": card["input"].get("kind", "images"),
        "classes": list(card.get("classes", ())),
        "values": {name: value._asdict() for name, value in task.values().items()},
        "inputs": list(signature.inputs),
        "tensors": kind_of(card["input"]).renamed(),
        "threshold": card.get("threshold"),
        "beside": task.beside(),
        "errors": {name: scores.get("mae") for name, scores in card.get("metrics", {}).get("values", {}).items()},
    }


def _failures(app: FastAPI) -> None:
    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        request.state.facts["reason"] = error.reason
        return JSONResponse({"error": error.reason}, error.status, error.headers)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        reason = f"{request.method} {request.url.path[:100]}: {error.detail}"
        request.state.facts["reason"] = reason
        return JSONResponse({"error": reason}, error.status_code, error.headers)


def _reply(found: Any) -> Response:
    return Response(json.dumps(found, ensure_ascii=False, allow_nan=False), media_type="application/json")


class _Told:
    """Looks who asks, counts, times and logs each request."""

    def __init__(
        self, app: Any, log: Log, metrics: Metrics, token: str | None = None, hosts: Collection[str] = ()
    ) -> None:
        self.app, self.log, self.metrics, self.token = app, log, metrics, token
        self.hosts = {host.lower().removesuffix(".") for host in hosts}

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        facts: dict[str, Any] = {}
        scope.setdefault("state", {})["facts"] = facts
        started, status = time.perf_counter(), 500

        async def watched(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            # HEAD is answered as GET is; that there is no body the connection sees to.
            asked = scope | {"method": "GET"} if scope["method"] == "HEAD" else scope
            refused = access.refusal(scope["path"], scope["headers"], self.token, self.hosts)
            if refused is None:
                await self.app(asked, receive, watched)
            else:
                facts["reason"] = refused.reason
                reply = JSONResponse({"error": refused.reason}, refused.status, refused.headers)
                await reply(asked, receive, watched)
        except ClientDisconnect:  # nobody is there to be answered
            status, facts["reason"] = 499, "the client closed before its request was read"
        except Exception as error:
            facts["reason"] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            if status != 500:
                raise
            failed = JSONResponse({"error": "the server failed; its log says of what"}, 500)
            await failed(scope, receive, watched)
        finally:
            seconds, model = time.perf_counter() - started, facts.get("model", "")
            self.metrics.requests.labels(model, facts.pop("protocol", ""), str(status)).inc()
            if model:
                self.metrics.seconds.labels(model).observe(seconds)
            client = scope["client"][0] if scope.get("client") else ""
            told = {"client": client, "method": scope["method"], "path": scope["path"][:200], "status": status}
            self.log("request", **told, ms=round(1000 * seconds, 1), **facts)
