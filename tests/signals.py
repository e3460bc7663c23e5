"""Signals for processes that tests start."""

import signal


def default_signals() -> None:
    """Make signals count again in a child, as `preexec_fn`: whoever runs the tests (nohup, a job) may ignore them."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
