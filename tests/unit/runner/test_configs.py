"""Entries of configs.py, and the YAML files that they name."""

from pathlib import Path

import pytest
import yaml

import configs
import trainers  # noqa: F401  (registers them)
from dassl.engine import TRAINER_REGISTRY
from runner.errors import UserError
from runner.plan.experiment import read_experiment
from runner.plan.experiment import trainer_yaml as find_yaml
from trainers.parts.register import ALIASES

REPO = Path(__file__).resolve().parents[3]
BASE_TO_NEW = [
    *("dtd", "caltech101", "eurosat", "ucf101", "oxford_flowers", "oxford_pets"),
    *("stanford_cars", "fgvc_aircraft", "food101", "sun397", "imagenet"),
]
YAMLS = {
    "CoOp": {
        *("rn50", "rn101", "vit_b32", "vit_b16", "rn50_ep100", "vit_b16_ep100"),
        *("rn50_ep50", "rn101_ep50", "vit_b32_ep50", "vit_b16_ep50", "rn50_val"),
        *("rn50_ctxv1", "rn50_ep50_ctxv1", "vit_b16_ctxv1", "vit_b16_ep100_ctxv1"),
        *("vit_b16_ep50_ctxv1", "vit_b16_ep10_bs4_lr35"),
    },
    "MaPLe": {
        "vit_b16_c2_ep5_batch4_2ctx",
        "vit_b16_c2_ep5_batch4_2ctx_cross_datasets",
        "vit_b16_c2_ep10_batch4_2ctx",
    },
}


def trainer_yaml(repo, entry, cfg):
    find_yaml.cache_clear()
    return find_yaml(repo, entry, cfg)


@pytest.mark.parametrize("name", configs.experiments())
def test_every_entry_is_sound_and_its_yaml_is_there(name):
    entry = read_experiment(name, configs.get_config(name))
    assert trainer_yaml(REPO, entry, entry.cfg).is_file()
    assert entry.seeds and entry.shots > 0 and entry.mode in entry.modes


def test_what_entries_leave_open_is_the_published_protocol():
    data, train = configs.base["data"], configs.base["train"]
    assert data["datasets_base_to_new"] == BASE_TO_NEW
    assert (train["shots"], train["seeds"]) == (16, [1, 2, 3])


@pytest.mark.parametrize(
    "name, trainer, cfg",
    [
        ("coop", "CoOp", "vit_b16_ep10_bs4_lr35"),
        ("coop_dept", "CoOpDePT", "vit_b16_ep10_bs4_lr35"),
        ("maple", "MaPLe", "vit_b16_c2_ep10_batch4_2ctx"),
        ("maple_dept", "MaPLeDePT", "vit_b16_c2_ep10_batch4_2ctx"),
        ("zsclip", "ZeroshotCLIP", "vit_b16"),
    ],
)
def test_published_names(name, trainer, cfg):
    train = configs.get_config(name)["train"]
    assert (train["trainer"], train["cfg"]) == (trainer, cfg)


def test_a_copy_is_the_callers_own():
    configs.get_config("coop")["train"]["opts"].append("x")
    configs.get_config("coop")["data"]["datasets_base_to_new"].clear()
    assert configs.get_config("coop")["train"]["opts"] == []
    assert configs.get_config("maple")["data"]["datasets_base_to_new"] == BASE_TO_NEW


def test_the_dept_variants_are_those_that_the_trainers_register():
    registered = set(TRAINER_REGISTRY.registered_names())
    assert configs.with_dept() == {
        name for name in registered - {*ALIASES} if f"{name}DePT" in registered
    }
    for name in configs.experiments():
        assert configs.get_config(name)["train"]["trainer"] in registered


def test_zero_shot_has_no_dept_variant():
    with pytest.raises(UserError, match="zsclip_dept: no such experiment"):
        configs.get_config("zsclip_dept")


def test_a_wrong_entry_is_told_line_by_line():
    with pytest.raises(UserError) as error:
        read_experiment("mine", {"train": {"trianer": "X", "cfg": "y", "opts": ["A.B"]}})
    assert error.value.problems == [
        "configs.py, mine: train.trianer: no such key; did you mean trainer?",
        "configs.py, mine: train.trainer is missing",
        "configs.py, mine: train.opts must be KEY VALUE words; their number is odd",
    ]


@pytest.mark.parametrize(
    "entry, line",
    [
        ({"mode": "xx"}, "mode: xx: must be one of b2n, xd, dg, fs, fs-b2n, gb2n, mt"),
        ({"mode": "b2n", "modes": ["fs"]}, "mode: b2n: must be one of fs"),
        ({"modes": ["fs", "fewshot"]}, "modes: fewshot: no such mode"),
        ({"output": {}}, "output: no such key"),
        ({"data": {"datasets_fewshot": []}}, "data.datasets_fewshot: no such key; did you mean"),
        (
            {"train": {"trainer": "X", "cfg": "y", "cases": [{"when": {"mode": "dg"}}]}},
            "train.cases.when.mode: dg: must be one of b2n, xd, fs, which hold for dg, fs-b2n and",
        ),
    ],
)
def test_wrong_modes_and_lists_are_told(entry, line):
    config = {"train": {"trainer": "X", "cfg": "y"}, **entry}
    with pytest.raises(UserError) as error:
        read_experiment("mine", config)
    assert error.value.problems[0].startswith(f"configs.py, mine: {line}")


