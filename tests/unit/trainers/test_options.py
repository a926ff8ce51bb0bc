"""Options: declared once, in the config tree before anything is merged, checked by their
choices."""

import pytest

from dassl.config import get_cfg_default
from dassl.utils.errors import UserError
from tests.support import prompt_run
from trainers.parts import run_config
from trainers.parts.options import Option, Options, OptionTree


def test_two_owners_of_a_key_are_an_error():
    tree = OptionTree()
    tree.declare([Options("TRAINER.A", X=Option(1, "first"))])
    with pytest.raises(ValueError, match=r"TRAINER\.A\.X is declared twice"):
        tree.declare([Options("TRAINER.A", X=Option(2, "second"))])


def test_declared_options_extend_the_tree():
    tree = OptionTree()
    tree.declare([Options("TRAINER.NEW.DEEP", X=Option(0.5, "a number"))])
    cfg = get_cfg_default()
    tree.extend(cfg)
    assert cfg.TRAINER.NEW.DEEP.X == 0.5


def test_every_trainers_options_stand_in_every_config(small_vit):
    """Published commands give ZeroshotCLIP a CoOp YAML and CoOp's options."""
    cfg = prompt_run.config("ZeroshotCLIP", "configs/trainers/CoOp/vit_b16.yaml", small_vit)
    assert cfg.TRAINER.COOP.N_CTX == 16 and cfg.TRAINER.MAPLE.PROMPT_DEPTH == 9


def test_dept_defaults_hold_only_for_dept(small_vit):
    yaml = "configs/trainers/CoOp/vit_b16_ep10_bs4_lr35.yaml"
    plain, dept = (prompt_run.config(name, yaml, small_vit) for name in ("CoOp", "CoOpDePT"))
    assert not plain.OPTIM.STAGED_LR and dept.OPTIM.STAGED_LR
    assert dept.OPTIM.LR_EXP == 6.5 and dept.OPTIM.BASE_LR_MULT == 1.0


def test_ctx_init_takes_the_truth_value_of_kgcoops_yaml(small_vit):
    yaml = "configs/trainers/CoOp/vit_b16.yaml"
    cfg = prompt_run.config("CoOp", yaml, small_vit, ["TRAINER.COOP.CTX_INIT", "True"])
    assert cfg.TRAINER.COOP.CTX_INIT == "a photo of a"


def test_config_files_of_aliases_and_variants_fall_back_to_the_methods_folder():
    name = "vit_b16_c2_ep10_batch4_2ctx.yaml"
    for folder in ("MaPLeDePT", "ExtrasLinearProbeMaPLe"):
        found = run_config.find_config_file(f"configs/trainers/{folder}/{name}")
        assert found.is_file() and found.parent.name == "MaPLe"


def test_options_of_another_method_are_noticed(capsys, small_vit):
    yaml = "configs/trainers/CoOp/vit_b16.yaml"
    prompt_run.config("CoOp", yaml, small_vit, ["TRAINER.MAPLE.N_CTX", "3"])
    assert "Notice: TRAINER.MAPLE.N_CTX is not read by CoOp" in capsys.readouterr().out


def test_broken_trainer_file_hurts_only_itself(monkeypatch, small_vit):
    from dassl.utils.discovery import BrokenModule

    broken = BrokenModule("trainers.mine", "trainers/mine.py", "NameError: no nn")
    monkeypatch.setattr(run_config, "BROKEN", [broken])
    yaml = "configs/trainers/CoOp/vit_b16.yaml"
    assert prompt_run.config("CoOp", yaml, small_vit).TRAINER.NAME == "CoOp"
    with pytest.raises(UserError, match=r"trainers/mine.py could not be imported: NameError"):
        prompt_run.config("Mine", yaml, small_vit)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options("TRAINER.MINE", A=3), r"TRAINER\.MINE\.A: declare it as Option"),
        (Options("TRAINER", NAME=Option("", "x")), r"TRAINER\.NAME is the engine's"),
        (Options("OPTIM", LR=Option("abc", "x")), r"OPTIM\.LR is the engine's"),
    ],
)
def test_wrong_declarations_fail_where_they_are_made(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        OptionTree().declare([options])


def test_values_out_of_an_options_range_are_refused_with_its_meaning(small_vit):
    yaml = "configs/trainers/CoOp/vit_b16_ep10_bs4_lr35.yaml"
    with pytest.raises(
        UserError, match=r"WEIGHT = 2.0: use 1 or less \(v, the second head's share"
    ):
        prompt_run.config("CoOpDePT", yaml, small_vit, ["TRAINER.LINEAR_PROBE.WEIGHT", "2.0"])
    with pytest.raises(UserError, match=r"LR_EXP = -1.0: use 0 or more"):
        prompt_run.config("CoOpDePT", yaml, small_vit, ["OPTIM.LR_EXP", "-1"])
    with pytest.raises(UserError, match=r"N_CTX = 0: use 1 or more"):
        prompt_run.config("CoOp", yaml, small_vit, ["TRAINER.COOP.N_CTX", "0"])
