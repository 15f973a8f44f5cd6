"""What is asked of a library at its pinned version alone: it fails there, and warns elsewhere."""

import pytest
from support import pinned as module
from support.pinned import OtherVersion, pinned, pins


@pytest.fixture
def older_pin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pin another version than the one that is installed."""
    monkeypatch.setattr(module, "pins", lambda: {"pytest": "0.0.1"})


@pytest.fixture
def same_pin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pin the version that is installed."""
    monkeypatch.setattr(module, "pins", lambda: {"pytest": pytest.__version__})


@pytest.mark.usefixtures("same_pin")
def test_a_difference_fails_at_the_pinned_version() -> None:
    """What differs at the pinned version is a failure, as if nothing stood around the check."""
    with pytest.raises(AssertionError, match="it grew"), pinned("pytest"):
        raise AssertionError("it grew")


@pytest.mark.parametrize("error", [AssertionError, AttributeError, ImportError, pytest.fail.Exception])
@pytest.mark.usefixtures("older_pin")
def test_a_difference_warns_at_another_version(error: type[BaseException]) -> None:
    """What differs at another version, or is not there at all, is a warning that names both versions."""
    with (
        pytest.warns(OtherVersion, match=rf"pytest {pytest.__version__} differs from 0\.0\.1.*: it grew"),
        pinned("pytest"),
    ):
        raise error("it grew")


@pytest.mark.usefixtures("older_pin")
def test_what_is_the_same_at_another_version_is_silent() -> None:
    """Another version alone is no reason to warn."""
    with pinned("pytest"):
        pass


@pytest.mark.usefixtures("older_pin")
def test_a_warning_points_at_the_check() -> None:
    """The warning points at the test that differs."""
    with pytest.warns(OtherVersion) as caught, pinned("pytest"):
        raise AssertionError

    assert __file__ == caught[0].filename


@pytest.mark.usefixtures("older_pin")
def test_an_interruption_is_not_kept() -> None:
    """Neither Ctrl-C nor an exit is taken for a difference."""
    with pytest.raises(KeyboardInterrupt), pinned("pytest"):
        raise KeyboardInterrupt


def test_an_unknown_distribution_is_a_mistake() -> None:
    """A name that is not pinned fails, whether or not anything differs."""
    with pytest.raises(KeyError, match="nonsense"), pinned("nonsense"):
        pass


def test_pins_are_read() -> None:
    """The versions are those of the constraints, without their markers."""
    assert "0.9.3" == pins()["transitions"]
    assert not any(";" in version for version in pins().values())
