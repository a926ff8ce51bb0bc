"""The commands of the pages on using a run, which build on each other."""

import functools
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.smoke.test_docs import DOCS, commands, run, shortened
from tests.support import command

PAGES = ("predict", "interpret", "export")


@pytest.fixture(scope="module")
def after(tmp_path_factory):
    """The folder in which the commands of a page have run, with a short training, behind those
    of the pages before it; what needs published weights says that they are not there."""
    folder = tmp_path_factory.mktemp("use")
    cache = Path(os.environ["PROMPTLAB_CACHE"])

    @functools.cache
    def done(page):
        if before := PAGES[: PAGES.index(page)]:
            done(before[-1])
        for line in commands(DOCS / f"{page}.md"):
            line = line.replace("model.pth.tar-10", "model.pth.tar-1")
            if "~/weights" in line:
                with pytest.raises(AssertionError, match=r"picture.png: no such file"):
                    run(line, folder, cache=cache)
            else:
                run(shortened(line), folder, cache=cache)
        return folder

    return done


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run_one_after_the_other(page, after):
    assert (after(page) / "output").is_dir()


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs_on_what_its_commands_left(page, after):
    folder = after(page)
    digits = Path(os.environ["PROMPTLAB_CACHE"], "demo_digits/images")
    shutil.copy(next(digits.glob("two/*.png")), folder / "picture.png")
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        done = command.python("-c", block, cwd=folder, warm=True, PYTHONPATH=str(command.PROJECT))
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_the_pictures_of_the_pages_are_small_and_there():
    for page in PAGES:
        text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
        for name in re.findall(r"\]\((pictures/.*?)\)", text):
            assert 1000 < (DOCS / name).stat().st_size < 100_000
