"""A failure edge that costs more than is left: the careful agent is asked once the quick one has spent it all."""

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State


class Question(Context):
    text: str
    answer: str = ""


def model(instructions, tokens):
    return LLMAgent(
        instructions,
        does=("answer",),
        reads=(Question.text,),
        writes=(Question.answer,),
        max_input_tokens=tokens - 100,
        max_output_tokens=100,
    )


class Desk(Machine[Question]):
    """Be quick, and careful if that fails."""

    quick = State(model("Answer at once.", 2_000), initial=True)
    careful = State(model("Think, then answer.", 5_000))
    answered, human = Final(), Final(fallback=True)
    done = (quick | careful).to(answered, "it is answered")
    rescue = quick.on_failure(careful)
    limits = Limits(tokens=8_000)


FOUND = "FSM304"
MENDED = ("tokens=8_000)", "tokens=9_000)")
