"""Challenges of no known maker that come with 200, each recognized by what its page says or asks for."""

from __future__ import annotations

import re

from doorkey.protections.advice import BY_HAND
from doorkey.protections.signs import Mark, Obstacle, Protection

CAPTCHA = 'img[src*="captcha" i], input[name*="captcha" i]:not([type="hidden"])'
LOGIN = 'input[type="password"]'
WORDS = re.compile(
    r"""(?ix)
    \b(checking|verifying|validating|inspecting|testing) \s+ (that\s+|if\s+|whether\s+)? (your|the|this) \s+ (web\s+)?
        (browser|connection|device|request) \b
    | \b(check|verify|validate) \s+ (that\s+|if\s+|whether\s+)? (your\s+(web\s+)?browser | you('re|\s+are) \s+ (a\s+)?
        (human|not\s+a\s+(ro)?bot)) \b
    | \bverifying \s+ (that\s+)? you('re|\s+are) \b
    | \bmak(e|ing) \s+ sure \s+ (that\s+)? (you('re|\s+are) \s+ (human|(not\s+)?a\s+(human|(ro)?bot))) \b
    | \b(are \s+ you | prove \s+ (that\s+)? you('re|\s+are) | confirm \s+ (that\s+)? you('re|\s+are)) \s+
        (a\s+|not\s+a\s+)? (human|(ro)?bot) \b
    | \bi('m|\s+am) \s+ (not\s+a\s+(ro)?bot | a\s+human) \b
    | \brequest \s+ is \s+ being \s+ (verified|checked) \b
    | \b(bot|robot|human) \s+ (check|verification|challenge) \b
    | \bsecurity \s+ (check|verification) \b
    | \bproof[\s-]of[\s-]work \b
    | \benable \s+ (javascript|cookies) \s+ (and\s+(cookies|javascript)\s+)? to \s+ continue \b
    | \b(ihr|dein)(en|em)? \s+ browser \s+ wird \s+ (geprüft|überprüft) | \b(über)?prüf(en|ung|t) \s+
        (wir\s+)? (ihr|dein)(en|es|e)? \s+ browsers? \b | \b(kein|ein) \s+ roboter \b
    | \bvérification \s+ (de\s+)? votre \s+ navigateur \b | \b(comprobando|verificando) \s+ (tu|su|o\s+seu) \s+
        navegador \b
    """
)
"""How such pages speak. On a page that holds little else, they are evidence enough."""

UNNAMED = (
    Protection(
        name="unknown CAPTCHA",
        obstacle=Obstacle.PERSON,
        source="weak",
        widget=True,
        unnamed=True,
        marks=(Mark(status=(200,), has=CAPTCHA, lacks=LOGIN),),
        todo=BY_HAND,
    ),
    Protection(
        name="unknown challenge",
        obstacle=Obstacle.WAIT,
        source="weak",
        widget=True,
        unnamed=True,
        marks=(Mark(status=(200,), words=WORDS, lacks=LOGIN, opens=True),),
        todo=BY_HAND,
    ),
    Protection(
        name="unknown challenge, to be answered",
        obstacle=Obstacle.PERSON,
        source="weak",
        widget=True,
        unnamed=True,
        marks=(Mark(status=(200,), words=WORDS, lacks=LOGIN, opens=False),),
        todo=BY_HAND,
    ),
)
