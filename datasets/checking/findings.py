"""What `check` finds in a dataset's folder."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from dassl.utils.errors import MissingFileError, UserError

OK, MISSING, WRONG, WARNING = "ok", "missing", "wrong", "warning"


@dataclass(frozen=True)
class Finding:
    """One line.

    Attributes:
        level: ok; missing or wrong: a run would stop, or give wrong numbers in silence; warning.
        text: what, where, what to do.
        paths: all files that the line is about, of which it names the first few.
    """

    level: str
    text: str
    paths: list[str] = field(default_factory=list)


@dataclass
class Report:
    """The findings on one dataset.

    Attributes:
        name: DATASET.NAME.
        folder: where it should lie.
        counts: classes, train, val, test: what was found, as far as that could be told.
        images: files to decode, absolute.
        reader: the dataset's class, which knows what to advise.
    """

    name: str
    folder: str = ""
    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)
    reader: Any = None

    def ok(self, text: str) -> None:
        self._add(OK, text)

    def missing(self, text: str, paths: Sequence[str] = ()) -> None:
        self._add(MISSING, text, paths)

    def wrong(self, text: str, paths: Sequence[str] = ()) -> None:
        self._add(WRONG, text, paths)

    def warn(self, text: str, paths: Sequence[str] = ()) -> None:
        self._add(WARNING, text, paths)

    def levels(self) -> set[str]:
        """Levels that occur."""
        return {finding.level for finding in self.findings}

    @property
    def complete(self) -> bool:
        """Whether nothing is missing or wrong."""
        return not self.levels() & {MISSING, WRONG}

    @contextmanager
    def catching(self, what: str) -> Iterator[None]:
        """Turn whatever is raised inside into findings, so that the rest is checked all the same;
        `what` is named where the error does not say itself what it is about.
        """
        try:
            yield
        except MissingFileError as error:
            for line in error.problems:
                self.missing(line)
        except UserError as error:
            for line in error.problems:
                self.wrong(line)
        except OSError as error:
            self.wrong(f"{what}: {error.strerror or error} ({error.filename or 'no file'})")
        except Exception as error:  # content of files can fail anywhere, and hides no other file
            self.wrong(f"{what}: {type(error).__name__}: {' '.join(str(error).split())[:200]}")

    def as_json(self) -> dict[str, Any]:
        """The report as plain values."""
        return {
            "dataset": self.name,
            "folder": self.folder,
            "complete": self.complete,
            "counts": self.counts,
            "findings": [asdict(finding) for finding in self.findings],
        }

    def _add(self, level: str, text: str, paths: Sequence[str] = ()) -> None:
        finding = Finding(level, text.removeprefix(f"{self.name}: "), list(paths))
        if finding not in self.findings:  # a file that concerns several tasks is told once
            self.findings.append(finding)
