"""A Django project in one file: notes behind Django's CSRF check, whose token is another one after some notes.

Arguments: its folder, the port, "session" or "cookie" (where Django keeps the secret), after how many notes it changes.
"""

import json
import sys
import threading
import types
from pathlib import Path

import django
from django.conf import settings

folder, port, kept, often = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    CSRF_USE_SESSIONS=kept == "session",
    DEBUG=False,
    INSTALLED_APPS=["django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
    ROOT_URLCONF="urls",
    SECRET_KEY="of this test alone",
    SESSION_ENGINE="django.contrib.sessions.backends.file",
    SESSION_FILE_PATH=str(folder),
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
)
django.setup()

from django.core.management import execute_from_command_line  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.middleware.csrf import rotate_token  # noqa: E402
from django.template import engines  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402

PAGE = "<!doctype html><title>Notes</title><form method=post>{% csrf_token %}<input name=text></form>"
counts = {"pages": 0, "calls": 0, "turned": 0}
alone = threading.Lock()


def page(request):
    with alone:
        counts["pages"] += 1
    return HttpResponse(engines["django"].from_string(PAGE).render({}, request))


def note(request):
    text = request.POST["text"] if "text" in request.POST else json.loads(request.body)["text"]
    with alone:
        counts["calls"] += 1
        if counts["calls"] % often == 0:
            counts["turned"] += 1
            rotate_token(request)
    return JsonResponse({"heard": text})


@csrf_exempt
def told(request):
    return JsonResponse(counts)


urls = types.ModuleType("urls")
urls.urlpatterns = [path("", page), path("notes", note), path("counts", told)]
sys.modules["urls"] = urls
execute_from_command_line(["django", "runserver", "--noreload", f"127.0.0.1:{port}"])
