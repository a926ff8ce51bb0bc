"""Packages of which some modules cannot be imported."""

import itertools

import pytest

from dassl.utils import Registry
from dassl.utils.discovery import import_modules

THINGS = Registry("THING")
HEADER = f"import {__name__} as registry\nregister = registry.THINGS.register\n"
_numbers = itertools.count()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes a package of the given modules and imports them; returns its name and what broke."""
    monkeypatch.setitem(globals(), "THINGS", Registry("THING"))

    def write(**modules):
        name = f"discovered_{next(_numbers)}"
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
        for module, text in modules.items():
            (tmp_path / name / f"{module}.py").write_text(HEADER + text)
        return name, import_modules(name)

    monkeypatch.syspath_prepend(str(tmp_path))
    return write


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("import sys\nsys.exit('no GPU')", "SystemExit: no GPU"),
        ("exit(3)", "SystemExit: 3"),
        ("def", "SyntaxError: invalid syntax (broken.py, line 3)"),
        ("raise KeyError", "KeyError"),
    ],
)
def test_a_module_that_cannot_be_imported_is_listed(text, error, package):
    _, (broken,) = package(broken=text, good="@register()\nclass Good: ...")
    assert broken.error == error and broken.path.endswith("broken.py")
    assert THINGS.registered_names() == ["Good"]


def test_an_interrupted_import_is_not_a_broken_module(package):
    with pytest.raises(KeyboardInterrupt):
        package(broken="raise KeyboardInterrupt")


HALF = """
@register()
class Half: ...
register(type("HalfAlias", (Half,), {"__module__": "elsewhere"}))
@register(force=True)
class Base: ...
"""


def test_a_module_that_fails_half_way_leaves_nothing_registered(package):
    base = "@register()\nclass Base: ..."
    name, (broken,) = package(a_base=base, broken=f"{HALF}1 / 0", last="@register()\nclass Z: ...")
    assert broken.name == f"{name}.broken"
    assert THINGS.registered_names() == ["Base", "Z"]
    assert THINGS.get("Base").__module__ == f"{name}.a_base"


def test_what_a_broken_module_imported_stays(package):
    later = "@register()\nclass Later: ..."
    name, (broken,) = package(broken=f"from . import later\n{HALF}1 / 0", later=later)
    assert broken.name == f"{name}.broken" and THINGS.registered_names() == ["Later"]


def test_a_name_taken_by_another_module_names_both(package):
    same = "@register()\nclass First: ...\n@register()\nclass Same: ..."
    name, (broken,) = package(aa="@register()\nclass Same: ...", bb=same)
    assert broken.error == (
        f"DuplicateNameError: class Same of {name}.bb: "
        f"a Same is already registered by {name}.aa; rename one"
    )
    assert THINGS.registered_names() == ["Same"]
