"""Secrets in drawn texts: every key is found in whatever stands around it, and what is no key is left alone."""

from __future__ import annotations

import base64
import json
import random
import string
import time
import uuid
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fsm_orch.observe.secrets import without_secrets

LETTERS, HEX = string.ascii_letters + string.digits, "0123456789abcdef"
SAFE = LETTERS + "-_"
CLEAN = without_secrets({"ACME_PASSWORD": 'pa"ss\\wörd-for-all', "SHORT_TOKEN": "hunter22"})

# How providers write keys: their documents, and the rules of gitleaks, trufflehog and GitLab's secret detection.
KINDS: dict[str, tuple[object, ...]] = {
    "openai": ("sk-", (48, LETTERS)),
    "openai project": ("sk-proj-", (74, SAFE), "T3BlbkFJ", (74, SAFE)),
    "anthropic": ("sk-ant-api03-", (93, SAFE), "AA"),
    "openrouter": ("sk-or-v1-", (64, HEX)),
    "xai": ("xai-", (80, LETTERS)),
    "groq": ("gsk_", (52, LETTERS)),
    "perplexity": ("pplx-", (48, LETTERS)),
    "nvidia": ("nvapi-", (64, SAFE)),
    "gitlab": ("glpat-", (20, SAFE)),
    "gitlab routable": ("glpat-", (27, SAFE), ".01.", (9, string.digits + string.ascii_lowercase)),
    "github": ("ghp_", (36, LETTERS)),
    "npm": ("npm_", (36, LETTERS)),
    "vault": ("hvs.", (95, SAFE)),
    "google key": ("AIza", (35, SAFE)),
    "google client": ("GOCSPX-", (28, SAFE)),
    "google access": ("ya29.", (120, SAFE)),
    "sendgrid": ("SG.", (22, SAFE), ".", (43, SAFE)),
    "slack": ("xoxb-", (12, string.digits), "-", (12, string.digits), "-", (24, LETTERS)),
    "slack app": ("xapp-1-", (11, string.ascii_uppercase), "-", (13, string.digits), "-", (64, HEX)),
    "grafana": ("glsa_", (32, LETTERS), "_", (8, HEX)),
    "digitalocean": ("dop_v1_", (64, HEX)),
    "replicate": ("r8_", (37, LETTERS)),
    "tavily": ("tvly-", (32, LETTERS)),
    "tavily dev": ("tvly-dev-", (32, LETTERS)),
    "pinecone": ("pcsk_", (5, LETTERS), "_", (63, LETTERS)),
    "langsmith": ("lsv2_pt_", (32, HEX), "_", (10, HEX)),
    "hugging face": ("hf_", (34, string.ascii_letters)),
    "stripe": ("sk_live_", (24, LETTERS)),
    "aws": ("AKIA", (16, string.ascii_uppercase + "234567")),
}
BORDERED = frozenset({"replicate"})
"""Kinds that are told from words and hashes by what stands in front of them."""


def key_of(kind: str, chance: random.Random) -> str:
    """Return a key of this kind."""
    parts = (part if isinstance(part, str) else "".join(chance.choices(part[1], k=part[0])) for part in KINDS[kind])  # type: ignore[index]
    return "".join(parts)


keys = st.builds(
    # of a seed: a key of letters that are all the same is none
    lambda kind, seed: (kind, key_of(kind, random.Random(seed))),
    st.sampled_from(sorted(KINDS)),
    st.integers(0, 2**32),
)
around = st.text(st.characters(codec="utf-8") | st.sampled_from(' "=:/,.-_+aZ9\n'), max_size=12)
UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\U000e0041"


