"""Protections that name themselves in a header."""

from __future__ import annotations

import re

from doorkey.protections.advice import BY_HAND, OWNER
from doorkey.protections.signs import Mark, Obstacle, Protection, Sign

EXPLICIT = (
    Protection(
        name="Cloudflare challenge",
        obstacle=Obstacle.WAIT,
        source="doc",
        signs=(
            Sign(header="cf-mitigated", value="challenge"),
            Sign(
                media="html",
                holds=(b"_cf_chl_opt", b"/cdn-cgi/challenge-platform/"),
                matches=re.compile(rb"<script[^>]*>[^<]*_cf_chl_opt\s*="),
            ),
        ),
        marks=(
            Mark(has='script[src*="/cdn-cgi/challenge-platform/"][src*="/orchestrate/"]'),
            Mark(
                title="Just a moment...",
                has="#challenge-spinner, #turnstile-wrapper, #challenge-form, #challenge-error-text, "
                'script[src*="/cdn-cgi/challenge-platform/"]',
            ),
        ),
        todo=BY_HAND,
        cookie="cf_clearance",
        tied="visitor and device: the same user agent, and as others say the same address; 15 to 45 min",
    ),
    Protection(
        name="AWS WAF challenge",
        obstacle=Obstacle.WAIT,
        source="doc",
        signs=(Sign(header="x-amzn-waf-action", value="challenge"),),
        marks=(Mark(has='html:has(#challenge-container) script[src*=".awswaf.com/"]'),),
        todo=BY_HAND,
        cookie="aws-waf-token",
    ),
    Protection(
        name="AWS WAF CAPTCHA",
        obstacle=Obstacle.PERSON,
        source="doc",
        signs=(Sign(header="x-amzn-waf-action", value="captcha"),),
        marks=(Mark(has='html:has(#captcha-container) script[src*=".awswaf.com/"]'),),
        todo=BY_HAND,
        cookie="aws-waf-token",
    ),
    Protection(
        name="Vercel checkpoint",
        obstacle=Obstacle.WAIT,
        source="sig",
        signs=(Sign(header="x-vercel-mitigated", value="challenge"),),
        marks=(Mark(title="Vercel Security Checkpoint"),),
        todo=BY_HAND,
        cookie="_vcrcs",
    ),
    Protection(
        name="Vercel firewall",
        obstacle=Obstacle.BLOCK,
        source="sig",
        signs=(Sign(header="x-vercel-mitigated", value="deny"),),
        todo=OWNER,
    ),
    Protection(
        name="Sucuri firewall",
        obstacle=Obstacle.BLOCK,
        source="sig",
        signs=(Sign(header="x-sucuri-block"), Sign(status=(403,), media="html", holds=(b"Sucuri WebSite Firewall",))),
        marks=(Mark(status=(403,), text="Sucuri WebSite Firewall"),),
        todo=OWNER,
    ),
)
