"""The table of known kinds of site: one row each, specific ones before general ones."""

from __future__ import annotations

from doorkey.recognition.framework import Framework, Token, by_tokens, hidden, in_form, in_header, pair

NOTHING_KNOWN = "no known kind of site"
"""The name of the last row: the session consists of cookies alone."""
GUESSES = ("a pair of cookie and header", "a form's token")
"""Rows that only the usual names of tokens identify."""
META = "meta[name=csrf-token]@content"

FRAMEWORKS: tuple[Framework, ...] = (
    Framework(
        name="AI Power 1.x",
        provider="wpaicg",
        # A nonce beside a post id is not enough: like buttons have both.
        signs=(("[class*=wpaicg][data-nonce][data-post-id]",), ("[data-nonce][data-post-id]", "html:/wpaicg/")),
        note="this is a chat: ask it through /v1/chat/completions",
    ),
    Framework(
        name="AI Power 2.x",
        provider="wpaicg",
        signs=(("""[data-config*='"botId"'][data-config*='"nonce"']""",),),
        note="this is a chat: ask it through /v1/chat/completions",
    ),
    Framework(
        name="AiChats",
        provider="aichats",
        signs=(("cookie:ai-chat-front", "meta[name=csrf-param][content=_csrf-front]"), ("host:ai-chats.org",)),
    ),
    Framework(name="Aichat", provider="aichat", signs=(("host:chat-gpt.org",),)),
    Framework(
        name="MediaWiki",
        signs=(("meta[name=generator][content^=MediaWiki]",),),
        tokens=(Token(at="input[name=wpEditToken]@value", sends=in_form("token"), later=True),),
        when="POST /*api.php",
        more=(("form.assert", "user"),),
        stale=("json:error.code=badtoken", "json:error.code=assertuserfailed"),
        ready="#pt-logout",
        base=(("link[rel=EditURI]@href", r"(.*/)api\.php"),),
        home="{base}index.php?title=Project:Sandbox&action=edit",
        example="{base}api.php?action=query&meta=userinfo&format=json",
        note="writes go to api.php; with a login, set `url` to a page that you may edit",
    ),
    Framework(
        name="DokuWiki",
        signs=(("meta[name=generator][content^=DokuWiki]",),),
        tokens=(Token(at="input[name=sectok]@value", sends=in_form("sectok"), name="csrf", later=True),),
        when="POST /*doku.php",
        stale=({"is": 200, "when": "POST /*doku.php"},),
        ready="a[href*='do=logout']",
        base=(("link[rel=start]@href", r"(.*/)"),),
        home="{base}doku.php?id=start",
        note="a save is answered by a redirect, a refusal by a page; a preview is a page as well, so send none",
    ),
    Framework(
        name="Jupyter",
        signs=(
            ("#jupyter-config-data",),
            ("cookie:_xsrf", "title:-soup-contains('Jupyter'):not(:-soup-contains('JupyterHub'))"),
        ),
        tokens=(pair("_xsrf", "X-XSRFToken"),),
        when="*",
        stale=(403,),
        ready="#jupyter-config-data",
        example="{base}api/status",
        base=(("#jupyter-config-data", r'"baseUrl": *"([^"]*/)"'), ("form[action*=login]@action", r"(.*/)login")),
        note="this is for a server with a password; an API token (`Authorization: token …`) needs no doorkey",
    ),
    Framework(
        name="WordPress",
        signs=(
            ("meta[name=generator][content^=WordPress]",),
            ("link[rel='https://api.w.org/']",),
            ("#loginform[action*='wp-login.php']",),
            ("body.wp-admin #wpadminbar",),
            ("link[href*='/wp-content/'], script[src*='/wp-includes/']", "html:/wp-(?:json|emoji|block)/"),
        ),
        tokens=(
            Token(
                reads={"page": "{base}wp-admin/admin-ajax.php?action=rest-nonce", "html": r"\b([0-9a-f]{10})\b"},
                sends=in_header("X-WP-Nonce"),
                later=True,
            ),
            Token(at="script:wpApiSettings.nonce", sends=in_header("X-WP-Nonce")),
        ),
        when="*",
        stale=("403 json:code=rest_cookie_invalid_nonce",),
        ready="#wpadminbar, a[href*='action=logout']",
        base=(
            ("link[rel='https://api.w.org/']@href", r"(.*/)(?:wp-json/|index\.php|\?rest_route)"),
            ("#loginform@action", r"(.*/)wp-login\.php"),
        ),
        home="{base}wp-admin/",
        example="{base}wp-json/wp/v2/posts?per_page=1",
        note="this is for the REST API; plugins' forms have other nonces",
    ),
    Framework(
        name="Django's admin",
        signs=(("input[name=csrfmiddlewaretoken]", "link[href*='admin/css/']"),),
        tokens=(pair("csrftoken", "X-CSRFToken"), hidden("csrfmiddlewaretoken")),
        stale=("403 body:CSRF",),
        ready="#logout-form, a[href$='/logout/']",
        note="a form that Django rejects comes back with HTTP 200 and its errors",
    ),
    Framework(
        name="Django",
        signs=(("input[name=csrfmiddlewaretoken]",), ("cookie:csrftoken",)),
        tokens=(pair("csrftoken", "X-CSRFToken"), hidden("csrfmiddlewaretoken")),
        stale=("403 body:CSRF",),
        note="a form that Django rejects comes back with HTTP 200 and its errors",
    ),
    Framework(
        name="Rails",
        signs=(("meta[name=csrf-param][content=authenticity_token]",), ("input[name=authenticity_token]",)),
        tokens=(Token(at=META, sends=in_header("X-CSRF-Token")), hidden("authenticity_token")),
        stale=("422 body:The change you wanted was rejected", "422 body:InvalidAuthenticityToken"),
    ),
    Framework(
        name="Yii2",
        signs=(("meta[name=csrf-param][content^=_csrf]", META),),
        tokens=(Token(at=META, sends=in_header("X-CSRF-Token")),),
        stale=("400 body:Unable to verify your data submission",),
    ),
    Framework(
        name="Laravel",
        signs=(
            ("cookie:laravel_session",),
            ("cookie:laravel-session",),
            ("cookie:XSRF-TOKEN", "input[name=_token]"),
            ("cookie:XSRF-TOKEN", "cookie:*_session", META),
        ),
        tokens=(
            Token(at=META, sends=in_header("X-CSRF-TOKEN")),
            pair("XSRF-TOKEN", "X-XSRF-TOKEN"),
            hidden("_token"),
        ),
        stale=(419,),
    ),
    Framework(
        name="ASP.NET",
        signs=(("input[name=__RequestVerificationToken]",), ("cookie:.AspNetCore.Antiforgery.*",)),
        tokens=(
            Token(
                at="input[name=__RequestVerificationToken]@value",
                sends=(*in_header("RequestVerificationToken"), *in_form("__RequestVerificationToken")),
            ),
        ),
        stale=("redirect:/Account/Login", "redirect:/Identity/Account/Login"),
        note="an expired token gets an empty HTTP 400: add 400 to stale if your site uses it for nothing else",
    ),
    Framework(
        name="Spring Security",
        signs=(("meta[name=_csrf_header]", "meta[name=_csrf]"), ("cookie:JSESSIONID", "input[name=_csrf]")),
        tokens=(
            Token(at="meta[name=_csrf]@content", sends=in_header("X-CSRF-TOKEN")),
            pair("XSRF-TOKEN", "X-XSRF-TOKEN"),
            hidden("_csrf"),
        ),
        stale=("redirect:/login",),
    ),
    Framework(
        name="Flask-WTF",
        signs=(("input#csrf_token[name=csrf_token]", "cookie:session"),),
        tokens=(
            Token(at=META, sends=in_header("X-CSRFToken")),
            Token(at="input[name=csrf_token]@value", sends=in_header("X-CSRFToken")),
        ),
        stale=("400 body:CSRF",),
    ),
    by_tokens(
        "a pair of cookie and header",
        pair("XSRF-TOKEN", "X-XSRF-TOKEN"),
        pair("xsrf-token", "X-XSRF-TOKEN"),
        pair("_xsrf", "X-XSRFToken"),
        pair("CSRF-TOKEN", "X-CSRF-TOKEN"),
        pair("csrf-token", "X-CSRF-Token"),
        pair("csrf_token", "X-CSRF-Token"),
        pair("_csrf_token", "X-CSRF-Token"),
    ),
    by_tokens(
        "a form's token",
        Token(at=META, sends=in_header("X-CSRF-Token")),
        Token(at="meta[name=csrf_token]@content", sends=in_header("X-CSRF-Token")),
        hidden("_csrf"),
        hidden("csrf_token"),
        hidden("_csrf_token"),
        hidden("csrf"),
        hidden("_token"),
        note="the header or field is a guess from common usage: compare it with your browser's own requests",
    ),
    Framework(name=NOTHING_KNOWN, signs=((),)),
)
"""Names, headers and texts come from each project's documentation. Those of the five that `make test-real` runs were
observed there."""
