"""What a run is, and what may happen to it: `step` applies an input to a configuration and returns the next one.

There is no clock, no I/O and no randomness here: time arrives as a field of inputs. Folding the inputs of a
run through `step` is resume, replay, time travel and audit; nothing else moves a run.

    inputs -> step -> begin               a run begins
                   -> booking             a call is reserved, settled or released
                   -> attempts            a reply or a failure ends an attempt
                   -> rounds              an agent asks for tools, parts or a human
           each through `course`: enter a state, move, land, finish -> configuration, records
    due                                   what the world owes a run that is what it is

The machine that a part runs is a configuration in a visit of the one above it, and an input is taken to it by its path.
`legal` decides what may happen next. In the kernel only `engine` evaluates guards.
"""

VERSION = 3
"""The version of the kernel. It rises whenever the same journal would fold into other configurations."""
