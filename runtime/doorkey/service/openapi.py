"""`GET /openapi.json`: the OpenAPI document of the service. `GET /docs`: the same for people.

The dashboard's own paths, which only its page calls, are not in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from importlib.metadata import version
from typing import Any

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from doorkey.service.bodies import ChatBody, CompletionBody, DecisionBody, ImageBody, MessagesBody, ResponseBody

BODIES: dict[str, tuple[type[BaseModel], str, bool]] = {
    "/v1/chat/completions": (ChatBody, "A chat in OpenAI's shape", True),
    "/v1/completions": (CompletionBody, "A prompt in the shape of OpenAI's older completions", True),
    "/v1/responses": (ResponseBody, "A response in OpenAI's shape, without state", True),
    "/v1/messages": (MessagesBody, "A message in Anthropic's shape", True),
    "/v1/images/generations": (ImageBody, "One image in OpenAI's shape", False),
}
"""The model of each body, what the path does, and whether its answer may be a stream of events."""
REQUIRED: dict[type[BaseModel], list[str]] = {
    ChatBody: ["model", "messages"],
    CompletionBody: ["model", "prompt"],
    ResponseBody: ["model", "input"],
    MessagesBody: ["model", "messages", "max_tokens"],
    ImageBody: ["model", "prompt"],
    DecisionBody: ["allow"],
}
"""Fields that must be there. The models let them be missing, so that the error can say what to do."""
READ = {
    "/v1/models": ("The models", "listModels"),
    "/v1/models/{id}": ("One model", "showModel"),
    "/api/sites": ("The sites and their state", "listSites"),
    "/api/sites/{name}": ("One site and its state", "showSite"),
    "/api/sites/{name}/session": ("The session itself; needs a key with admin", "showSession"),
    "/api/confirmations": ("What agents wait for; needs a key with admin", "listConfirmations"),
    "/healthz": ("Whether the service is alive; needs no key", "showHealth"),
    "/readyz": ("Whether the service can serve, and if not, why", "showReadiness"),
    "/openapi.json": ("This document", "showOpenapi"),
}
WRITTEN = {
    "/api/dashboard/links": ("Makes a link that opens the dashboard in a browser, once", "makeDashboardLink"),
    "/api/sites/{name}/renew": ("Makes a new session by a visit; needs a key with admin", "renewSession"),
    "/api/sites/{name}/pause": (
        "Refuses calls and visits of the site until resume; needs a key with admin",
        "pauseSite",
    ),
    "/api/sites/{name}/resume": ("Ends a pause; needs a key with admin", "resumeSite"),
}
TEXT = {
    "/metrics": ("Numbers for Prometheus", "showMetrics", "text/plain"),
    "/docs": ("This document for people", "showDocs", "text/html"),
}
DOOR = ("get", "head", "post", "put", "patch", "delete", "options")
PLACES = {
    "{id}": "aichats/gpt-4, for example; the slash may be raw or %2F",
    "{pending}": "The id of what waits",
    "{name}": "The site's name",
    "{path}": "The path at the site",
}
PAGE_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
    "code{font-size:.95em}table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;"
    "border-bottom:1px solid #8884;vertical-align:top}h2{margin-top:2rem}"
)


@cache
def build_document() -> dict[str, Any]:
    """Return the OpenAPI document (3.1)."""
    kinds: list[type[BaseModel]] = [*(kind for kind, _, _ in BODIES.values()), DecisionBody]
    _, schemas = models_json_schema(
        [(kind, "validation") for kind in kinds], ref_template="#/components/schemas/{model}"
    )
    defined: dict[str, Any] = schemas["$defs"]
    for kind in kinds:
        defined[kind.__name__]["required"] = REQUIRED[kind]
        for name in REQUIRED[kind]:
            _require(defined[kind.__name__]["properties"][name])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "doorkey",
            "version": version("doorkey"),
            "description": "Configured web sites for programs: chats in the shape of the chat APIs, any site by HTTP.",
        },
        "paths": _collect_paths(),
        "components": {
            "schemas": {**defined, "Error": _describe_error()},
            "responses": {"Error": {"description": "A failure", "content": _json("Error")}},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic", "description": "The key is the password."},
                "header": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
        "security": [{"bearer": []}, {"basic": []}, {"header": []}],
    }


def _require(field: dict[str, Any]) -> None:
    """Take null and the default out of the schema of a field that must be there."""
    field.pop("default", None)
    if "anyOf" in field:
        field["anyOf"] = [each for each in field["anyOf"] if each != {"type": "null"}]


def _collect_paths() -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}
    for path, operations in _list_paths():
        paths.setdefault(path, {}).update(operations)
    return paths


def _list_paths() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, (kind, told, streams) in BODIES.items():
        answers: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
        if streams:
            answers["text/event-stream"] = {}  # OpenAPI 3.1 has no word for the events of a stream
        body = {"required": True, "content": _json(kind.__name__)}
        yield path, {"post": _operation(path, told, f"create{kind.__name__[:-4]}", answers, requestBody=body)}
    for path, (told, name) in READ.items():
        operation = _operation(path, told, name, {"application/json": {"schema": {"type": "object"}}})
        if path == "/healthz":
            operation["security"] = []
        yield path, {"get": operation}
    for path, (told, name, kind_) in TEXT.items():
        yield path, {"get": _operation(path, told, name, {kind_: {"schema": {"type": "string"}}})}
    for path, (told, name) in WRITTEN.items():
        operation = _operation(path, told, name, {"application/json": {"schema": {"type": "object"}}})
        yield path, {"post": operation}
    told = "Takes a login of another browser: a storage state, cookies.txt and others; needs a key with admin"
    answer = {"application/json": {"schema": {"type": "object"}}}
    texts = {"application/json": {"type": ["object", "array"]}, "text/plain": {"type": "string"}}
    body = {"required": True, "content": {kind: {"schema": schema} for kind, schema in texts.items()}}
    session = "/api/sites/{name}/session"
    yield session, {"put": _operation(session, told, "putSession", answer, requestBody=body)}
    told, decision = "Allows or refuses what an agent waits for; needs a key with admin", "/api/confirmations/{pending}"
    body = {"required": True, "content": _json(DecisionBody.__name__)}
    yield decision, {"post": _operation(decision, told, "decideConfirmation", answer, requestBody=body)}
    door = "/site/{name}/{path}"
    any_: dict[str, Any] = {"*/*": {"schema": {}}}
    told = "The door: the request goes to the site, with its session; the answer is the site's own"
    yield door, {method: _operation(door, told, f"door{method.title()}", any_, status="default") for method in DOOR}


def _operation(
    path: str, told: str, name: str, answers: Mapping[str, Any], *, status: str = "200", **more: Any
) -> dict[str, Any]:
    places = [
        {"name": place.strip("{}"), "in": "path", "required": True, "description": text, "schema": {"type": "string"}}
        for place, text in PLACES.items()
        if place in path
    ]
    responses = {status: {"description": told, "content": dict(answers)}}
    if status != "default":
        responses["default"] = {"$ref": "#/components/responses/Error"}
    operation: dict[str, Any] = {"operationId": name, "summary": told, "responses": responses, **more}
    return {**operation, "parameters": places} if places else operation


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _describe_error() -> dict[str, Any]:
    texts = {name: {"type": "string"} for name in ("message", "type", "code")}
    error = {
        "type": "object",
        "properties": {**texts, "param": {"type": ["string", "null"]}},
        "required": ["message", "type", "param", "code"],
    }
    return {"type": "object", "properties": {"error": error}, "required": ["error"]}


@cache
def _write_page() -> str:
    document = build_document()
    rows = "".join(
        f"<tr><td><code>{method.upper()}</code></td><td><code>{escape(path)}</code></td>"
        f"<td>{escape(operation['summary'])}</td></tr>"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if path != "/site/{name}/{path}" or method == "get"
    )
    bodies = "".join(
        f"<h2><code>POST {path}</code></h2><p>{escape(told)}</p><table><tr><th>field</th><th>type</th><th></th></tr>"
        f"{_write_fields(document['components']['schemas'][kind.__name__])}</table>"
        for path, (kind, told, _) in BODIES.items()
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>doorkey: the service</title><style>{STYLE}</style>"
        f"<h1>doorkey {escape(document['info']['version'])}</h1>"
        f"<p>{escape(document['info']['description'])} For programs: <a href=openapi.json>openapi.json</a>.</p>"
        f"<table><tr><th>method</th><th>path</th><th></th></tr>{rows}</table>{bodies}</html>"
    )


def _write_fields(schema: Mapping[str, Any]) -> str:
    return "".join(
        f"<tr><td><code>{escape(name)}</code>{' (required)' if name in schema['required'] else ''}</td>"
        f"<td>{escape(_name_type(field))}</td><td>{escape(field.get('description', ''))}</td></tr>"
        for name, field in schema["properties"].items()
    )


def _name_type(field: Mapping[str, Any]) -> str:
    """Return a schema's type in words."""
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_name_type(each) for each in field["anyOf"]))
    if "$ref" in field:
        return "object"
    if "enum" in field:
        return " or ".join(str(each) for each in field["enum"] if each is not None)
    if "const" in field:
        return str(field["const"])
    kind = field.get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def document_routes() -> list[web.RouteDef]:
    async def show(request: web.Request) -> web.Response:
        return web.json_response(build_document())

    async def show_page(request: web.Request) -> web.Response:
        return web.Response(text=_write_page(), headers=PAGE_HEADERS)

    return [web.get("/openapi.json", show), web.get("/docs", show_page)]
