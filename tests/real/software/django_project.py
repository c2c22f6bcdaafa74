"""A Django project in one file, as its manage.py: notes, and the admin to write them. First argument: its folder."""

import sys
import types
from pathlib import Path

from django.apps import AppConfig
from django.conf import settings

folder = Path(sys.argv.pop(1))
notes = types.ModuleType("notes")
notes.__path__ = []
sys.modules["notes"] = notes


class Notes(AppConfig):
    name = "notes"
    path = str(folder)
    default_auto_field = "django.db.models.AutoField"

    def import_models(self) -> None:
        self.models, self.models_module = self.apps.all_models["notes"], sys.modules[__name__]


notes.Notes = Notes
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": folder / "db.sqlite3",
            "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
        }
    },
    DEBUG=False,
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
        "notes.Notes",
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    ROOT_URLCONF="urls",
    SECRET_KEY="of this test alone",
    STATIC_URL="/static/",
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
)

import django  # noqa: E402

django.setup()

from django.contrib import admin  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import execute_from_command_line  # noqa: E402
from django.db import models  # noqa: E402
from django.urls import path  # noqa: E402


class Note(models.Model):
    text = models.TextField()

    class Meta:
        app_label = "notes"


admin.site.register(Note)
urls = types.ModuleType("urls")
urls.urlpatterns = [path("admin/", admin.site.urls)]
sys.modules["urls"] = urls

if sys.argv[1] == "account":
    User.objects.create_superuser(sys.argv[2], password=sys.argv[3])
else:
    execute_from_command_line(sys.argv)
