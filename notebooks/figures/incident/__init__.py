"""The incident: a triage agent that handed off to itself, as it was, guard by guard, and as a machine."""