def _rest(key: str) -> str:
    """Return what must not be left of a key: twelve characters of its middle."""
    return key[len(key) // 2 - 6 : len(key) // 2 + 6]


@given(keys, around, around)
def test_a_key_is_found_whatever_stands_around_it(drawn: tuple[str, str], before: str, after: str) -> None:
    """Letters, too, unless the kind is told by its border."""
    kind, key = drawn
    if kind in BORDERED and before[-1:].isalnum():
        before += " "
    cleaned = CLEAN(before + key + after)

    assert "[redacted]" in cleaned
    assert _rest(key) not in cleaned


@given(keys, st.data())
def test_a_key_is_found_with_characters_inside_that_nobody_sees(drawn: tuple[str, str], data: st.DataObject) -> None:
    """As they are, and as JSON writes them; what stands around keeps its own."""
    _, key = drawn
    cuts = data.draw(st.lists(st.tuples(st.integers(1, len(key) - 1), st.sampled_from(UNSEEN)), min_size=1, max_size=6))
    hidden = key
    for at, unseen in sorted(cuts, reverse=True):
        hidden = hidden[:at] + unseen + hidden[at:]
    text = f"a\u200db {hidden} c\u200dd"

    assert "a\u200db [redacted] c\u200dd" == CLEAN(text)
    assert json.dumps("a\u200db [redacted] c\u200dd") == CLEAN(json.dumps(text))


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes])
def test_a_key_is_found_in_base64(encode: Callable[[bytes], bytes]) -> None:
    """Of either alphabet, in one line or several, wherever it begins, and what stands around it stays."""

    @given(keys, st.text(string.printable, max_size=60), st.text(string.printable, max_size=60), st.integers(0, 3))
    def holds(drawn: tuple[str, str], before: str, after: str, glued: int) -> None:
        kind, key = drawn
        if kind in BORDERED:
            before += " "
        encoded = "A" * glued + encode(f"{before}{key}{after}".encode()).decode()
        for text in (encoded, json.dumps({"data": encoded})):
            cleaned = CLEAN(text)
            assert "[redacted]" in cleaned
            for offset in range(3):
                inner = base64.b64encode(b"-" * offset + _rest(key).encode()).decode()
                assert inner[4:-4] not in cleaned.replace("-", "+").replace("_", "/").replace("\n", "")

    holds()


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from(['pa"ss\\wörd-for-all', "hunter22"]))
def test_a_key_of_the_environment_is_found_in_base64(before: str, after: str, key: str) -> None:
    """With what stands around it, or alone, where it is short."""
    around = f"{before}....................{key}{after}".encode()

    assert "[redacted]" in CLEAN(base64.b64encode(around).decode())
    assert CLEAN(base64.b64encode(key.encode()).decode()).startswith("[redacted]")


TEXT = """
    task oriented dialogue systems risk management of projects disk desk mask the model talks to a bearer of news
    certificates securities internationalization test live token secret key password hub download with retries sonar
"""
WORDS = TEXT.split()


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=20), st.sampled_from([" ", "-", "_", "/", ".", ", "]))
@example(["task", "oriented", "dialogue", "systems"], "-")
@example(["risk", "management", "of", "projects"], "-")
@example(["hf", "hub", "download", "with", "retries"], "_")
@example(["npm", "config", "of", "some", "registry", "that", "is", "long"], "_")
@example(["risk", "test", "of", "the", "internationalization"], "_")
@example(["xai", "explainable", "models", "of", "all", "kinds"], "-")
@example(["bearer", "certificates"], " ")
@example(["bearer", "certificates", "are", "securities"], " ")
def test_words_stay(words: list[str], joint: str) -> None:
    """Prose, names of functions and files, however they are joined."""
    text = joint.join(words)

    assert text == CLEAN(text)


@given(st.uuids(), st.binary(min_size=16, max_size=64), st.sampled_from(["", "task-", "disk-", "risk_", "hf-", "id="]))
def test_ids_and_hashes_stay(drawn: uuid.UUID, digest: bytes, before: str) -> None:
    """With a word in front of them, too."""
    text = f"{before}{drawn} {before}{drawn.hex} {before}{digest.hex()}.png"

    assert text == CLEAN(text)


@settings(max_examples=20)
@given(
    st.integers(0, 2**32),
    st.integers(0, 60_000),
    st.sampled_from(["data:image/png;base64,", '"image": "', ""]),
    st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]),
)
@example(60, 1_000_000, "", base64.b64encode)
@example(61, 1_000_000, "", base64.urlsafe_b64encode)
def test_pictures_stay(seed: int, size: int, before: str, encode: Callable[[bytes], bytes]) -> None:
    """Bytes of no order, in base64 of either alphabet."""
    text = before + encode(random.Random(seed).randbytes(size)).decode()

    assert text == CLEAN(text)


@pytest.mark.parametrize(
    "piece",
    [
        *("sk-", "sk-a", "sk-aaaaaaaaaaaaaaa-", "bearer ", "bearer a.", "glpat-", "SG.", "tvly-a", "hvs.", "xoxb-"),
        *("\u200b", "a\u200b", "\\", "\\u200b", "A", "c2st", "QUFB\n", "QUFB\\n", "eyJ", "ZXlK", "ya29.", "://a:b@ "),
    ],
)
def test_a_text_of_twice_the_length_takes_twice_the_time(piece: str) -> None:
    """Whatever its beginnings are; eight times the length takes less than 24 times the processor's time."""
    used = []
    for many in (8_000, 64_000):
        text = piece * (many // len(piece))
        began = time.process_time()
        CLEAN(text)
        used.append(time.process_time() - began)

    assert used[1] < 24 * max(used[0], 0.002)  # a ratio: the square would be 64
