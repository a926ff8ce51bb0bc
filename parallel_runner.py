"""Run experiments over datasets, seeds and GPUs: `python parallel_runner.py --cfg maple_dept`."""

import sys
from collections.abc import Sequence
from pathlib import Path

import configs
from runner import cli

REPO = Path(__file__).resolve().parent


def main(
    argv: Sequence[str] | None = None,
    *,
    repo: Path = REPO,
    train_command: Sequence[str] | None = None,
) -> int:
    """Run the command line and return its exit code (runner.cli.main says which)."""
    return cli.main(
        sys.argv[1:] if argv is None else argv,
        repo=repo,
        names=configs.experiments,
        get_config=configs.get_config,
        train_command=train_command,
    )


if __name__ == "__main__":
    sys.exit(main())
