"""The server as an ASGI application: its routes, its access control, its log and its error replies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from zoo import __version__
from zoo.serving import access
from zoo.serving.dispatcher import Dispatcher, Limits
from zoo.serving.model_manager import ModelManager
from zoo.serving.monitoring import Log, Metrics
from zoo.serving.request_errors import RequestError
from zoo.serving.routes import routes


def application(
    models: ModelManager,
    *,
    limits: Limits | None = None,
    token: str | None = None,
    allowed_hosts: Collection[str] = (),
    metrics: Metrics | None = None,
    log: Log | None = None,
    beside: Callable[[Dispatcher], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """The server.

    Args:
        models: to serve.
        limits: of requests.
        token: that requests must have; None for no such check.
        allowed_hosts: further names of this server, for requests without a token; as `access.check` takes them.
        metrics: to count in.
        log: gets a line for each request; None for no log.
        beside: a context that runs as long as the server, as that of the gRPC server.
    """
    metrics, log = metrics or Metrics(), log or Log(None)
    dispatcher = Dispatcher(models, limits or Limits(), metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        models.start()
        async with beside(dispatcher) if beside else nullcontext():
            yield
        await asyncio.get_running_loop().run_in_executor(None, models.close)
        dispatcher.close()

    options: dict[str, Any] = {"docs_url": None, "redoc_url": None, "description": __doc__ or ""}
    app = FastAPI(title="zoo serve", version=__version__, lifespan=lifespan, **options)
    app.include_router(routes(dispatcher))
    _add_error_replies(app)
    app.add_middleware(_Gatekeeper, log=log, metrics=metrics, token=token, hosts=allowed_hosts)
    return app


def _add_error_replies(app: FastAPI) -> None:
    @app.exception_handler(RequestError)
    async def refused(request: Request, error: RequestError) -> Response:
        request.state.facts["reason"] = error.reason
        return JSONResponse({"error": error.reason}, error.status, error.headers)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        reason = f"{request.method} {request.url.path[:100]}: {error.detail}"
        request.state.facts["reason"] = reason
        return JSONResponse({"error": reason}, error.status_code, error.headers)


class _Gatekeeper:
    """Middleware that checks access, and counts, times and logs each request."""

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

        async def send_and_note(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            # HEAD is handled as GET; the connection leaves out the body.
            request = scope | {"method": "GET"} if scope["method"] == "HEAD" else scope
            error = access.check(scope["path"], scope["headers"], self.token, self.hosts)
            if error is None:
                await self.app(request, receive, send_and_note)
            else:
                facts["reason"] = error.reason
                reply = JSONResponse({"error": error.reason}, error.status, error.headers)
                await reply(request, receive, send_and_note)
        except ClientDisconnect:  # nobody is there to reply to
            status, facts["reason"] = 499, "the client closed before its request was read"
        except Exception as error:
            facts["reason"] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            if status != 500:
                raise
            failed = JSONResponse({"error": "the server failed; its log says of what"}, 500)
            await failed(scope, receive, send_and_note)
        finally:
            seconds, model = time.perf_counter() - started, facts.get("model", "")
            self.metrics.requests.labels(model, facts.pop("protocol", ""), str(status)).inc()
            if model:
                self.metrics.seconds.labels(model).observe(seconds)
            client = scope["client"][0] if scope.get("client") else ""
            line = {"client": client, "method": scope["method"], "path": scope["path"][:200], "status": status}
            self.log("request", **line, ms=round(1000 * seconds, 1), **facts)
