"""Secrets in texts: found in whatever form they stand there, in a time that grows with the text alone."""

from __future__ import annotations

import json
import time

import pytest

from fsm_orch.observe.secrets import without_secrets

HELD = {
    "ACME_PASSWORD": 'pa"ss\\wörd1',
    "PGPASSWORD": "of-my-database",
    "FROM_FILE_KEY": "with-the-end-of-its-line\n",
    "HOME": "/home/of-somebody",
    "SHORT_KEY": "abc123",
}


@pytest.mark.parametrize("key", [HELD["ACME_PASSWORD"], HELD["PGPASSWORD"], HELD["FROM_FILE_KEY"].strip()])
def test_a_key_is_found_in_json_too(key: str) -> None:
    """As it is, in JSON with and without escapes for letters, and in JSON within JSON, as arguments of tools are."""
    clean = without_secrets(HELD)
    inner = json.dumps({"a": key}, ensure_ascii=False)
    forms = [f'{{"a": "{key}"}}', json.dumps({"a": key}), inner, json.dumps({"x": inner}), json.dumps([inner])]

    for form in forms:
        assert clean(form).count("[redacted]") == 1
        assert key[-4:] not in clean(form)


@pytest.mark.parametrize("key", ["sk-" + "0a1b" * 8, "r8_" + "a1B2" * 10, "sk-lf-0a1b2c3d-0a1b-4c3d-8e9f-0a1b2c3d4e5f"])
@pytest.mark.parametrize(
    "before",
    ["", "\n", "\\n", "\\t", "\\u003d", "%20", "%3D", "%22", "\x1b[31m", "\\u001b[1;31m", "=", '"', "(", "key:"],
)
def test_a_key_is_found_behind_what_stands_for_a_character(key: str, before: str) -> None:
    """As JSON, URLs and terminals write one, which ends with a letter or a digit."""
    assert f"{before}[redacted] ." == without_secrets({})(f"{before}{key} .")


def test_a_key_of_the_environment_is_found_in_a_url() -> None:
    """With the characters that a URL may not hold written by their numbers."""
    clean = without_secrets({"ACME_KEY": "pa ss/w&rd=1"})

    assert "?key=[redacted]&key=[redacted]" == clean("?key=pa%20ss%2Fw%26rd%3D1&key=pa+ss%2Fw%26rd%3D1")


def test_what_is_no_key_stays() -> None:
    """Other names, and values that are too short, are in many texts."""
    assert "/home/of-somebody abc123 eyJ" == without_secrets(HELD)("/home/of-somebody abc123 eyJ")


@pytest.mark.parametrize(
    "secret",
    [
        "eyJhbGciOiJSU0EtT0FFUCJ9.OKOawDo13gRp2.48V1_ALb6US04U3b.5eym8TW_c8SuK0.XFBoMYUZodetZ",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\nabc\n-----END PGP PRIVATE KEY BLOCK-----",
        "whsec_abcdefghijklmnopqrstuvwxyz",
    ],
)
def test_shapes_are_replaced_whole(secret: str) -> None:
    """An encrypted web token, a private key of PGP, a key of a webhook."""
    assert "before [redacted] after" == without_secrets({})(f"before {secret} after")


@pytest.mark.parametrize("piece", ["eyJ", "eyJ-", "://a:", "://a:b@", "-----BEGIN ", "-----END ", "sk-", "Bearer "])
def test_no_text_takes_the_square_of_its_length(piece: str) -> None:
    """A text of many beginnings is looked through as fast as any, or a user would stop the event loop with it."""
    clean = without_secrets({})
    used = []
    for many in (4_000, 32_000):
        began = time.process_time()
        clean(piece * many)
        used.append(time.process_time() - began)

    assert used[1] < 24 * max(used[0], 0.002)  # in a ratio: of 8 times the text 64 would be the square
