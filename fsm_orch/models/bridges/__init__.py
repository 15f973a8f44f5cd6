"""Models through other libraries of models: they translate, and everything that a budget rests on stays here.

A bridge's request goes through the transport of `models.once`, so it is one, whatever the library does; what a refusal
means and what a reply used is read from the wire, and never from what the library makes of it.
"""
