"""What a run is, and what may happen to it: `step` takes an input to the next configuration.

There is no clock, no I/O and no randomness in this room: time arrives as a field of inputs. Folding the inputs of a
run through `step` is resume, replay, time travel and audit; nothing else moves a run.

    inputs -> step -> begin               a run begins
                   -> booking             a call is reserved, settled or released
                   -> attempts            a reply or a failure ends an attempt
                   -> children, humans    a machine inside a visit; an answer that is waited for
           each by way of course: enter a state, move, land, finish -> configuration, records, effects

What may happen next is for `legal` to say, and only `engine` asks a guard.
"""

VERSION = 1
"""The kernel's own version; it rises whenever the same journal would fold into other configurations."""
