"""`POST /v1/images/generations`: makes one image, and returns its data or its URL."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from aiohttp import web

from doorkey.clock import Clock
from doorkey.engine.answer import origin_headers
from doorkey.errors import Changed
from doorkey.model.chat import Image, Message
from doorkey.service.access import require_sites
from doorkey.service.answers import data_url
from doorkey.service.body import read_object
from doorkey.service.middleware import ONCE
from doorkey.service.openai import ImageRequest, parse_image

if TYPE_CHECKING:
    from doorkey.runtime import Runtime


def image_routes(runtime: Runtime, clock: Clock) -> list[web.RouteDef]:
    async def generate(request: web.Request) -> web.Response:
        request[ONCE] = True
        asked = parse_image(await read_object(request))
        require_sites(request, runtime.sites_of(asked.model))
        question = [Message("user", asked.prompt)]
        answer = await runtime.answer(asked.model, question, kind="image", options=asked.options)
        image: Image | None = None
        async with answer:
            async for delta in answer:
                if isinstance(delta, Image) and image is None:
                    image = delta
        if image is None:
            raise Changed(f"{answer.site}: an image was expected; text came", site=answer.site)
        body = {"created": int(clock.wall()), "data": [_describe(asked, image, answer.site)]}
        return web.json_response(body, headers=origin_headers(answer))

    return [web.post("/v1/images/generations", generate)]


def _describe(asked: ImageRequest, image: Image, site: str) -> dict[str, Any]:
    if asked.as_url:
        return {"url": image.url or data_url(image)}
    if not image.data:
        raise Changed(
            f"{site}: the image's data was expected, only its URL came; ask for that with response_format url",
            site=site,
        )
    return {"b64_json": base64.b64encode(image.data).decode()}
