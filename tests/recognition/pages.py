"""Pages as each kind of site makes them, as short as they can be: written by us, after each project's own pages."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Saved:
    """A page that came when `asked` was opened (it led to `url`), what it is, and lines that must be written."""

    kind: str
    html: str
    lines: tuple[str, ...] = ()
    cookies: dict[str, str] = field(default_factory=dict)
    asked: str = "https://site.example/app/"
    url: str = "https://site.example/app/"
    scripts: dict[str, str] = field(default_factory=dict)


LOGIN = '<input name="user"><input name="pw" type="password"><button>Log in</button>'
CSRF = '<meta name="csrf-token" content="t0k">'

HITS = (
    Saved(
        "AI Power 1.x",
        '<div class="wpaicg-chat-shortcode" data-nonce="991b4ad892" data-post-id="4" data-type="shortcode"></div>',
        ('provider = "wpaicg"', 'url = "https://site.example/app/"'),
    ),
    Saved(
        "AI Power 2.x",
        '<meta name="generator" content="WordPress 6.5"><div id="aipkit_popup_wrapper_4" data-config="{&quot;'
        "botId&quot;:4,&quot;ajaxUrl&quot;:&quot;/wp-admin/admin-ajax.php&quot;,&quot;nonce&quot;:&quot;2f2b3b9828&quot;,"
        '&quot;postId&quot;:6}"></div>',
        ('provider = "wpaicg"',),
    ),
    Saved(
        "AiChats",
        f'<meta name="csrf-param" content="_csrf-front">{CSRF}',
        ('provider = "aichats"',),
        {"ai-chat-front": "a", "_csrf-front": "b"},
    ),
    Saved("Aichat", "<p>chat", ('provider = "aichat"',), url="https://chat-gpt.org/chat"),
    Saved(
        "MediaWiki",
        '<meta name="generator" content="MediaWiki 1.39.17"><link rel="EditURI" '
        'href="https://site.example/w/api.php?action=rsd"><form name="userlogin" method="post">'
        '<input name="wpName" id="wpName1"><input name="wpPassword" type="password">'
        '<button id="wpLoginAttempt" type="submit" name="wploginattempt">Log in</button></form>',
        (
            'url = "https://site.example/w/index.php?title=Project:Sandbox&action=edit"',
            'ready = "#pt-logout"',
            'tokens.csrf = "input[name=wpEditToken]@value"',
            'send.form.token = "{csrf}"',
            'send.form.assert = "user"',
            '{ open = "/w/index.php?title=Special:UserLogin" }',
            '{ fill = "input[name=wpName]", value = "env:SHOP_USER" }',
            '{ click = "#wpLoginAttempt" }',
        ),
        asked="https://site.example/w/index.php?title=Special:UserLogin",
        url="https://site.example/w/index.php?title=Special:UserLogin",
    ),
    Saved(
        "DokuWiki",
        '<meta name="generator" content="DokuWiki"><link rel="start" href="/dw/"><form id="dw__search">'
        '<input name="q"><button type="submit"></button></form><form id="dw__login" action="/dw/doku.php" '
        'method="post">'
        '<input type="hidden" name="sectok" value=""><input name="u" type="text"><input name="p" type="password">'
        '<button type="submit">Log In</button></form>',
        (
            'url = "https://site.example/dw/doku.php?id=start"',
            'tokens.csrf = "input[name=sectok]@value"',
            'send.form.sectok = "{csrf}"',
            '{ click = "form:has(input[type=password]) button[type=submit]" }',
        ),
        asked="https://site.example/dw/doku.php?id=start&do=login",
        url="https://site.example/dw/doku.php?id=start&do=login",
    ),
    Saved(
        "Jupyter",
        '<title>Jupyter Server</title><form action="/login?next=%2Flab" method="post"><input type="hidden" name="_xsrf"'
        ' value="2|a"><input type="password" name="password" id="password_input"><button type="submit" '
        'id="login_submit">Log in</button></form>',
        (
            'tokens.csrf = "cookie:_xsrf"',
            'send.header.X-XSRFToken = "{csrf}"',
            'stale = [403, "redirect:/login"]',
            '{ fill = "input[name=password]", value = "env:SHOP_PASSWORD" }',
        ),
        {"_xsrf": "2|a"},
        "https://site.example/lab",
        "https://site.example/login?next=%2Flab",
    ),
    Saved(
        "Jupyter",
        '<title>JupyterLab</title><script id="jupyter-config-data" type="application/json">{"baseUrl": "/"}</script>',
        ('tokens.csrf = "cookie:_xsrf"',),
        {"_xsrf": "2|a"},
    ),
    Saved(
        "WordPress",
        '<meta name="generator" content="WordPress 6.5.2"><link rel="https://api.w.org/" '
        'href="https://site.example/app/wp-json/">',
        ('tokens.csrf = "script:wpApiSettings.nonce"', 'send.header.X-WP-Nonce = "{csrf}"'),
        scripts={"wpApiSettings.nonce": "0123456789"},
    ),
    Saved(
        "WordPress",
        '<form id="loginform" action="https://site.example/blog/wp-login.php" method="post"><input name="log" '
        'id="user_login"><input type="password" name="pwd" id="user_pass"><input type="submit" name="wp-submit" '
        'id="wp-submit"></form>',
        (
            'url = "https://site.example/blog/wp-admin/"',
            'tokens.csrf = { page = "/blog/wp-admin/admin-ajax.php?action=rest-nonce", html = "',
            '"\\\\b([0-9a-f]{10})\\\\b" }',
            '{ open = "/blog/wp-login.php" }',
        ),
        asked="https://site.example/blog/wp-login.php",
        url="https://site.example/blog/wp-login.php",
    ),
    Saved(
        "Django's admin",
        '<link href="/static/admin/css/login.css"><form id="login-form"><input type="hidden" '
        f'name="csrfmiddlewaretoken" value="a">{LOGIN}</form>',
        ('tokens.csrf = "cookie:csrftoken"', 'stale = ["403 body:CSRF", "redirect:/app/login"]', "#logout-form"),
        {"csrftoken": "a"},
        url="https://site.example/app/login/?next=/app/",
    ),
    Saved(
        "Django",
        '<form method="post"><input type="hidden" name="csrfmiddlewaretoken" value="a"><input name="text"></form>',
        ('tokens.csrf = "input[name=csrfmiddlewaretoken]@value"', 'send.form.csrfmiddlewaretoken = "{csrf}"'),
    ),
    Saved(
        "Rails",
        f'<meta name="csrf-param" content="authenticity_token">{CSRF}',
        ('send.header.X-CSRF-Token = "{csrf}"', "422 body:"),
    ),
    Saved(
        "Yii2",
        f'<meta name="csrf-param" content="_csrf-frontend">{CSRF}',
        ("400 body:Unable to verify",),
        {"_csrf-frontend": "a"},
    ),
    Saved("Laravel", CSRF, ('send.header.X-CSRF-TOKEN = "{csrf}"', "stale = [419]"), {"laravel_session": "a"}),
    Saved(
        "Laravel",
        '<form><input type="hidden" name="_token" value="a"></form>',
        ('tokens.csrf = "cookie:XSRF-TOKEN"', 'send.header.X-XSRF-TOKEN = "{csrf}"'),
        {"XSRF-TOKEN": "a", "shop_session": "b"},
    ),
    Saved(
        "ASP.NET",
        '<form><input name="__RequestVerificationToken" type="hidden" value="CfDJ8"></form>',
        ('send.header.RequestVerificationToken = "{csrf}"', 'send.form.__RequestVerificationToken = "{csrf}"'),
        {".AspNetCore.Antiforgery.x1": "a"},
    ),
    Saved(
        "Spring Security",
        '<meta name="_csrf" content="a"><meta name="_csrf_header" content="X-CSRF-TOKEN">',
        ('tokens.csrf = "meta[name=_csrf]@content"', 'send.header.X-CSRF-TOKEN = "{csrf}"'),
        {"JSESSIONID": "a"},
    ),
    Saved(
        "Flask-WTF",
        '<form><input id="csrf_token" name="csrf_token" type="hidden" value="a"></form>',
        ('tokens.csrf = "input[name=csrf_token]@value"', 'send.header.X-CSRFToken = "{csrf}"', "400 body:CSRF"),
        {"session": "a"},
    ),
    Saved(
        "a pair of cookie and header",
        "<p>an application of scripts",
        ('tokens.csrf = "cookie:XSRF-TOKEN"', 'send.header.X-XSRF-TOKEN = "{csrf}"'),
        {"XSRF-TOKEN": "a"},
    ),
    Saved("a form's token", CSRF, ('tokens.csrf = "meta[name=csrf-token]@content"',)),
    Saved(
        "a form's token",
        '<form><input type="hidden" name="_csrf" value="a"></form>',
        ('send.form._csrf = "{csrf}"',),
    ),
)

NOTHING = "no known kind of site"
MISSES = (
    Saved(
        NOTHING,
        "<title>What is CSRF?</title><p>Django's csrfmiddlewaretoken and csrftoken, Rails' authenticity_token, "
        'MediaWiki and WordPress<pre>&lt;meta name="csrf-token" content="…"&gt; &lt;input name="_csrf"&gt;</pre>'
        '<a href="/wp-content">wp-json</a>',
    ),
    Saved(NOTHING, '<form action="/search"><input name="q"><button>Search</button></form>'),
    Saved(NOTHING, '<meta name="generator" content="Hugo 0.120"><p>powered by MediaWiki'),
    Saved(NOTHING, '<button class="like" data-nonce="a1b2c3d4e5" data-post-id="7">Like</button>'),
    Saved(NOTHING, '<div data-config=\'{"nonce": "a", "theme": "dark"}\'></div>'),
    Saved(NOTHING, '<meta name="csrf-token" content=""><input type="hidden" name="_csrf" value="">'),
    Saved(NOTHING, "<p>a shop", cookies={"session": "a", "PHPSESSID": "b", "_csrf_seen": "1"}),
    Saved(NOTHING, "<title>How we run Jupyter</title>"),
    Saved(NOTHING, "<title>JupyterHub</title>", cookies={"_ga": "1"}),
    Saved(NOTHING, "<p>chat", url="https://not-chat-gpt.org/chat"),
    Saved(NOTHING, ""),
)
