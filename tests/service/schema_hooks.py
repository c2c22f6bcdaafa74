"""Loaded by schemathesis: right models and sites in some requests, which chance would never find."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.hook
def map_body(ctx: Any, body: Any) -> Any:
    if isinstance(body, dict) and isinstance(body.get("model"), str) and body["model"].strip():
        body["model"] = "aichats/dalle" if "images" in ctx.operation.path else "aichats/gpt-4"
    return body


@schemathesis.hook
def map_path_parameters(ctx: Any, path_parameters: Any) -> Any:
    if path_parameters and ctx.operation.path in ("/api/sites/{name}", "/api/sites/{name}/resume"):
        path_parameters["name"] = "wiki"
    return path_parameters
