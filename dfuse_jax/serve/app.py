"""The routes of the page and of the API, and what is refused before anything is done."""

import asyncio
import contextlib
import math
import pathlib
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from dfuse_jax.constants import VERSION
from dfuse_jax.data.synthetic import mesh
from dfuse_jax.serve import openapi
from dfuse_jax.serve.access import SUBPROTOCOL, Guard, RateLimit, is_allowed, problem
from dfuse_jax.serve.jobs import DONE, FAILED, QUEUED, RUNNING, Job, RefusedError
from dfuse_jax.serve.services import Services
from dfuse_jax.serve.viewer import watch

PAGE = pathlib.Path(__file__).with_name("page")
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
MOST_WAIT = 60.0  # seconds that a request may wait for its result
MOST_RECEIVING = 300.0  # seconds that a file may take to arrive
BURST = 10  # uploads at once


def build(services: Services) -> ASGIApp:
    """Returns the application."""
    options = services.options
    uploads = RateLimit(options.uploads, BURST)
    triangles = np.load(mesh.TRIANGLES).ravel().tolist()

    async def health(request: Request) -> Response:
        content = {"status": "ok", "version": VERSION, "viewers": services.viewers, "videos": services.jobs.waiting}
        return JSONResponse(content)

    async def model(request: Request) -> Response:
        _require_token(request, options.token)
        if services.model is None:
            return problem(404, "No model was loaded, so that smiles are found, and none is judged.")
        return JSONResponse({**services.model._asdict(), "meaning": openapi.MEANING})

    async def document(request: Request) -> Response:
        described = openapi.document(options.limits, token=options.token is not None, most_wait=MOST_WAIT)
        return JSONResponse(described)

    async def analyse(request: Request) -> Response:
        _require_token(request, options.token)
        form, wait = _read_format(request), _read_wait(request)
        if not uploads.take():
            return problem(429, "Too many videos. Wait a moment.", retry_after="5")
        length = request.headers.get("content-length", "")
        try:
            async with asyncio.timeout(MOST_RECEIVING):
                announced = int(length) if length.isascii() and length.isdecimal() else None
                job = await services.jobs.add(request.stream(), announced=announced)
        except RefusedError as error:
            later = {"retry_after": "30"} if error.status == 503 else {}
            return problem(error.status, str(error), **later)
        except TimeoutError:
            return problem(408, f"The file did not arrive within {MOST_RECEIVING:g} seconds.")
        except ClientDisconnect:
            return Response(status_code=400)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await job.finished.wait()
        if job.status == FAILED:
            return problem(422, job.reason)
        return _answer(job, form, status=200 if job.status == DONE else 202)

    async def get_job(request: Request) -> Response:
        _require_token(request, options.token)
        return _answer(_find(request), _read_format(request), status=200)

    async def delete_job(request: Request) -> Response:
        _require_token(request, options.token)
        job = _find(request)
        if job.status in (QUEUED, RUNNING):
            return problem(409, "It has not ended yet.")
        services.jobs.forget(job.id)
        return Response(status_code=204)

    def _find(request: Request) -> Job:
        job = services.jobs.get(request.path_params["id"])
        if job is None:
            raise HTTPException(404, "There is no such job, or its results are forgotten.")
        return job

    async def live(websocket: WebSocket) -> None:
        if not is_allowed(websocket, options.token):
            await websocket.close(1008, "The token is missing or wrong.")
            return
        offered = websocket.scope.get("subprotocols", [])
        await watch(websocket, services, triangles, SUBPROTOCOL if SUBPROTOCOL in offered else None)

    routes = [
        *(Route(path, _file(*file)) for path, file in FILES.items()),
        Route("/openapi.json", document),
        Route("/v1/health", health),
        Route("/v1/model", model),
        Route("/v1/analyse", analyse, methods=["POST"]),
        Route("/v1/jobs/{id}", get_job, methods=["GET"]),
        Route("/v1/jobs/{id}", delete_job, methods=["DELETE"]),
        WebSocketRoute("/v1/live", live),
    ]
    return Guard(Starlette(routes=routes, exception_handlers={HTTPException: _explain}), options.hosts)


def _file(name: str, kind: str) -> Any:
    content = (PAGE / name).read_bytes()

    async def send(request: Request) -> Response:
        return Response(content, media_type=kind)

    return send


def _answer(job: Job, form: str, *, status: int) -> Response:
    if job.status == DONE and form == "csv":
        return Response(job.as_csv(), media_type="text/csv; charset=utf-8")
    headers = {"location": f"/v1/jobs/{job.id}"} if status == 202 else {}
    return JSONResponse(job.as_json(), status, headers=headers)


def _read_format(request: Request) -> str:
    form = request.query_params.get("format", "json")
    if form not in ("json", "csv"):
        raise HTTPException(422, "The parameter format has to be json or csv.")
    return form


def _read_wait(request: Request) -> float:
    try:
        wait = float(request.query_params.get("wait", MOST_WAIT))
    except ValueError:
        wait = math.nan
    if not 0 <= wait <= MOST_WAIT:
        raise HTTPException(422, f"The parameter wait has to be a number of seconds from 0 to {MOST_WAIT:g}.")
    return wait


def _require_token(request: Request, token: str | None) -> None:
    if not is_allowed(request, token):
        raise HTTPException(401, "The token is missing or wrong.", headers={"www-authenticate": "Bearer"})


async def _explain(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": error.detail}, error.status_code, headers=error.headers)
