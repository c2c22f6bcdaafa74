"""What keys with admin may do with a site: renew, read or set its session, pause the site and resume it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from aiohttp import web

from doorkey.accounts.exports import FORMS, build_storage_state
from doorkey.accounts.imports import EXPECTED, Imported
from doorkey.clients.live_session import live_session
from doorkey.clock import Clock
from doorkey.errors import RequestError
from doorkey.service.body import read_whole

if TYPE_CHECKING:
    from doorkey.model.session import Session
    from doorkey.runtime import Runtime
    from doorkey.service.workers.whole_service import WholeService

SECRET = {"Cache-Control": "no-store"}


def session_routes(runtime: Runtime, whole: WholeService, clock: Clock) -> list[web.RouteDef]:
    async def renew(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        await runtime.visit(name)
        return describe(name)

    async def pause(request: web.Request) -> web.Response:
        runtime.pause(request.match_info["name"])
        return describe(request.match_info["name"])

    async def resume(request: web.Request) -> web.Response:
        runtime.resume(request.match_info["name"])
        return describe(request.match_info["name"])

    def describe(name: str) -> web.Response:
        return web.json_response(
            asdict(next(status for status in whole.sites(runtime.status()) if status.name == name))
        )

    async def show(request: web.Request) -> web.Response:
        name, form = request.match_info["name"], request.query.get("as", "")
        if form and form not in FORMS:
            raise RequestError(f"as must be one of {', '.join(FORMS)}", param="as")
        session = await live_session(runtime, name)
        if form:
            return web.Response(text=FORMS[form](session, clock.wall()), headers=SECRET)
        return web.json_response(_describe(session, clock.wall()), headers=SECRET)

    async def take(request: web.Request) -> web.Response:
        """Take the login that the body holds, as `doorkey login --from` takes a file."""
        target = runtime.target(request.match_info["name"])
        try:
            text = (await read_whole(request)).decode("utf-8")
        except UnicodeDecodeError:
            # Not chained: it holds the bytes.
            raise RequestError(f"{EXPECTED}, in UTF-8") from None
        try:
            session, taken = await runtime.logins.import_text(target, text)
        except RequestError as error:
            error.param = None  # the body itself
            raise
        return web.json_response(_report(session, taken))

    return [
        web.post("/api/sites/{name}/renew", renew),
        web.post("/api/sites/{name}/pause", pause),
        web.post("/api/sites/{name}/resume", resume),
        web.get("/api/sites/{name}/session", show),
        web.put("/api/sites/{name}/session", take),
    ]


def _report(session: Session, taken: Imported) -> dict[str, object]:
    """What was taken: names only."""
    return {
        "site": session.key.site,
        "generation": session.gen,
        "kind": taken.kind,
        "cookies": [cookie.name for cookie in taken.cookies],
        "local": list(taken.local),
        "expired": taken.expired,
        "refused": taken.refused,
        "foreign": taken.foreign,
        "changed": taken.changed,
        "note": taken.warning,
    }


def _describe(session: Session, wall: float) -> dict[str, object]:
    return {
        "site": session.key.site,
        "url": session.key.url,
        "generation": session.gen,
        "age": round(wall - session.born, 3),
        "storage_state": build_storage_state(session),
        "headers": dict(session.headers),
        "tokens": dict(session.tokens),
    }
