"""What a loaded CLIP says of its weights, and how its activation is chosen."""

import hashlib
import json
import logging

import pytest
import torch

import clip
from clip.archive import program_activation
from tests.support import weight_files


@pytest.fixture
def weights(small_state, tmp_path):
    torch.save(small_state, tmp_path / "weights.pt")
    return tmp_path / "weights.pt"


def activation(model):
    return type(model.visual.transformer.resblocks[0].mlp.gelu).__name__


def test_a_file_that_says_nothing_is_quick_with_a_notice(weights, caplog):
    with caplog.at_level(logging.WARNING, logger="clip"):
        model, _ = clip.load(str(weights), device="cpu")
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert model.source == clip.Source(
        "weights.pt", sha256, "quick_gelu", "assumed", "openai state dict", str(weights)
    )
    assert activation(model) == "QuickGELU"
    (message,) = caplog.messages
    for part in (str(weights), "MODEL.BACKBONE.ACTIVATION gelu", "ACTIVATION quick_gelu", "LAION"):
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize(("key", "module"), [("gelu", "GELU"), ("quick_gelu", "QuickGELU")])
def test_the_key_decides_without_a_notice(weights, key, module):
    model = clip.load_model(str(weights), activation=key)
    assert activation(model) == module
    assert {type(block.mlp.gelu).__name__ for block in model.text.transformer.resblocks} == {module}
    assert (model.source.activation, model.source.activation_from) == (key, "key")
    assert model.source.notice is None


def test_known_hashes_are_quick_and_called_by_their_public_name(weights, monkeypatch):
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    monkeypatch.setitem(clip.weights.NAMES_BY_SHA256, sha256, "ViT-B/16")
    (weights.parent / "open_clip_config.json").write_text("{}")  # of another file there
    source = clip.load_model(str(weights)).source
    assert (source.name, source.activation, source.activation_from) == (
        "ViT-B/16", "quick_gelu", "archive"
    )  # fmt: skip
    assert source.notice is None
    assert "overrules" in clip.load_model(str(weights), activation="gelu").source.notice


class PublicQuickGELU(torch.nn.Module):
    """The module that public archives hold."""

    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class Program(torch.nn.Module):
    def __init__(self, name):
        super().__init__()
        self.act = {"gelu": torch.nn.GELU(), "quick_gelu": PublicQuickGELU()}.get(
            name, torch.nn.ReLU()
        )

    def forward(self, x):
        return self.act(x)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("traced", [True, False])
@pytest.mark.parametrize(
    ("name", "told"), [("gelu", "gelu"), ("quick_gelu", "quick_gelu"), ("relu", None)]
)
def test_an_archives_program_tells_its_activation(tmp_path, name, told, traced):
    import zipfile

    module = Program(name)
    script = torch.jit.trace(module, torch.zeros(2)) if traced else torch.jit.script(module)
    script.save(str(tmp_path / "archive.pt"))
    with zipfile.ZipFile(tmp_path / "archive.pt") as file:
        assert program_activation(file) == told


@pytest.mark.filterwarnings("ignore")
def test_the_layout_of_an_archive(small_state, tmp_path):
    path = weight_files.save_archive(tmp_path / "ViT.pt", small_state)
    assert clip.load_model(str(path)).source.layout == "openai archive"


def test_unknown_activations_are_named(weights):
    with pytest.raises(clip.ClipError, match="'relu': use one of auto, quick_gelu, gelu"):
        clip.load(str(weights), activation="relu")
    with pytest.raises(clip.ClipError, match="'auto': use one of quick_gelu, gelu"):
        clip.build_model({}, activation="auto")


def test_kept_weights_have_their_source_and_are_hashed_once(weights, monkeypatch):
    monkeypatch.setattr(clip.weights, "_kept", {})
    loaded = clip.load_model(str(weights))
    clip.keep_state_dict(str(weights))
    monkeypatch.setattr(clip.weights, "file_sha256", lambda path: pytest.fail("hashed again"))
    monkeypatch.setattr(clip.weights, "opened", lambda path: pytest.fail("read again"))
    kept = clip.load_model(str(weights))
    assert kept.source == loaded.source
    for name, tensor in kept.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name
    assert clip.load_model(str(weights), activation="gelu").source.activation == "gelu"


def test_a_changed_file_is_hashed_anew(weights, small_state):
    first = clip.load_model(str(weights)).source.sha256
    torch.save({**small_state, "logit_scale": torch.tensor(1.0)}, weights)
    assert clip.load_model(str(weights)).source.sha256 != first


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_loading_gives_what_building_gives(weights, precision):
    built = clip.build_model(clip.load_state_dict(str(weights)), precision).state_dict()
    loaded = clip.load_model(str(weights), precision)
    for name, tensor in loaded.state_dict().items():
        assert tensor.dtype == built[name].dtype, name
        assert torch.equal(tensor, built[name]), name
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_the_demo_says_its_activation():
    source = clip.load_model("assets/demo/clip_demo.pt").source
    assert (source.activation, source.activation_from) == ("quick_gelu", "config")


def test_the_transform_normalises_as_the_config_says(weights):
    from PIL import Image

    sizes = {"vision_cfg": {}, "text_cfg": {"width": 64, "heads": 1}, "quick_gelu": True}
    config = {"model_cfg": sizes, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3}}
    (weights.parent / "open_clip_config.json").write_text(json.dumps(config))
    model, transform = clip.load(str(weights), device="cpu")
    assert model.source.pixels == ((0.5,) * 3, (0.25,) * 3)
    assert torch.equal(transform(Image.new("RGB", (16, 16))), torch.full((3, 16, 16), -2.0))
