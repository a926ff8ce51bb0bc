"""Exports, used as someone without this project does: numpy, safetensors and onnxruntime alone."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from safetensors import safe_open

from dassl.utils.errors import UserError
from tests.unit.trainers.conftest import NAMES, is_multitask, plain, trained_methods
from use import PromptClassifier
from use.class_features import class_features
from use.onnx_export import export_onnx

METHODS = trained_methods()
OWN_LOGITS = ("MMRL", "MMRLpp", "TipAdapterF")  # more than cosines of class features
FIXED = [name for name in METHODS if plain(name) != "CoCoOp"]


def classifier_of(folder, name):
    task = "the rest" if is_multitask(name) else None
    return PromptClassifier.from_run(folder, task=task, device="cpu")


def pixels(number, size=32):
    return torch.rand(number, 3, size, size, generator=torch.Generator().manual_seed(number))


def expected_logits(classifier, x):
    """Logits of pixels [B, 3, H, W] in 0..1."""
    node = classifier.run.cfg.INPUT
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (node.PIXEL_MEAN, node.PIXEL_STD))
    return classifier.logits((x - mean) / std).numpy()


def assert_close(found, expected):
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def assert_runs_alone(path, classifier, size=32):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [i.name for i in session.get_inputs()] == ["pixels"]
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["classnames"]) == classifier.classes
    assert json.loads(metadata["transform"])["crop"] == [size, size]
    for number in (1, 2, 7):
        x = pixels(number, size)
        logits, probabilities = session.run(None, {"pixels": x.numpy()})
        expected = expected_logits(classifier, x)
        assert_close(logits, expected)
        shifted = np.exp(expected - expected.max(axis=1, keepdims=True))
        softmax = shifted / shifted.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(probabilities, softmax, atol=1e-3)


# One of each kind of graph: text prompts, prompts of both towers, adapter, both heads, a task's
# columns, float64 coefficients. The others are of these kinds.
KINDS = ("CoOp", "MaPLeDePT", "CLIPAdapterDePT", "SoftCPTDePT", "LinearProbe")


@pytest.mark.parametrize("name", KINDS)
def test_one_onnx_file_gives_the_models_logits_at_any_batch_size(
    name, finished, tmp_path, small_vit
):
    _, folder = finished(name, weights=small_vit)
    classifier = classifier_of(folder, name)
    target = tmp_path / "out"
    assert export_onnx(classifier, target / "model.onnx") <= 1e-4
    assert [path.name for path in target.iterdir()] == ["model.onnx"], "one file, nothing beside it"
    assert_runs_alone(target / "model.onnx", classifier)


def test_a_resnet_is_exported_too(finished, tmp_path, small_resnet):
    _, folder = finished("CoOp", "INPUT.SIZE", "(64, 64)", weights=small_resnet)
    others = PromptClassifier.from_run(folder, classnames=["cat", "dog"], device="cpu")
    export_onnx(others, tmp_path / "model.onnx")
    assert_runs_alone(tmp_path / "model.onnx", others, size=64)


def by_hand(arrays, image):
    """The formula of docs/export.md in numpy: raw image features [B, D] -> logits."""
    unit = image / np.linalg.norm(image, axis=1, keepdims=True)
    logits = arrays["logit_scale"] * unit @ arrays["text"].T
    if "head_weight" in arrays:
        share = arrays["head_share"]
        head = image @ arrays["head_weight"].T + arrays["head_bias"]
        logits = (1 - share) * logits + share * head
    return logits


@pytest.mark.parametrize("name", FIXED)
def test_class_features_give_the_logits_of_image_features(name, finished, tmp_path, batch):
    _, folder = finished(name)
    classifier = classifier_of(folder, name)
    try:
        found = class_features(classifier)
    except UserError as error:
        assert plain(name) in OWN_LOGITS and "computes logits of its own" in str(error)
        return
    with torch.no_grad():
        image = classifier.trainer.model.features(batch.image).image.numpy()
    expected = classifier.logits(batch.image).numpy()
    found.save(tmp_path / "classes.npz")
    with np.load(tmp_path / "classes.npz", allow_pickle=False) as file:
        assert_close(by_hand(file, image), expected)
        assert json.loads(str(file["classnames"])) == classifier.classes
    found.save(tmp_path / "classes.safetensors")
    with safe_open(tmp_path / "classes.safetensors", "np") as file:
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        assert json.loads(file.metadata()["transform"])["interpolation"] == "bicubic"
        tower = json.loads(file.metadata()["image_tower"])
    assert_close(by_hand(arrays, image), expected)
    with torch.no_grad():
        own = classifier.trainer.model.clip.encode_image(batch.image).numpy()
    assert tower["frozen"] == np.allclose(own, image)
    assert ("head_weight" in arrays) == name.endswith("DePT")


@pytest.mark.parametrize("name", ["CoCoOp", "CoCoOpDePT"])
def test_cocoops_class_features_are_those_of_an_image(name, finished, pictures, tmp_path):
    _, folder = finished(name)
    classifier = classifier_of(folder, name)
    with pytest.raises(UserError, match=r"depend on the image.*--image FILE"):
        export_onnx(classifier, tmp_path / "model.onnx")
    with pytest.raises(UserError, match="depend on the image; give one, --image FILE"):
        class_features(classifier)
    found = class_features(classifier, pictures[0])
    image = classifier.tensor(pictures[0])[None]
    with torch.no_grad():
        features = classifier.trainer.model.features(image).image.numpy()
    found.save(tmp_path / "classes.npz")
    with np.load(tmp_path / "classes.npz") as file:
        assert_close(by_hand(file, features), classifier.logits(image).numpy())
    assert not list(tmp_path.glob("*.onnx"))


def test_depts_head_is_left_out_where_it_has_no_say(finished):
    _, folder = finished("CoOpDePT")
    others = PromptClassifier.from_run(folder, classnames=["cat", "dog"], device="cpu")
    assert class_features(others).head is None
    assert class_features(PromptClassifier.from_run(folder, device="cpu")).head is not None
    assert class_features(others).classnames == ("cat", "dog")


def test_what_no_matrix_can_hold_is_refused_in_a_line(finished):
    _, folder = finished("CoOpDePT", "TRAINER.LINEAR_PROBE.TYPE", "similarity")
    with pytest.raises(UserError, match="this head is no matrix; export an ONNX file"):
        class_features(classifier_of(folder, "CoOpDePT"))


def test_a_linear_probe_has_no_class_features(finished):
    _, folder = finished("LinearProbe")
    with pytest.raises(UserError, match="LinearProbe has no text features"):
        class_features(classifier_of(folder, "LinearProbe"))


def test_missing_packages_are_named_in_a_line(finished, tmp_path, monkeypatch):
    _, folder = finished("CoOp")
    for name in ("onnx", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError) as caught:
        export_onnx(classifier_of(folder, "CoOp"), tmp_path / "model.onnx")
    needed = "the export to ONNX needs onnx, onnxscript: pip install onnx onnxscript"
    assert str(caught.value) == needed


@pytest.fixture
def means(monkeypatch):
    """In place of a model's program one whose three logits are the means of the pixels."""

    def program(*_):
        pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["B", 3, "H", "W"])
        logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", 3])
        nodes = [
            helper.make_node("GlobalAveragePool", ["pixels"], ["means"]),
            helper.make_node("Flatten", ["means"], ["logits"]),
        ]
        graph = helper.make_graph(nodes, "means", [pixels], [logits])
        version = helper.make_opsetid("", 17)
        proto = helper.make_model(graph, opset_imports=[version], ir_version=8)
        return SimpleNamespace(model=SimpleNamespace(metadata_props={}), model_proto=proto)

    monkeypatch.setattr("use.onnx_export._program", program)


def test_a_file_that_computes_something_else_is_not_left(finished, tmp_path, means):
    _, folder = finished("CoOp", names=NAMES[:3])
    with pytest.raises(UserError, match=r"onnxruntime's logits differ.*nothing is written"):
        export_onnx(classifier_of(folder, "CoOp"), tmp_path / "out" / "model.onnx")
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_a_line(finished, tmp_path, means, monkeypatch):
    monkeypatch.setattr("use.onnx_export.RTOL", np.inf)
    _, folder = finished("CoOp", names=NAMES[:3])
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        export_onnx(classifier_of(folder, "CoOp"), tmp_path / "file" / "model.onnx")


def test_the_classes_of_an_export_are_the_runs(finished):
    _, folder = finished("CoOp")
    assert class_features(classifier_of(folder, "CoOp")).classnames == tuple(NAMES)
