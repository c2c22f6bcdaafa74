"""Challenges that sites also put into their own pages: they count only on a page that holds little else."""

from __future__ import annotations

import re

from doorkey.protections.advice import BY_HAND
from doorkey.protections.signs import Mark, Obstacle, Protection, Sign

WIDGETS = (
    Protection(
        name="ALTCHA, to be clicked",
        obstacle=Obstacle.PERSON,
        source="run",
        widget=True,
        marks=(
            Mark(
                has='altcha-widget:not([auto="onload"]):not(:has([data-state="verifying"], [data-state="verified"]))',
            ),
        ),
        todo=BY_HAND,
        cookie="the site's own",
    ),
    Protection(
        name="ALTCHA",
        obstacle=Obstacle.WAIT,
        source="run",
        widget=True,
        signs=(Sign(media="html", holds=(b"<altcha-widget",), instead=True),),
        marks=(Mark(has="altcha-widget"),),
        todo=BY_HAND,
        cookie="the site's own",
    ),
    Protection(
        name="Cap, to be clicked",
        obstacle=Obstacle.PERSON,
        source="run",
        widget=True,
        # Its shadow root is there once its script runs; the state, once somebody or a script of the page begins.
        marks=(Mark(has="cap-widget >>> .captcha:not([data-state=verifying], [data-state=done])"),),
        todo=BY_HAND,
        cookie="the site's own",
    ),
    Protection(
        name="Cap",
        obstacle=Obstacle.WAIT,
        source="run",
        widget=True,
        signs=(Sign(media="html", holds=(b"<cap-widget",), instead=True),),
        marks=(Mark(has="cap-widget"),),
        todo=BY_HAND,
        cookie="the site's own",
    ),
    Protection(
        name="Turnstile",
        obstacle=Obstacle.WAIT,
        source="doc",
        widget=True,
        signs=(
            Sign(
                media="html",
                holds=(b"cf-turnstile",),
                matches=re.compile(rb"""<[^>]*(class|name)=["'][^"'>]*\bcf-turnstile"""),
                instead=True,
            ),
        ),
        marks=(
            Mark(has='input[name="cf-turnstile-response"], .cf-turnstile, iframe[src*="challenges.cloudflare.com/"]'),
        ),
        todo=BY_HAND,
        cookie="a form's token",
    ),
    Protection(
        name="hCaptcha or reCAPTCHA",
        obstacle=Obstacle.PERSON,
        source="weak",
        widget=True,
        signs=(
            Sign(
                media="html",
                holds=(b"captcha",),
                matches=re.compile(rb"""<[^>]*class=["'][^"'>]*\b(h-captcha|g-recaptcha)\b"""),
                instead=True,
            ),
        ),
        marks=(
            Mark(has='.g-recaptcha:not([data-size="invisible"]), .h-captcha:not([data-size="invisible"])'),
            Mark(has='iframe[src*="/recaptcha/"][src*="/anchor"]:not([src*="size=invisible"])'),
            Mark(has='iframe[src*="hcaptcha.com/"][src*="frame=checkbox"]:not([src*="size=invisible"])'),
        ),
        todo=BY_HAND,
        cookie="a token for one use",
    ),
    Protection(
        name="hCaptcha or reCAPTCHA, invisible",
        obstacle=Obstacle.WAIT,
        source="weak",
        widget=True,
        marks=(
            Mark(has='.g-recaptcha[data-size="invisible"], .h-captcha[data-size="invisible"]'),
            Mark(has='iframe[src*="/recaptcha/"][src*="size=invisible"], iframe[src*="hcaptcha.com/"]'),
        ),
        todo=BY_HAND,
        cookie="a token for one use",
    ),
)
