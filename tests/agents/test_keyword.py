"""Keyword agents: whole words, and a declared way out when words do not decide."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fsm_orch import Context, DefinitionError, Final, KeywordAgent, Machine, Runner, State, Visit
from fsm_orch.agents.words import Phrases, folded


class Question(Context):
    """A text."""

    text: str


def rest(visit: Visit[Question]) -> None:
    """Do nothing."""


class Desk(Machine[Question]):
    """Sends questions on by their words."""

    returns = State(rest)
    prices = State(rest)
    triage = State(
        KeywordAgent(
            Question.text,
            {returns: ("return", "send back"), prices: ("price", "how much", "c++")},
            otherwise=(human := Final(fallback=True)),
        ),
        initial=True,
    )
    done = Final()
    to_returns = triage.to(returns)
    to_prices = triage.to(prices)
    to_human = triage.to(human)
    finish = (returns | prices).to(done)


RUNNER = Runner(Desk)


def first_target(text: str) -> str:
    return RUNNER.run_sync(Question(text=text)).path[0].target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("I want to RETURN it", "returns"),
        ("can I send   back this?", "returns"),
        ("what is the price?", "prices"),
        ("how\nmuch", "prices"),
        ("is c++ sold here", "prices"),
        ("returning customers", "human"),
        ("pricey", "human"),
        ("the price of a return", "human"),
        ("", "human"),
        ("hello", "human"),
    ],
)
def test_whole_words_decide_and_nothing_else(text: str, target: str) -> None:
    """One state's words lead to it; none, or those of two, lead to the declared way out."""
    assert target == first_target(text)


@given(st.text(alphabet="abc ", max_size=12), st.text(alphabet="abc ", max_size=12))
def test_words_match_wherever_they_stand(before: str, after: str) -> None:
    """What stands around a word, apart from letters touching it, does not matter."""
    assert first_target(f"{before} return {after}") == "returns"


def is_found(phrase: str, text: str) -> bool:
    return Phrases((phrase,)).are_in(folded(text))


FORMS: tuple[Literal["NFC", "NFD", "NFKC", "NFKD"], ...] = ("NFC", "NFD", "NFKC", "NFKD")


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("退款", "我要退款"),
        ("返金", "この商品の返金をお願いします"),
        ("キャンセル", "注文をｷｬﾝｾﾙしたい"),
        ("คืนเงิน", "ฉันต้องการคืนเงินค่ะ"),
        ("환불", "환불해 주세요"),
        ("환불", "상품을 환불을 원해요"),
        ("환불 요청", "환불요청 합니다"),
        ("iphone", "我的iPhone坏了"),
        ("iphone", "ที่iPhoneของฉัน"),
        ("استرداد", "أريد استرداد المال"),
        ("استرداد", "أريد استِردادَ المال"),
        ("रिफंड", "मुझे रिफंड चाहिए।"),
        ("वापसी", "मुझे पैसे की वापसी।"),
        ("Rückzahlung", "RÜCKZAHLUNG!"),
        ("Rückzahlung", "Rück\u00adzahlung"),
        ("straße", "STRASSE"),
        ("STRASSE", "die Straße"),
        ("ẞ", "ss"),
        ("iade", "İADE istiyorum"),
        ("İade", "iade"),
        ("kırık", "KIRIK geldi"),
        ("KIRIK", "kırık"),
        ("λόγος", "ΛΌΓΟΣ"),
        ("refund", "ＲＥＦＵＮＤ"),
        ("i'll be in", "I’ll be in Rome"),
        ("e-mail", "meine E\u2011MAIL"),
        ("e‐mail", "my e-mail"),
        ("м'ята", "чай з мʼятою, мʼята!"),
        ("п’ять", "п'ять пляшок"),
        ("צ'ק", "אבד לי צ׳ק"),
        ('ארה"ב', "משלוח לארץ: ארה״ב"),
        ("ɢᴇᴏ", "ɢᴇᴏ"),
        ("თბილისი", "ᲗᲑᲘᲚᲘᲡᲘ"),
        ("ফেরত", "টাকা ফেরত চাই"),
        ("refund", "\u202brefund\u202c"),
        ("𞤀𞤁", "𞤢𞤣"),
        ("c++", "is c++ sold"),
        ("caffè", "un caffe\u0300, prego"),
    ],
)
def test_words_are_found_in_every_script(phrase: str, text: str) -> None:
    """A word is found however Unicode writes it, and inside a text where a script has no borders of words."""
    written = [unicodedata.normalize(form, text) for form in FORMS]

    assert [True] * 5 == [is_found(phrase, one) for one in [text, *written]]
    assert [True] * 4 == [is_found(unicodedata.normalize(form, phrase), text) for form in FORMS]


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("red", "ordered"),
        ("cafe", "un café"),
        ("x", "x\u0302 is an estimate"),
        ("पैस", "पैसा दो"),
        ("सा", "पैसा दो"),
        ("か", "がんばる"),
        ("ค", "ค่ะ"),
        ("كتاب", "مكتابة"),
        ("退款", "我要付款"),
        ("iphone", "smartiphone坏"),
    ],
)
def test_a_part_of_a_word_is_not_found(phrase: str, text: str) -> None:
    """Within a word nothing is found where words have borders, and a letter is never parted from its marks."""
    assert [False] * 5 == [is_found(phrase, one) for one in (text, *(unicodedata.normalize(f, text) for f in FORMS))]


