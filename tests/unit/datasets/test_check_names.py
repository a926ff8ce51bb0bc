"""Names of datasets at the command line, and the table of all of them."""

import json

import pytest

from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import UserError
from datasets.__main__ import run
from datasets.checking.listing import rows
from datasets.parts.names import CONFIGS, Named, named_suites, resolve, yaml_settings


def named(words, find=resolve):
    """DATASET.NAME of each dataset that words stand for."""
    return [one.name for one in find(words)]


def test_no_names_are_the_15_published_ones_in_the_order_of_papers():
    names = named([])
    assert len(names) == 15
    assert names[:3] == ["ImageNet", "Caltech101", "OxfordPets"]
    assert names[-4:] == ["ImageNetV2", "ImageNetSketch", "ImageNetA", "ImageNetR"]


@pytest.mark.parametrize("word", ["OxfordPets", "oxfordpets", "oxford_pets", "OXFORD_PETS"])
def test_a_dataset_has_the_name_of_its_class_and_of_its_yaml(word):
    assert resolve([word]) == [Named("OxfordPets")]


def test_every_yaml_names_a_dataset():
    assert sorted(yaml_settings()) == sorted(file.stem for file in CONFIGS.glob("*.yaml"))
    for stem, settings in yaml_settings().items():
        assert set(resolve([stem])) == set(resolve([settings["NAME"]]))


def test_a_suite_stands_for_its_members_each_once():
    names = named(["OxfordPets", "general10", "Plant6"])
    assert len(names) == 16
    assert names[0] == "OxfordPets"
    assert named(["general10", "OxfordPets", "plant6"], named_suites) == ["General10", "Plant6"]
    assert named(["fashion20"]) == ["Fashion20"]


def test_each_unknown_name_is_a_line_with_the_nearest_one():
    with pytest.raises(UserError) as error:
        resolve(["oxford_pet", "OxfordPets", "zzz"])
    assert error.value.problems == [
        "no dataset oxford_pet; did you mean OxfordPets?",
        "no dataset zzz; python -m datasets list shows all names",
    ]


def test_an_unknown_name_ends_the_command_at_once(tmp_path, capsys):
    assert run(["check", "--root", str(tmp_path), "dtt"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: no dataset dtt; did you mean DescribableTextures?\n"


def test_the_table_has_every_dataset_once():
    names = [row["name"] for row in rows()]
    assert sorted(names) == sorted(DATASET_REGISTRY.registered_names())
    assert len(set(names)) == len(names)
    groups = {row["name"]: row["group"] for row in rows()}
    assert groups["ImageNetA"] == "Published"
    assert groups["Fashion20"] == groups["General10"] == "Multi-task suites"
    assert groups["PlantVillage"] == "Members of suites"
    assert groups["DemoSuite"] == groups["DemoDigits"] == "Demo"
    assert list(groups.values()).count("Published") == 15


def test_the_table_says_where_a_dataset_lies_and_comes_from(capsys):
    assert run(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.startswith("OxfordPets ")]
    for word in ("oxford_pets", "37", "2,944 / 736 / 3,669", "split_zhou_OxfordPets.json"):
        assert word in line
    assert line.endswith("https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz")


def test_the_table_is_there_as_json(capsys):
    assert run(["list", "--json"]) == 0
    content = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert content["EuroSAT"]["train"] == 13500
    assert content["EuroSAT"]["folder"] == "eurosat"
    assert content["General10"]["classes"] == 1191
    assert content["FGVCAircraft"]["lists"] == "variants.txt, images_variant_*.txt"
