"""CookieCloud's data, encrypted by openssl: the older way of the extension with a salt, the newer one without."""

from __future__ import annotations

import base64
import json

import pytest

from doorkey.accounts.imports import read_login
from doorkey.errors import RequestError

SITE = "https://wiki.example/app"
NOW = 1_700_000_000.0
UUID, PASSWORD = "abcUUID", "pässword"
SALTED = (
    "U2FsdGVkX1+vN09LmR7LIawr8c5n2KApWKhQJCyqezf+P2reAmpZw00jgtZH6a0SZBmaZNUQqi7xFp49HId/3ZjgjW3u8SeECkOe"
    "sr7hyy4NasvMgdjWtGchdhgfbt4lxb9Q16euOAOZvwd8txw3oWVZqE2sfdLby8oZKqrBiu1fEOcWo+RtRH2Yma/UZjFm/30IISrl"
    "boD7jsv2xSMvL1uHl4pd8DZ0Pg4rN1i+1tcq0bthKQhZp6w+l0Zq/JxM2eEM92NyD4yx6+lpS26fQxdSZkG4lJleGul9oRdu0AQ9"
    "9jFHACu4smOR251ss/avBVl4SLD4zMwtz2xt2GB4ml5DFvrhFm2875oZDBYlCMYTK8cgjqIcqjegk0UHgZtYcJ96XzVwMkso8Pt0"
    "TM3HwGTU6s26ZoSfBUBLCMgcgbOsQ8FVEwyUxCbQOyAvJHf6NQnWb2trqDDTHRlGGVylZjDit1PneHvj5eSEG3rnltN/jK+mf1MG"
    "JQKVY1Lkdu3AgBylVdCkkc3pVQH8NFfHV9VyuG/KKbQqfpSEPpPsG7H9WcLzjb9+a1Vh8RlvYUyo"
)
FIXED = (
    "l8g0t3/Be/f4kCu8MpjQE7uhjVub0EQl9pL1EUeX/GvhxyWKaajiu+pRlnfeTGEQf9/jTBQHUdaGieK3PMQIbyup5EKdw+FNWgwK"
    "6zvLYOYAWaBVVC/lRYx02rnyxoZ4RsvRGdSEsLa5yacqsrXXtNmFMES3iEydKvY7METlXxYmy0MOkoHQNGz6sGSCBxMzNkfzTnWl"
    "07I5zbDzd2rE7bG7+16a+f+MjITI51dasyoFC+wBBCd94Bb3OcKa6Cw7/7/7Hvp7folawBlia7Et/fesHUPOPXH1s5NDEN0cKHS3"
    "Sky1HDW3ClcCf6HrRr9HbzjwXbpg/zq/MzB/rhK16kae+CCQfBrZFDb6Sr1cuGQfay1w3cPd3MNA1cAi+Apv3gc/EoHvzTtMn/WI"
    "hmHDSmHkQi+RhnFaQ2PBC3ZZx50WKSZPxqRoJ+iJL96nAmb6AOdwdqrsHj//hg8QZXkBvagOsUxjmxJDRbBfvF9KM4PSrfRN24j+"
    "2sTNTHz2Ql0yvSXiXmmuospaSaI0PHx6KdZnqOPQAgFhWe2k3KDiNK4="
)


def data(encrypted: str, **more: object) -> str:
    return json.dumps({"encrypted": encrypted, "uuid": UUID, "password": PASSWORD} | more)


@pytest.mark.parametrize("encrypted", [SALTED, FIXED], ids=["salted", "fixed"])
def test_cookies_and_storage_of_the_site_are_taken(encrypted: str) -> None:
    found = read_login(data(encrypted, crypto_type="any"), SITE, NOW)
    (cookie,) = found.cookies
    assert (found.kind, cookie.name, cookie.value, cookie.domain) == ("CookieCloud's data", "sid", "s1", "wiki.example")
    assert (cookie.host_only, cookie.secure, cookie.http_only, cookie.expires) == (False, True, True, None)
    assert (dict(found.local), found.foreign) == ({"jwt": "j1"}, ("other.example",))


def test_data_that_its_server_has_decrypted_is_taken_too() -> None:
    plain = {"cookie_data": {"wiki.example": [{"domain": "wiki.example", "name": "a", "value": "b"}]}}
    assert [cookie.name for cookie in read_login(json.dumps(plain), SITE, NOW).cookies] == ["a"]


@pytest.mark.parametrize("encrypted", [SALTED, FIXED], ids=["salted", "fixed"])
@pytest.mark.parametrize("wrong", [{"password": "other"}, {"uuid": "other"}])
def test_a_wrong_password_is_said_without_showing_anything(encrypted: str, wrong: dict[str, str]) -> None:
    with pytest.raises(RequestError, match="can't be decrypted") as caught:
        read_login(data(encrypted, **wrong), SITE, NOW)
    assert (caught.value.__cause__, "other" in str(caught.value)) == (None, False)


@pytest.mark.parametrize("missing", ["uuid", "password"])
def test_what_is_missing_is_named(missing: str) -> None:
    with pytest.raises(RequestError, match="add `uuid` and `password`"):
        read_login(data(SALTED, **{missing: ""}), SITE, NOW)


@pytest.mark.parametrize(
    "encrypted",
    ["no base64!", base64.b64encode(b"short").decode(), base64.b64encode(b"Salted__").decode(), SALTED[:40]],
)
def test_broken_data_is_an_error(encrypted: str) -> None:
    with pytest.raises(RequestError, match="can't be decrypted"):
        read_login(data(encrypted), SITE, NOW)
