"""Refusals by frameworks and APIs, each in its own form."""

from __future__ import annotations

from doorkey.protections.advice import LATER, OTHERWISE
from doorkey.protections.signs import Obstacle, Protection, Sign

FORMS = (
    Protection(
        name="WordPress nonce",
        obstacle=Obstacle.EXPIRED,
        source="run",
        signs=(
            Sign(status=(403,), media="html", holds=(b"The link you followed has expired",)),
            Sign(status=(403,), whole=b"-1", at="/admin-ajax.php"),
        ),
    ),
    Protection(
        name="WordPress REST nonce",
        obstacle=Obstacle.EXPIRED,
        source="doc",
        signs=(Sign(status=(403,), media="json", holds=(b'"rest_cookie_invalid_nonce"',)),),
    ),
    Protection(
        name="WordPress, unknown action",
        obstacle=Obstacle.UNEXPECTED,
        source="run",
        signs=(Sign(status=(400,), whole=b"0", at="/admin-ajax.php"),),
        todo="the plugin that answered there is gone or was replaced; see what a visit finds: doorkey explain SITE",
    ),
    Protection(
        name="Django's CSRF check",
        obstacle=Obstacle.EXPIRED,
        source="run",
        signs=(Sign(status=(403,), media="html", holds=(b"CSRF verification failed",)),),
        cookie="csrftoken",
        tied="the token on the page: both are fetched together",
    ),
    Protection(
        name="Yii2's CSRF check",
        obstacle=Obstacle.EXPIRED,
        source="sig",
        signs=(Sign(status=(400,), holds=(b"Unable to verify your data submission",)),),
        cookie="_csrf",
        tied="the token on the page: both are fetched together",
    ),
    Protection(
        name="MediaWiki's token check",
        obstacle=Obstacle.EXPIRED,
        source="run",
        signs=(
            Sign(status=(200,), header="mediawiki-api-error", value="badtoken", media="json"),
            Sign(status=(200,), header="mediawiki-api-error", value="assertuserfailed", media="json"),
        ),
    ),
    Protection(
        name="OpenAI's quota",
        obstacle=Obstacle.QUOTA,
        source="doc",
        signs=(Sign(status=(429,), media="json", holds=(b'"insufficient_quota"',)),),
        todo=LATER,
    ),
    Protection(
        name="OpenAI's content filter",
        obstacle=Obstacle.CONTENT,
        source="doc",
        signs=(Sign(status=(400,), media="json", holds=(b'"content_filter"',)),),
        todo=OTHERWISE,
    ),
    # It has no sign, as its 403 is empty. An unknown refusal is renewed for once; then it is a block, and remembered.
    Protection(name="OWASP CRS, ModSecurity", obstacle=Obstacle.CONTENT, source="run", todo=OTHERWISE),
)
