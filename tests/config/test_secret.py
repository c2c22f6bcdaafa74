"""What login steps refer to: values from elsewhere, and steps that are none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from doorkey.config.secrets import resolve
from doorkey.errors import ConfigurationError
from doorkey.model.login_steps import Step, steps_of

SECRET = "correct horse"


def nothing(name: str) -> str | None:
    return None


async def test_values_come_from_variable_file_and_command(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text(f"{SECRET} \r\n")
    assert await resolve("env:PW", read_variable={"PW": SECRET}.get) == SECRET
    assert await resolve(f"file:{tmp_path / 'pw'}") == SECRET + " "
    assert await resolve(f"command:{sys.executable} -c 'print(\"{SECRET}\")'") == SECRET
    assert await resolve("ada") == "ada"


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("env:PW", "the environment variable PW is not set"),
        ("file:/nowhere/pw", "/nowhere/pw can't be read"),
        ("file:/dev/null", "file:/dev/null gave nothing"),
        ("command:/nowhere/pass show wiki", "the command /nowhere/pass can't be started"),
        (f"command:{sys.executable} -c 'print(\"{SECRET}\"); exit(3)'", "ended with 3"),
        ("command:'", "can't be read"),
    ],
)
async def test_a_value_that_can_not_be_had_names_the_reference_alone(reference: str, said: str) -> None:
    await tells(reference, said, limit=30.0)


async def test_a_command_that_takes_too_long_is_told() -> None:
    code = f'import time; print("{SECRET}", flush=True); time.sleep(60)'
    await tells(f"command:{sys.executable} -c '{code}'", "within 1 s", limit=1.0)


async def tells(reference: str, said: str, limit: float) -> None:
    with pytest.raises(ConfigurationError, match=said) as raised:
        await resolve(reference, read_variable=nothing, limit=limit)
    assert SECRET not in raised.value.message
    assert SECRET not in repr(raised.value.__cause__)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"fill": "#password", "value": SECRET}, "must not stand in a settings file"),
        ({"fill": "input[type=password]", "value": SECRET}, "must not stand in a settings file"),
        ({"fill": "#user"}, "one of value, totp and code beside fill"),
        ({"fill": "#user", "value": "env:"}, "expected a value"),
        ({"click": "button", "value": "x"}, "no value beside click"),
        ({"click": "button", "open": "/"}, "came click, open"),
        ({"hover": "#menu"}, "came hover"),
        ({"press": ""}, "a key, such as Enter"),
        ({"select": "#country"}, "a value beside select"),
        ({"fill": "#otp", "totp": SECRET}, "a TOTP secret must not stand in a settings file"),
        ({"fill": "#otp", "code": "123456"}, "what answers it"),
        ({"fill": "#otp", "value": "env:A", "totp": "env:B"}, "one of value, totp and code"),
        ({"click": "button", "on": "#pw"}, "no on beside click"),
        ({"open": "/login", "frame": "iframe"}, "no frame beside open"),
        ({"click": "button", "frame": ""}, "frame to be a CSS selector"),
        ({"click": "button", "optional": "yes"}, "optional to be true or false"),
        ({"open": "ftp://x/"}, "a path like /login"),
        ({"open": "https://ada:secret@x/"}, "a path like /login"),
        ({"wait": ""}, "a CSS selector"),
        ("click", "expected a step like"),
    ],
)
def test_a_step_that_is_none_says_so_and_not_its_value(table: object, said: str) -> None:
    with pytest.raises(ValueError, match=said) as raised:
        steps_of([{"open": "/login"}, table])
    assert str(raised.value).startswith("step 2: ")
    assert SECRET not in str(raised.value)


def test_a_step_shows_what_it_does_and_not_its_value() -> None:
    (step,) = steps_of([{"fill": "#user", "value": SECRET}])
    assert (str(step), step) == ("fill #user", Step("fill", "#user", SECRET))
    assert SECRET not in repr(step)
