"""Notes in Flask-AppBuilder, each form held to its session by Flask-WTF.

Arguments: the database, the port. APP_USER and APP_PASSWORD may log in. Sessions are rows, so that they can be ended.
"""

import os
import secrets
import sys

from flask import Flask, session
from flask_appbuilder import AppBuilder, Model, ModelView
from flask_appbuilder.models.sqla.interface import SQLAInterface
from flask_appbuilder.utils.legacy import get_sqla_class
from flask_login import current_user, logout_user, user_logged_in
from flask_wtf import CSRFProtect
from sqlalchemy import Column, Integer, String

DATABASE, PORT = sys.argv[1], int(sys.argv[2])
app = Flask(__name__)
app.config.update(
    SECRET_KEY="of this test alone",
    SQLALCHEMY_DATABASE_URI=f"sqlite:///{DATABASE}?timeout=20",
    WTF_CSRF_ENABLED=True,
    FAB_API_SWAGGER_UI=False,
    AUTH_RATE_LIMITED=False,
    RATELIMIT_ENABLED=False,
    APP_NAME="Notes",
)
CSRFProtect(app)
database = get_sqla_class()(app)


class Note(Model):
    __tablename__ = "notes"
    id = Column(Integer, primary_key=True)
    text = Column(String(200), nullable=False)

    def __repr__(self) -> str:
        return str(self.text)


class Login(Model):
    __tablename__ = "logins"
    id = Column(String(40), primary_key=True)


class NoteView(ModelView):
    datamodel = SQLAInterface(Note)
    list_columns = ("text",)
    add_columns = ("text",)
    edit_columns = ("text",)


@user_logged_in.connect
def begin(*_: object, **__: object) -> None:
    session["login"] = secrets.token_hex(8)
    database.session.add(Login(id=session["login"]))
    database.session.commit()


@app.before_request
def end_what_is_gone() -> None:
    if current_user.is_authenticated and database.session.get(Login, session.get("login", "")) is None:
        logout_user()
        session.clear()


with app.app_context():
    builder = AppBuilder(app, database.session)
    database.create_all()
    builder.add_view(NoteView, "Notes", category="Lists")
    admin = builder.sm.find_role("Admin")
    if builder.sm.find_user(os.environ["APP_USER"]) is None:
        builder.sm.add_user(os.environ["APP_USER"], "A", "L", "ada@notes.invalid", admin, os.environ["APP_PASSWORD"])
app.run("127.0.0.1", PORT, threaded=True)
