"""Loading the CLIP that MODEL.BACKBONE names, and what a run is told of it."""

import json
import shutil

import pytest
import torch

from dassl.utils.errors import UserError
from tests.support import prompt_run
from trainers.parts.backbone import load_backbone
from trainers.parts.precision import Precision

CPU = torch.device("cpu")
YAML = "configs/trainers/CoOp/vit_b16.yaml"


def load(weights, *options):
    cfg = prompt_run.config("CoOp", YAML, weights, options)
    return load_backbone(cfg, CPU, Precision("fp32", CPU))


@pytest.fixture
def weights(small_vit, tmp_path):
    return shutil.copy(small_vit, tmp_path / "weights.pt")


def test_the_key_chooses_the_activation(weights, capsys):
    source = load(weights, "MODEL.BACKBONE.ACTIVATION", "gelu").source
    assert (source.activation, source.activation_from) == ("gelu", "key")
    assert "Notice" not in capsys.readouterr().out


def test_an_assumed_activation_is_noticed(weights, capsys):
    assert load(weights).source.activation_from == "assumed"
    (line,) = [text for text in capsys.readouterr().out.splitlines() if "QuickGELU" in text]
    assert line.startswith(f"Notice: {weights} does not say its activation")


def test_an_unknown_activation_is_refused(weights):
    with pytest.raises(UserError, match=r"ACTIVATION = 'relu': use one of auto, quick_gelu, gelu"):
        load(weights, "MODEL.BACKBONE.ACTIVATION", "relu")


def test_pixels_of_other_training_images_are_refused(weights, tmp_path):
    content = {
        "model_cfg": {"quick_gelu": True, "text_cfg": {"width": 64, "heads": 1}},
        "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3},
    }
    (tmp_path / "open_clip_config.json").write_text(json.dumps(content))
    with pytest.raises(UserError) as caught:
        load(weights)
    assert [line.split(" = ")[0] for line in caught.value.problems] == [
        "INPUT.PIXEL_MEAN",
        "INPUT.PIXEL_STD",
    ]
    assert "was trained with [0.5, 0.5, 0.5]" in caught.value.problems[0]
    same = ["INPUT.PIXEL_MEAN", "[0.5, 0.5, 0.5]", "INPUT.PIXEL_STD", "[0.5, 0.5, 0.5]"]
    assert load(weights, *same).source.activation_from == "config"
