"""docs/architecture.md says what the imports say."""

import importlib.util
import re

import pytest

from tests.support.command import PROJECT

PAGE = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def drawing():
    file = PROJECT / "docs" / "pictures" / "architecture.py"
    spec = importlib.util.spec_from_file_location("architecture", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_import_runs_against_the_floors_that_the_page_states(drawing):
    rooms = drawing.floors(PAGE)
    assert len(rooms) > 25
    assert drawing.upward(rooms) == []


def test_an_import_against_the_floors_is_named(drawing):
    rooms = drawing.floors(PAGE)
    swapped = rooms | {"clip/": rooms["trainers/"] + 1}
    found = drawing.upward(swapped)
    assert any(line.startswith("trainers/coop.py (trainers/) imports clip/") for line in found)


def test_files_and_rooms_that_the_page_names_exist(drawing):
    named = re.findall(r"`([\w/.]+\.py)`", PAGE)
    assert len(named) > 25
    missing = [name for name in [*named, *drawing.floors(PAGE)] if not (PROJECT / name).exists()]
    assert missing == []


def test_the_picture_is_drawn_of_every_room(drawing, tmp_path):
    drawing.draw(drawing.floors(PAGE), tmp_path / "rooms.png")
    assert (tmp_path / "rooms.png").read_bytes()[:4] == b"\x89PNG"
