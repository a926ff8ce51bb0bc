"""Errors that a user can mend: one line each, no traceback at the command line."""


class UserError(Exception):
    """A mistake of the user: what is wrong, where it stands, what to do.

    Args:
        problems: one line, or a list of lines (one per problem).
    """

    problems: list[str]

    def __init__(self, problems: str | list[str]) -> None:
        if isinstance(problems, str):
            problems = [self._own_lines(problems)]
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))

    def __str__(self) -> str:
        return "\n".join(self.problems)

    def __reduce__(self) -> tuple[type, tuple[list[str]]]:
        return type(self), (self.problems,)

    @classmethod
    def _own_lines(cls, text: str) -> str:
        # A DataLoader re-raises a worker's exception as its class called with the worker's whole
        # traceback as text; the last part of that text is the message the worker raised.
        _, marker, message = text.rpartition(f"\n{cls.__module__}.{cls.__qualname__}: ")
        return message.strip() if marker and "DataLoader worker" in text else text


class BadValueError(UserError, ValueError):
    """A value that is not allowed."""


class WrongTypeError(UserError, TypeError):
    """A value of a wrong type."""


class UnknownNameError(UserError, ValueError):
    """A name that is not among the available ones."""


class NotRegisteredError(UserError, KeyError):
    """A registry or a trainer was asked for a name that it does not hold."""


class DuplicateNameError(UserError, KeyError):
    """A second object of the same name in a registry."""


class CheckFailedError(UserError, AssertionError):
    """A condition that the public engine asserts does not hold."""


class MissingFileError(UserError, FileNotFoundError):
    """A file or folder that should be there is not."""


class BadFileError(UserError, OSError):
    """A file that cannot be read: cut short, of another format, without permission."""


class CheckpointMismatchError(UserError, RuntimeError):
    """Weights in a file do not fit the model."""


class NonFiniteLossError(UserError, FloatingPointError):
    """The loss is infinite or not a number."""


class NonFiniteOutputError(UserError, FloatingPointError):
    """Outputs of a model in a test are infinite or not a number."""