texts = st.text(max_size=12) | st.text(st.characters(categories=["L", "M", "N"], max_codepoint=0x3FF), max_size=12)


@given(texts)
@example("\u0131\u0300")  # an i without a dot, and a mark that is joined to one with a dot
@example("i\u200b\u0300")  # what stands between a letter and its mark has no shape
@example("i\u0307\u0307")
@example("\u0131\u0307")
def test_a_text_is_folded_once_and_for_all(text: str) -> None:
    """All ways to write a text are folded to one, which is folded to itself."""
    folds = {folded(text), folded(folded(text)), *(folded(unicodedata.normalize(form, text)) for form in FORMS)}

    assert 1 == len(folds)


@given(texts.filter(lambda text: folded(text).strip()), st.sampled_from(["", " ", ", ", "。"]))
def test_a_text_is_found_in_itself(text: str, beside: str) -> None:
    """Whatever can be found is found alone, and between signs."""
    assert is_found(text, f"{beside}{text}{beside}")


@given(st.text(alphabet="abc +'-", max_size=12), st.text(alphabet="abc +'-", max_size=30))
def test_plain_words_are_found_as_ever(phrase: str, text: str) -> None:
    """For texts in ASCII the rule is one of whole words, as it can be told without Unicode."""
    spelt = r"\s+".join(map(re.escape, phrase.split()))

    for written in (text, f"{text} ü"):  # in a text with anything else in it, too
        assert not spelt or is_found(phrase, written) == (re.search(rf"(?<!\w){spelt}(?!\w)", text) is not None)


@pytest.mark.parametrize("words", [(), ("",), ("ok", " "), ("\u200b",)])
def test_blank_words_are_refused(words: tuple[str, ...]) -> None:
    """A state without words, or with a blank one, would match nothing or everything."""
    with pytest.raises(ValueError, match="give at least one, none of them blank"):
        KeywordAgent(Question.text, {Final(): words}, otherwise=Final())


def test_each_route_needs_exactly_one_handoff() -> None:
    """A state it routes to without a handoff there is a finding, not a surprise."""
    with pytest.raises(DefinitionError, match="FSM121") as error:

        class Loose(Machine[Question]):
            """Routes to nowhere."""

            done = Final()
            human = Final(fallback=True)
            triage = State(KeywordAgent(Question.text, {done: ("ok",)}, otherwise=human), initial=True)
            finish = triage.to(done)

    assert "routes to <Final human>, to which no handoffs lead" in str(error.value)
