"""The small service of `doorkey login --link`: the live view of one login, and nothing else."""

from __future__ import annotations

import secrets

from aiohttp import web

from doorkey.browser.live_view.handovers import Handovers
from doorkey.clock import Clock
from doorkey.config.settings import ServiceSettings
from doorkey.errors import ConfigurationError
from doorkey.service.access import KeyRing
from doorkey.service.admission import Rules
from doorkey.service.app import METRICS, RULES, RUNNING
from doorkey.service.dashboard.history import History
from doorkey.service.dashboard.page import HEADERS, LOGIN_ONLY, render, respond
from doorkey.service.dashboard.routes import enter_route
from doorkey.service.dashboard.viewers import PAGE, Viewers
from doorkey.service.key import is_loopback
from doorkey.service.live_view.routes import PATH, live_view_routes, load_template
from doorkey.service.live_view.views import LocalViews
from doorkey.service.metrics import ServiceMetrics
from doorkey.service.middleware import BASE_PATH, guard, sign
from doorkey.service.running import RunningRequests
from doorkey.service.workers.place import Place

AT_ONCE, QUEUE = 64, 64
"""The most requests that are served at a time, and that wait."""


def build_view_app(site: str, handovers: Handovers, service: ServiceSettings, clock: Clock) -> web.Application:
    """Return the service for a login to *site*. One comes in by a one-time link of `app[RULES].viewers`, not by a key.

    Raises ConfigurationError for an address that others can reach, without a certificate.
    """
    if not is_loopback(service.host) and service.certificate is None:
        raise ConfigurationError(
            f"{service.host} can be reached by others, and passwords would cross the network in clear text: set "
            "service.certificate and service.certificate_key, or stay on 127.0.0.1 and use `ssh -L`"
        )
    rules, history, running = (
        Rules(Viewers(clock, Place.alone().memory.viewers)),
        History(clock),
        RunningRequests(AT_ONCE, QUEUE),
    )
    metrics = ServiceMetrics()
    app = web.Application(middlewares=[guard(rules, running, metrics, history)])
    app[RULES], app[RUNNING], app[METRICS], app[BASE_PATH], app[LOGIN_ONLY] = rules, running, metrics, "", site
    # Nobody is told the key: the links are the only way in.
    rules.adopt(service.hosts, service.origins, KeyRing(secrets.token_urlsafe(32), ServiceSettings()))
    app.on_response_prepare.append(sign)

    async def lead(request: web.Request) -> web.Response:
        for handover in handovers.list():
            return web.Response(status=303, headers={**HEADERS, "Location": f"{PATH}/{handover.id}"})
        message = "Nothing waits for you here: the login is not open yet, or it has ended."
        return respond(render("failure.html", base="", message=message), 404)

    load_template()  # the first picture should not wait for it
    app.add_routes([web.get(PAGE, lead), enter_route(rules.viewers)])
    app.add_routes(live_view_routes(LocalViews(handovers), rules.viewers, running))
    return app
