"""Items behind a login. Flask-WTF holds each form to its session; beside that, each form's token serves once.

Arguments: the database, the port. APP_USER and APP_PASSWORD may log in.
"""

import os
import secrets
import sqlite3
import sys

from flask import Flask, abort, jsonify, redirect, render_template_string, request, session
from flask_wtf import CSRFProtect, FlaskForm
from wtforms import HiddenField, PasswordField, StringField

PAGE = """<!doctype html><title>Items</title><meta name="csrf-token" content="{{ csrf_token() }}">
<p>{{ user }} <a id="logout" href="/logout">Log out</a></p>
<form method="post" action="/items">{{ form.hidden_tag() }}{{ form.text() }}<button>Add</button></form>"""
LOGIN = """<!doctype html><title>Log in</title><form method="post">{{ form.hidden_tag() }}
{{ form.user() }}{{ form.password() }}<button>Log in</button></form>"""


class LoginForm(FlaskForm):
    user = StringField()
    password = PasswordField()


class ItemForm(FlaskForm):
    once = HiddenField()
    text = StringField()


app = Flask(__name__)
app.secret_key = "of this test alone"
CSRFProtect(app)


def database() -> sqlite3.Connection:
    opened = sqlite3.connect(sys.argv[1], timeout=20, isolation_level="IMMEDIATE")
    opened.execute("PRAGMA synchronous = OFF")
    return opened


def known(opened: sqlite3.Connection) -> bool:
    found = opened.execute("SELECT 1 FROM logins WHERE id = ?", (session.get("login", ""),))
    return found.fetchone() is not None


def issued(opened: sqlite3.Connection) -> str:
    token = secrets.token_hex(8)
    opened.execute("INSERT INTO tokens VALUES (?, ?)", (token, session["login"]))
    return token


@app.get("/")
def home() -> object:
    with database() as opened:
        if not known(opened):
            return redirect("/login")
        form = ItemForm(formdata=None, once=issued(opened))
    return render_template_string(PAGE, form=form, user=os.environ["APP_USER"])


@app.route("/login", methods=["GET", "POST"])
def login() -> object:
    form = LoginForm()
    right = (os.environ["APP_USER"], os.environ["APP_PASSWORD"])
    if form.validate_on_submit() and (form.user.data, form.password.data) == right:
        session["login"] = secrets.token_hex(8)
        with database() as opened:
            opened.execute("INSERT INTO logins VALUES (?)", (session["login"],))
        return redirect("/")
    return render_template_string(LOGIN, form=form)


@app.post("/items")
def add() -> object:
    with database() as opened:
        if not known(opened):
            return redirect("/login")
        taken = opened.execute(
            "DELETE FROM tokens WHERE token = ? AND login = ?", (request.form.get("once", ""), session["login"])
        )
        if not taken.rowcount:
            abort(409, "this form was sent already")
        opened.execute("INSERT INTO items VALUES (?)", (request.form["text"],))
        following = issued(opened)
    answer = jsonify(added=request.form["text"])
    answer.headers["X-Next-Token"] = following
    return answer


with database() as made:
    made.execute("PRAGMA journal_mode = WAL")
    for table in ("logins (id)", "tokens (token, login)", "items (text)"):
        made.execute(f"CREATE TABLE IF NOT EXISTS {table}")
app.run("127.0.0.1", int(sys.argv[2]), threaded=True)
