"""A trainer file of a published repository, with that repository and without it."""

import re
import shlex

from tests.support import command, published_tree


def test_a_file_that_needs_its_own_clip_is_answered_with_the_command_that_works(tmp_path):
    theirs = published_tree.write(tmp_path / "theirs")
    copy = command.copy_project(tmp_path / "copy")
    (copy / "trainers" / "theirs.py").write_text((theirs / "trainers/theirs.py").read_text())
    refused = command.python("train.py", "--trainer", "Theirs", "--root", "x", cwd=copy)
    assert refused.returncode == 2
    (line,) = refused.stderr.strip().splitlines()
    told = re.search(
        r"cannot import name 'clip' from 'clip' .*: (cd .* python train\.py) \.\.\.", line
    )
    assert told, line

    *_, path, python, script = shlex.split(told[1].replace("<its folder>", str(theirs)))
    assert (python, script) == ("python", "train.py")
    name, _, value = path.partition("=")
    words = ["--root", theirs / "data", "--output-dir", tmp_path / "out", "--trainer", "Theirs"]
    done = command.python("train.py", *words, cwd=theirs, **{name: value})
    assert done.returncode == 0, done.stderr
    assert "* accuracy: " in done.stdout
