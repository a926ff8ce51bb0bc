"""Defaults and names of the public engine."""

import importlib
import json
import subprocess
import sys

import pytest
import yaml

from dassl.config import all_keys, clean_cfg, get_cfg_default
from tests.unit.dassl.toy import GOLDEN

# softcpt's fork of the engine: multi-task data, built here by its trainer
FORK_ONLY = {"DatumMT", "DatasetBaseMT", "compute_accuracy_map"}
IMPORTS = json.loads((GOLDEN / "imports.json").read_text())


def read(name):
    return yaml.safe_load((GOLDEN / name).read_text())


@pytest.mark.parametrize("module", IMPORTS)
def test_every_public_name_imports(module):
    names = set(IMPORTS[module]) - FORK_ONLY
    found = importlib.import_module(module)
    assert [name for name in names if not hasattr(found, name)] == []


def test_further_public_names_import():
    names = {
        "dassl.utils": "Registry check_availability read_image download_url Logger open_all_layers "
        "get_most_similar_str_to_a_from_b open_specified_layers init_network_weights",
        "dassl.engine": "TrainerXU TrainerBase SimpleTrainer SimpleNet",
        "dassl.evaluation": "EVALUATOR_REGISTRY EvaluatorBase Classification",
        "dassl.data.transforms": "INTERPOLATION_MODES",
        "dassl.data.datasets": "build_dataset",
        "dassl.metrics": "compute_distance_matrix cosine_distance euclidean_squared_distance",
        "dassl.modeling": "HEAD_REGISTRY BACKBONE_REGISTRY NETWORK_REGISTRY Backbone build_network",
    }
    for module, text in names.items():
        for name in text.split():
            assert hasattr(importlib.import_module(module), name), (module, name)


@pytest.mark.parametrize(
    "module", ["dassl", "dassl.config", "dassl.utils.errors", "dassl.data.datasets", "dassl.utils"]
)
def test_import_without_torch(module):
    code = f"import sys, {module}; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_tensorboard_is_imported_only_when_asked_for():
    code = (
        "import sys, dassl.engine.trainer as t; before = 'tensorboard' in sys.modules; "
        "from dassl.engine.trainer import SummaryWriter; "
        "print(before, SummaryWriter.__name__, 'sklearn' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False SummaryWriter False"


def test_defaults_and_their_types():
    cfg = get_cfg_default()
    assert yaml.safe_load(cfg.dump()) == read("defaults.yaml")
    types = json.loads((GOLDEN / "defaults_types.json").read_text())
    assert set(all_keys(cfg)) == set(types)
    for key, name in types.items():
        node = cfg
        for part in key.split("."):
            node = node[part]
        assert type(node).__name__ == name, key


def test_clean_cfg_drops_other_trainers():
    cfg = get_cfg_default()
    clean_cfg(cfg, "COOP")
    assert yaml.safe_load(cfg.dump()) == read("defaults_cleaned.yaml")


def test_printed_form():
    cfg = get_cfg_default()
    golden = (GOLDEN / "defaults_printed.txt").read_text().rstrip("\n")
    if str(cfg) != golden:
        clean_cfg(cfg, "COOP")
    assert str(cfg) == golden
