"""Challenges in front of a whole site, each recognized by its vendor's marker."""

from __future__ import annotations

import re

from doorkey.protections.advice import BY_HAND, OWNER
from doorkey.protections.signs import Mark, Obstacle, Protection, Sign

REJECTED = "/.within.website/x/cmd/anubis/static/img/reject"

CHALLENGES = (
    Protection(
        name="Anubis challenge",
        obstacle=Obstacle.WAIT,
        source="run",
        signs=(Sign(media="html", holds=(b'<script id="anubis_challenge"',)),),
        marks=(Mark(has="script#anubis_challenge"),),
        todo=BY_HAND,
        cookie="*-anubis-auth",
        tied="the user agent",
    ),
    Protection(
        name="Anubis",
        obstacle=Obstacle.HEADLESS,
        source="run",
        signs=(
            Sign(media="html", holds=(b'<script id="anubis_version"', b"Oh noes!"), lacks=(b"anubis_challenge",)),
            Sign(media="html", holds=(b'<script id="anubis_version"', REJECTED.encode()), lacks=(b"anubis_challenge",)),
        ),
        marks=(
            Mark(title="Oh noes!", has="script#anubis_version", lacks="script#anubis_challenge"),
            Mark(has=f'html:has(script#anubis_version) img[src*="{REJECTED}"]', lacks="script#anubis_challenge"),
        ),
        todo=OWNER,
    ),
    Protection(
        name="DDoS-Guard challenge",
        obstacle=Obstacle.WAIT,
        source="sig",
        signs=(
            Sign(header="server", value="ddos-guard", media="html", holds=(b"<title>DDoS-Guard</title>",)),
            Sign(header="server", value="ddos-guard", media="html", holds=(b'id="link-ddg"',)),
        ),
        marks=(Mark(title="DDoS-Guard"), Mark(has="#link-ddg")),
        todo=BY_HAND,
        cookie="__ddg*",
    ),
    Protection(
        name="Imperva challenge",
        obstacle=Obstacle.WAIT,
        source="sig",
        # Its script /_Incapsula_Resource is also in sites' own pages; its frame is only in the challenge.
        signs=(
            Sign(media="html", holds=(b"/_Incapsula_Resource",), matches=re.compile(rb"<iframe\b[^>]*/_Incapsula_")),
        ),
        marks=(Mark(has='iframe[src*="/_Incapsula_Resource"]'),),
        todo=BY_HAND,
        cookie="visid_incap_*, incap_ses_*",
    ),
    Protection(
        name="DataDome block",
        obstacle=Obstacle.BLOCK,
        source="weak",
        signs=(
            Sign(
                status=(403,),
                holds=(b"captcha-delivery.com",),
                matches=re.compile(rb"""[?&]t=bv\b|['"]t['"]\s*:\s*['"]bv['"]"""),
            ),
        ),
        marks=(Mark(has='iframe[src*="captcha-delivery.com/captcha/"][src*="t=bv"]'),),
        todo=OWNER,
    ),
    Protection(
        name="DataDome CAPTCHA",
        obstacle=Obstacle.PERSON,
        source="weak",
        signs=(
            Sign(
                status=(403,),
                holds=(b"captcha-delivery.com",),
                matches=re.compile(rb"""captcha-delivery\.com\\?/captcha\\?/|['"]rt['"]\s*:\s*['"]c['"]"""),
            ),
        ),
        marks=(
            Mark(has='iframe[src*="captcha-delivery.com/captcha/"]'),
            Mark(status=(403,), has='script[src*="captcha-delivery.com/c.js"]'),
        ),
        todo=BY_HAND,
        cookie="datadome",
    ),
    Protection(
        name="DataDome check",
        obstacle=Obstacle.WAIT,
        source="weak",
        signs=(
            Sign(
                status=(403,),
                holds=(b"captcha-delivery.com",),
                matches=re.compile(rb"""captcha-delivery\.com\\?/interstitial\\?/|['"]rt['"]\s*:\s*['"]i['"]"""),
            ),
        ),
        marks=(
            Mark(has='iframe[src*="captcha-delivery.com/interstitial/"]'),
            Mark(status=(403,), has='script[src*="captcha-delivery.com/i.js"]'),
        ),
        todo=BY_HAND,
        cookie="datadome",
    ),
    Protection(
        name="HUMAN (PerimeterX)",
        obstacle=Obstacle.PERSON,
        source="sig",
        signs=(
            Sign(status=(403,), media="html", holds=(b"px-captcha",), matches=re.compile(rb"""id=["']?px-captcha\b""")),
            Sign(status=(403,), media="json", holds=(b'"appId"', b'"blockScript"')),
        ),
        marks=(Mark(has="#px-captcha"),),
        todo=BY_HAND,
        cookie="_px*",
    ),
    Protection(
        name="Akamai interstitial",
        obstacle=Obstacle.WAIT,
        source="weak",
        signs=(
            Sign(status=(428,), media="html", holds=(b"sec-if-cpt-container",)),
            Sign(status=(428,), media="json", holds=(b'"sec-cp-challenge"',)),
        ),
        marks=(Mark(status=(428,), has="#sec-if-cpt-container"),),
        todo=BY_HAND,
        cookie="_abck, bm_sz",
    ),
)
