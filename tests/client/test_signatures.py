"""The clients' methods name their arguments, so that type checkers find a typo."""

from __future__ import annotations

import inspect
from typing import get_type_hints

import pytest

from doorkey.clients.aio import Client
from doorkey.clients.payload import RequestOptions
from doorkey.clients.sync import SyncClient, SyncOptions

METHODS = ("get", "options", "head", "post", "put", "patch", "delete")


def keywords(function: object) -> set[str]:
    parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]  # a method
    return {one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY}


def test_the_options_are_the_arguments_of_a_request() -> None:
    assert keywords(Client.request) == RequestOptions.__optional_keys__
    assert keywords(SyncClient.request) | RequestOptions.__optional_keys__ == SyncOptions.__optional_keys__


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("client", "options"), [(Client, RequestOptions), (SyncClient, SyncOptions)])
def test_every_method_takes_them(client: type, options: type, method: str) -> None:
    (taken,) = get_type_hints(getattr(client, method))["more"].__args__
    assert taken is options
