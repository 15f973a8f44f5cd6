"""All that is known of a machine before any run: its certificate, its exploration, findings and counterexamples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ..amounts import FREE, Price
from ..define.definition import Definition
from ..define.policies import Policy
from ..define.rules.start import start_objection
from ..errors import Finding, StartError
from .bounds.certificate import Certificate
from .bounds.certify import certify
from .bounds.verifier import verify
from .explore.automata import Verdict
from .explore.exploration import Exploration, explore
from .explore.trace import Trace
from .explore.walk import OnProgress
from .findings import findings
from .repair.change import Change, to_keep, to_slacken


@dataclass(frozen=True, kw_only=True)
class Counterexample:
    """A path that breaks a policy, and what would close it."""

    policy: Policy
    verdict: Verdict
    trace: Trace
    change: Change | None
    """The smallest change after which the policy holds; None if none was found."""


@dataclass(frozen=True, kw_only=True)
class Dossier:
    """All that is known of a machine."""

    definition: Definition
    certificate: Certificate
    exploration: Exploration
    findings: tuple[Finding, ...]
    """Errors first."""
    counterexamples: tuple[Counterexample, ...]
    slackening: tuple[Change, ...]
    """What would make the worst case fit the limit of tokens; empty if it fits."""

    def is_sound(self, *, strict: bool = False) -> bool:
        """Tell whether nothing was found that fails a check, no broken theorem either; if strict, warnings do."""
        failing = {"error", "warning"} if strict else {"error"}
        return not self.exploration.broken and not any(finding.level in failing for finding in self.findings)


def dossier(
    definition: Definition,
    *,
    prices: Mapping[str, Price],
    models: Mapping[str, str] | None = None,
    require_slack: bool = False,
    max_configurations: int = 100_000,
    on_progress: OnProgress | None = None,
    clock: Callable[[], float] | None = None,
) -> Dossier:
    """Prove what can be proved of a definition that builds.

    Args:
        prices: of each state's model; the price of a state that is not named is not known.
        models: the name of each state's model; None: as declared.
        require_slack: a worst case above the limits is an error.
        max_configurations: where the exploration stops.
        on_progress: told now and then how far the exploration is.
        clock: seconds, to time the exploration.

    Raises StartError: if no run can start within the limits at these prices.
    Raises CertificateError: if SciPy is needed and not installed; or the certificate is refuted, which is our mistake.
    """
    reason = start_objection(definition, definition.limits, prices.get(definition.initial.name, FREE))
    if reason is not None:
        raise StartError(f"{definition.name} cannot start: {reason}")
    certificate = certify(definition, prices=prices, models=models)
    verify(certificate, definition, prices=prices, models=models)
    explored = explore(
        definition, prices=prices, max_configurations=max_configurations, on_progress=on_progress, clock=clock
    )
    slackening = to_slacken(definition, certificate)
    found = findings(definition, certificate, explored, prices=prices, models=models, require_slack=require_slack)
    return Dossier(
        definition=definition,
        certificate=certificate,
        exploration=explored,
        findings=found,
        counterexamples=tuple(_counterexamples(definition, explored)),
        slackening=slackening,
    )


def _counterexamples(definition: Definition, explored: Exploration) -> Iterator[Counterexample]:
    found = [(judged, judged.trace) for judged in explored.policies if judged.trace]
    for judged, trace in found:
        change = to_keep(definition, judged.policy, trace, explored)
        yield Counterexample(policy=judged.policy, verdict=judged.verdict, trace=trace, change=change)
