"""The API's description, OpenAPI 3.1; a test holds the API to it."""

from typing import Any

from dfuse_jax.constants import VERSION
from dfuse_jax.serve.jobs import DONE, FAILED, KIND_NAMES, QUEUED, RUNNING, Limits

MEANING = (
    "A probability says how alike a smile is to those that were elicited, rather than asked for, in the data that the "
    "models were trained on. It is no lie detector and says nothing about honesty, character or intent."
)
_FORMAT = {
    "name": "format",
    "in": "query",
    "description": "Of the rows.",
    "schema": {"type": "string", "enum": ["json", "csv"], "default": "json"},
}
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}}
_STATE = {
    "id": {"type": "string"},
    "status": {"type": "string", "enum": [QUEUED, RUNNING, DONE, FAILED]},
    "frames": {"type": "integer", "minimum": 0, "description": "that are done"},
    "promised": {"type": "integer", "minimum": 0, "description": "frames in all; 0 where the file does not say"},
}


def document(limits: Limits, *, token: bool, most_wait: float) -> dict[str, Any]:
    """Returns the description.

    Args:
        limits: of a video.
        token: whether one is asked for.
        most_wait: seconds that a request may wait for its result.
    """
    wait = {
        "name": "wait",
        "in": "query",
        "description": "Seconds to wait for the result; it comes with status 202 and a job where it takes longer.",
        "schema": {"type": "number", "minimum": 0, "maximum": most_wait, "default": most_wait},
    }
    refused = {str(status): _problem(text) for status, text in _COMMON.items()}
    result = {
        "description": "The smiles, a row each, as in the tables of recordings. " + MEANING,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Job"}},
            "text/csv": {"schema": {"type": "string"}},
        },
    }
    job = {
        "description": "It is still under way, or waits.",
        "headers": {"Location": {"description": "Of the job.", "schema": {"type": "string"}}},
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}},
    }
    described: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "dfuse_jax", "version": VERSION, "description": MEANING},
        "servers": [{"url": "/"}],
        "paths": {
            "/v1/health": {
                "get": {
                    "summary": "Tells whether the server works.",
                    "security": [],
                    "responses": {"200": _json("It does.", "Health"), "403": refused["403"]},
                }
            },
            "/v1/model": {
                "get": {
                    "summary": "Returns what judges the smiles, with its model card.",
                    "responses": {
                        "200": _json("The models.", "Model"),
                        "404": _problem("Nothing judges here."),
                        **refused,
                    },
                }
            },
            "/v1/analyse": {
                "post": {
                    "summary": f"Finds the smiles of everybody in a video ({KIND_NAMES}).",
                    "description": (
                        f"Up to {limits.bytes} bytes, {limits.seconds:g} seconds and {limits.pixels} pixels a frame. "
                        f"The file is deleted when it has been read, and the results {limits.kept:g} seconds later."
                    ),
                    "parameters": [_FORMAT, wait],
                    "requestBody": {
                        "required": True,
                        "content": {"application/octet-stream": {}, "video/*": {}},
                    },
                    "responses": {
                        "200": result,
                        "202": job,
                        "413": _problem("The file is too large."),
                        "415": _problem("The file is of another kind."),
                        "422": _problem("A parameter or the video cannot be used."),
                        "503": _problem("Too many videos are waiting."),
                        "507": _problem("The server's disk is nearly full."),
                        **refused,
                    },
                }
            },
            "/v1/jobs/{id}": {
                "get": {
                    "summary": "Returns how far a video is, or its smiles.",
                    "parameters": [_ID, _FORMAT],
                    "responses": {
                        "200": result,
                        "404": _problem("There is no such job, or it is forgotten."),
                        "422": _problem("A parameter cannot be used."),
                        **refused,
                    },
                },
                "delete": {
                    "summary": "Forgets the results of a finished job.",
                    "parameters": [_ID],
                    "responses": {
                        "204": {"description": "They are forgotten."},
                        "404": _problem("There is no such job."),
                        "409": _problem("It has not ended yet."),
                        **refused,
                    },
                },
            },
        },
        "components": {
            "schemas": {
                "Problem": _object({"detail": {"type": "string"}}),
                "Health": _object(
                    {
                        "status": {"const": "ok"},
                        "version": {"type": "string"},
                        "viewers": {"type": "integer", "minimum": 0},
                        "videos": {"type": "integer", "minimum": 0},
                    }
                ),
                "Model": _object(
                    {
                        "name": {"type": "string"},
                        "note": {"type": "string"},
                        "models": {"type": "integer", "minimum": 1},
                        "synthetic": {"type": "boolean"},
                        "card": {"type": "string", "description": "Markdown"},
                        "meaning": {"type": "string"},
                        "seconds": {"type": "number", "description": "that a verdict took when the server started"},
                    }
                ),
                "Job": {
                    **_object(_STATE),
                    "properties": {
                        **_STATE,
                        "reason": {"type": "string", "description": "why it failed"},
                        "smiles": {"type": "array", "items": {"type": "object"}},
                        "notes": {"type": "array", "items": {"type": "string"}},
                    },
                },
            }
        },
    }
    if token:
        described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        described["security"] = [{"token": []}]
    return described


_COMMON = {
    401: "The token is missing or wrong.",
    403: "The server is not called by that name, or the request comes from another page.",
    429: "Too many requests.",
}


def _problem(description: str) -> dict[str, Any]:
    return _json(description, "Problem")


def _json(description: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}