def test_trainings_that_modes_share_have_the_same_settings():
    config = configs.get_config("coop")
    config["train"]["cases"] = [
        {"when": {"mode": mode}, "cfg": f"for_{mode}"} for mode in ("b2n", "xd", "fs")
    ]
    entry = read_experiment("coop", config)
    for one, other in (("xd", "dg"), ("b2n", "fs-b2n"), ("b2n", "gb2n"), ("fs", "mt")):
        assert entry.settings(one, 4, "dtd") == entry.settings(other, 4, "dtd")


def test_cases_choose_yaml_and_options_by_mode_shots_and_dataset():
    config = configs.get_config("coop")
    config["train"]["cases"] = [
        {"when": {"shots": [1, 2]}, "cfg": "short"},
        {"when": {"shots": 1, "dataset": "imagenet"}, "cfg": "imagenet", "opts": ["A.B", 3]},
    ]
    entry = read_experiment("coop", config)
    assert entry.settings("b2n", 16, "dtd") == (entry.cfg, ())
    assert entry.settings("b2n", 2, "imagenet") == ("short", ())
    assert entry.settings("b2n", 1, "imagenet") == ("imagenet", ("A.B", "3"))


def test_dept_prefers_a_yaml_of_its_own(tmp_path):
    entry = read_experiment("coop_dept", configs.get_config("coop_dept"))
    for folder in ("CoOp", "CoOpDePT"):
        (tmp_path / "configs/trainers" / folder).mkdir(parents=True)
        (tmp_path / "configs/trainers" / folder / f"{entry.cfg}.yaml").touch()
    assert trainer_yaml(tmp_path, entry, entry.cfg).parent.name == "CoOpDePT"
    trainer_yaml(tmp_path, entry, entry.cfg).unlink()
    assert trainer_yaml(tmp_path, entry, entry.cfg).parent.name == "CoOp"
    with pytest.raises(UserError, match=r"no file configs/trainers/CoOp/vit_b16.yaml; did you"):
        trainer_yaml(tmp_path, entry, "vit_b16")


@pytest.mark.parametrize("trainer", YAMLS)
def test_the_published_yaml_files_are_there_with_command_and_settings(trainer):
    folder = REPO / "configs/trainers" / trainer
    assert {path.stem for path in folder.glob("*.yaml")} - {"demo"} == YAMLS[trainer]
    for name in YAMLS[trainer]:
        text = (folder / f"{name}.yaml").read_text()
        tree = yaml.safe_load(text)
        assert text.startswith("# ") and ("python " in text or "bash scripts/" in text)
        assert tree["INPUT"]["PIXEL_MEAN"] == [0.48145466, 0.4578275, 0.40821073]
        assert tree["DATALOADER"]["TRAIN_X"]["BATCH_SIZE"] in (4, 32, 200)


@pytest.mark.parametrize(
    "path, lr, epochs, batch",
    [
        ("CoOp/rn50", 0.002, 200, 32),
        ("CoOp/vit_b32_ep50", 0.002, 50, 32),
        ("CoOp/vit_b16_ep100_ctxv1", 0.002, 100, 32),
        ("CoOp/vit_b16_ep10_bs4_lr35", 0.0035, 10, 4),
        ("MaPLe/vit_b16_c2_ep5_batch4_2ctx", 0.0035, 5, 4),
        ("MaPLe/vit_b16_c2_ep5_batch4_2ctx_cross_datasets", 0.0026, 2, 4),
        ("MaPLe/vit_b16_c2_ep10_batch4_2ctx", 0.0035, 10, 4),
    ],
)
def test_published_values(path, lr, epochs, batch):
    tree = yaml.safe_load((REPO / f"configs/trainers/{path}.yaml").read_text())
    assert (tree["OPTIM"]["LR"], tree["OPTIM"]["MAX_EPOCH"]) == (lr, epochs)
    assert tree["DATALOADER"]["TRAIN_X"]["BATCH_SIZE"] == batch
    assert tree["OPTIM"]["WARMUP_CONS_LR"] == 1e-5


def test_the_demo_takes_the_general_yaml_for_a_method_without_its_own(tmp_path):
    entry = read_experiment(
        "mine", {"train": {**configs.base["train"], "trainer": "Mine", "cfg": "x"}}
    )
    general = tmp_path / "configs/trainers/CoOp/demo.yaml"
    general.parent.mkdir(parents=True)
    general.touch()
    assert trainer_yaml(tmp_path, entry, "demo") == general
    own = tmp_path / "configs/trainers/Mine/demo.yaml"
    own.parent.mkdir()
    own.touch()
    assert trainer_yaml(tmp_path, entry, "demo") == own
