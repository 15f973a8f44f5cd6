"""What a run is, and what may happen to it: `step` applies an input to a configuration and returns the next one.

There is no clock, no I/O and no randomness here: time arrives as a field of inputs. Folding the inputs of a
run through `step` is resume, replay, time travel and audit; nothing else moves a run.

    inputs -> step -> begin               a run begins
                   -> booking             a call is reserved, settled or released
                   -> attempts            a reply or a failure ends an attempt
                   -> children, humans    a machine inside a visit; an answer that is waited for
           each through `course`: enter a state, move, land, finish -> configuration, records
    due                                   what the world owes a run that is what it is

`legal` decides what may happen next. In the kernel only `engine` evaluates guards.

No runner drives `children` and `humans` yet: only explorations and tests make their inputs.
"""

VERSION = 2
"""The version of the kernel. It rises whenever the same journal would fold into other configurations."""
