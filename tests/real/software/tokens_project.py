"""Notes behind bearer tokens: Django REST framework with Simple JWT, whose refresh tokens serve once.

Arguments: the folder, then what `manage.py` takes. `account USER PASSWORD` makes the one who may log in, and
`revoke PASSWORD` ends all sessions.
"""

import json
import sys
from datetime import timedelta
from pathlib import Path

from django.conf import settings

FOLDER = Path(sys.argv[1])
settings.configure(
    SECRET_KEY="of this test alone, and long enough for its signature",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "db.sqlite3", "OPTIONS": {"timeout": 20}}
    },
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework",
        "rest_framework_simplejwt",
        "rest_framework_simplejwt.token_blacklist",
    ],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
    SIMPLE_JWT={
        "ACCESS_TOKEN_LIFETIME": timedelta(minutes=5),
        "ROTATE_REFRESH_TOKENS": True,
        "BLACKLIST_AFTER_ROTATION": True,
        "CHECK_REVOKE_TOKEN": True,
        "REVOKE_TOKEN_CLAIM": "word",
    },
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    USE_TZ=True,
)

import django  # noqa: E402

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import execute_from_command_line  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework.decorators import api_view  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework_simplejwt.views import TokenBlacklistView, TokenObtainPairView, TokenRefreshView  # noqa: E402

NOTES = FOLDER / "notes.jsonl"
PAGE = """<!doctype html><title>Notes</title><div id="app"></div><script src="/app.js"></script>"""
SCRIPT = """
const app = document.getElementById("app");
const read = () => JSON.parse(localStorage.getItem("session") || "null");
const send = (url, body) => fetch(url, { method: body ? "POST" : "GET", body: body && JSON.stringify(body),
  headers: { "content-type": "application/json", ...(read() ? { authorization: "Bearer " + read().access } : {}) } });
const call = async (url, body) => {
  let answer = await send(url, body);
  if (answer.status === 401 && read()) {
    const fresh = await fetch("/api/token/refresh/", { method: "POST", headers: { "content-type": "application/json" },
      body: JSON.stringify({ refresh: read().refresh }) });
    if (!fresh.ok) { localStorage.removeItem("session"); draw(); return answer; }
    localStorage.setItem("session", JSON.stringify(await fresh.json()));
    answer = await send(url, body);
  }
  return answer;
};
const draw = async () => {
  const me = read() && await call("/api/users/me/");
  if (me && me.ok) {
    app.innerHTML = `<p>${(await me.json()).username}</p><input name="text"><button id="save">Save</button>`;
    const text = app.querySelector("input");
    app.querySelector("#save").onclick = () => call("/api/notes/", { note: { text: text.value, tags: [] } });
    return;
  }
  app.innerHTML = '<section><input name="username" autocomplete="username"><input name="password" type="password">' +
    '<button id="enter">Enter</button></section>';
  app.querySelector("#enter").onclick = async () => {
    const [username, password] = [...app.querySelectorAll("input")].map((one) => one.value);
    const answer = await send("/api/token/", { username, password });
    if (answer.ok) { localStorage.setItem("session", JSON.stringify(await answer.json())); draw(); }
  };
};
draw();
"""


@api_view(["GET"])
def me(request: Request) -> Response:
    return Response({"id": request.user.id, "username": request.user.username})


@api_view(["POST"])
def notes(request: Request) -> Response:
    with NOTES.open("a") as kept:
        kept.write(json.dumps(request.data["note"]["text"]) + "\n")
    return Response({"saved": True}, status=201)


def page(_: HttpRequest) -> HttpResponse:
    return HttpResponse(PAGE)


def script(_: HttpRequest) -> HttpResponse:
    return HttpResponse(SCRIPT, content_type="text/javascript")


urlpatterns = [
    path("", page),
    path("app.js", script),
    path("api/token/", TokenObtainPairView.as_view()),
    path("api/token/refresh/", TokenRefreshView.as_view()),
    path("api/token/blacklist/", TokenBlacklistView.as_view()),
    path("api/users/me/", me),
    path("api/notes/", notes),
]

if __name__ == "__main__":
    if sys.argv[2] == "account":
        User.objects.create_user(sys.argv[3], password=sys.argv[4])
    elif sys.argv[2] == "revoke":
        from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

        for token in OutstandingToken.objects.all():
            BlacklistedToken.objects.get_or_create(token=token)
        # Access tokens carry a mark of the password's hash: another salt ends them, and the password stays.
        ada = User.objects.get()
        ada.set_password(sys.argv[3])
        ada.save()
    else:
        execute_from_command_line([sys.argv[0], *sys.argv[2:]])
