"""Checks of one command each, in the environment that nox itself runs in: `nox -s fix`, `lint`, `test` or `all`."""

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "test"]

PARALLEL = ("-n", "auto", "--dist", "worksteal")


@nox.session
def fix(session: nox.Session) -> None:
    """Format, and fix what can be fixed."""
    session.run("ruff", "check", "--fix", ".")
    session.run("ruff", "format", ".")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, imports and types."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")
    session.run("mypy")


@nox.session
def test(session: nox.Session) -> None:
    """Run the fast tests, or those that are named after `--`."""
    session.run("pytest", *(session.posargs or (*PARALLEL, "-m", "not slow")))


@nox.session(name="all")
def everything(session: nox.Session) -> None:
    """Check everything: lint, then all tests, the slow ones too."""
    lint(session)
    session.run("pytest", *PARALLEL)
