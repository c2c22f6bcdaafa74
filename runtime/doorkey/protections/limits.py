"""Answers that report a rate limit or a quota."""

from __future__ import annotations

from doorkey.protections.advice import LATER
from doorkey.protections.signs import Mark, Obstacle, Protection, Sign

LIMITS = (
    Protection(
        name="nginx limit_req",
        obstacle=Obstacle.RATE,
        source="run",
        signs=(
            Sign(
                status=(503,),
                without="retry-after",
                media="html",
                holds=(b"<h1>503 Service Temporarily Unavailable</h1>", b"<center>nginx"),
            ),
        ),
        marks=(Mark(status=(503,), without="retry-after", title="503 Service Temporarily Unavailable", text="nginx"),),
        todo=LATER,
    ),
    Protection(
        name="429",
        obstacle=Obstacle.RATE,
        source="run",
        signs=(Sign(status=(429,)),),
        marks=(Mark(status=(429,)),),
        bare=True,
        todo=LATER,
    ),
)
