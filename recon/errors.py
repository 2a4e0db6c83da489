"""What can go wrong that a user can mend.

Everything raised on purpose is a `ReconError`: a sentence that says what happened and where, and advice that says what
to do. The command line prints both without a traceback and exits with code 2. Anything else that escapes is a bug.
"""

__all__ = ["InputError", "MissingDependencyError", "ReconError", "RunError"]


class ReconError(Exception):
    """A failure the user can act on. `advice` is one imperative sentence, empty when there is nothing to do."""

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".rstrip()


class InputError(ReconError):
    """The photos, files or options given cannot be used."""


class RunError(ReconError):
    """A run stopped, or its folder does not hold what a command needs."""


class MissingDependencyError(ReconError):
    """A package, driver or program that this command needs is absent."""
