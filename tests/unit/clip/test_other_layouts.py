"""Features of CLIPs that open_clip and transformers built, saved as they save them."""

import json

import pytest
import torch

import clip
from clip.state import HALF_TENSORS

open_clip = pytest.importorskip("open_clip")
transformers = pytest.importorskip("transformers")
safetensors = pytest.importorskip("safetensors.torch")

VISION = {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16}
TEXT = {"width": 96, "heads": 3, "layers": 2}
IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(3))
TOKENS = clip.tokenize(["a photo of a cat.", "two dogs"]).long()


def spread(model, seed=0):
    """Random weights so large that activations differ, those that CLIP rounds in half."""
    torch.manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and tensor.dim() > 1:
            tensor.normal_(std=2 * tensor[0].numel() ** -0.5)
        if tensor.is_floating_point() and rounds(name):
            tensor.copy_(tensor.half())
    return model.eval()


def rounds(name):
    name = name.removeprefix("text.")
    hugging_face = ("proj.weight", "proj.bias", "projection.weight", "fc1.", "fc2.")
    return HALF_TENSORS.fullmatch(name) or any(part in name for part in hugging_face) or (
        "patch_embedding" in name
    )  # fmt: skip


def of_open_clip(quick_gelu, kind="CLIP", vision=VISION):
    return spread(getattr(open_clip, kind)(32, dict(vision), dict(TEXT), quick_gelu=quick_gelu))


def write_config(folder, quick_gelu):
    sizes = {"embed_dim": 32, "vision_cfg": VISION, "text_cfg": TEXT, "quick_gelu": quick_gelu}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": sizes}))


def of_transformers(activation, end=49407, vision_heads=2):
    config = transformers.CLIPConfig(
        text_config={"hidden_size": 96, "num_attention_heads": 3, "num_hidden_layers": 2,
                     "intermediate_size": 384, "hidden_act": activation, "eos_token_id": end},
        vision_config={"hidden_size": 64, "num_attention_heads": vision_heads,
                       "num_hidden_layers": 2, "intermediate_size": 256, "image_size": 32,
                       "patch_size": 16, "hidden_act": activation},
        projection_dim=32,
    )  # fmt: skip
    return spread(transformers.CLIPModel(config))


def assert_features(model, images, texts):
    with torch.no_grad():
        torch.testing.assert_close(model.encode_image(IMAGES), images, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(model.encode_text(TOKENS), texts, rtol=1e-5, atol=1e-5)


def assert_same_as_open_clip(model, theirs):
    with torch.no_grad():
        assert_features(model, theirs.encode_image(IMAGES), theirs.encode_text(TOKENS))


def assert_same_as_transformers(model, theirs):
    with torch.no_grad():
        images = theirs.get_image_features(pixel_values=IMAGES)
        texts = theirs.get_text_features(input_ids=TOKENS)
    assert_features(model, *(getattr(out, "pooler_output", out) for out in (images, texts)))


@pytest.mark.parametrize("kind", ["CLIP", "CustomTextCLIP"])
@pytest.mark.parametrize("ending", ["pt", "safetensors"])
@pytest.mark.parametrize("quick_gelu", [True, False])
def test_open_clips_features(tmp_path, quick_gelu, ending, kind):
    theirs = of_open_clip(quick_gelu, kind)
    path = tmp_path / f"weights.{ending}"
    save = torch.save if ending == "pt" else safetensors.save_file
    save(theirs.state_dict(), path)
    write_config(tmp_path, quick_gelu)
    model, _ = clip.load(str(path), device="cpu")
    assert_same_as_open_clip(model, theirs)
    activation = "quick_gelu" if quick_gelu else "gelu"
    assert (model.source.activation, model.source.activation_from) == (activation, "config")
    assert model.source.layout == "open_clip"


def test_the_wrong_activation_is_far_off(tmp_path):
    theirs = of_open_clip(quick_gelu=False)
    torch.save(theirs.state_dict(), tmp_path / "weights.pt")
    write_config(tmp_path, quick_gelu=False)
    model = clip.load_model(str(tmp_path / "weights.pt"), activation="quick_gelu")
    with torch.no_grad():
        difference = (model.encode_image(IMAGES) - theirs.encode_image(IMAGES)).abs().max()
    assert difference > 0.01
    assert "overrules" in model.source.notice
    assert "gelu" in model.source.notice


def test_a_resnet_of_open_clip_takes_the_activation_for_its_texts(tmp_path):
    vision = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None}
    text = {"width": 128, "heads": 2, "layers": 1}
    theirs = spread(open_clip.CLIP(32, dict(vision), dict(text), quick_gelu=False))
    torch.save(theirs.state_dict(), tmp_path / "weights.pt")
    assert_same_as_open_clip(
        clip.load_model(str(tmp_path / "weights.pt"), activation="gelu"), theirs
    )


def test_a_folder_as_open_clip_saves_it(tmp_path):
    theirs = of_open_clip(quick_gelu=False)
    safetensors.save_file(theirs.state_dict(), tmp_path / "open_clip_model.safetensors")
    write_config(tmp_path, quick_gelu=False)
    model = clip.load_model(str(tmp_path))
    assert_same_as_open_clip(model, theirs)
    assert model.source.name == f"{tmp_path.name}/open_clip_model.safetensors"


@pytest.mark.parametrize("end", [2, 49407])
@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
def test_transformers_features(tmp_path, activation, end):
    theirs = of_transformers(activation, end, vision_heads=4)
    theirs.save_pretrained(tmp_path)
    model, _ = clip.load(str(tmp_path), device="cpu")
    assert_same_as_transformers(model, theirs)
    source = model.source
    assert (source.layout, source.activation) == ("hugging face", activation)
    assert source.activation_from == "config"


def test_hugging_faces_tensors_under_a_wrapping_without_a_config(tmp_path):
    theirs = of_transformers("gelu", vision_heads=1)  # 64 columns a head, as widths tell
    wrapped = {f"clip_model.{name}": tensor for name, tensor in theirs.state_dict().items()}
    torch.save({"epoch": 1, "model_state_dict": wrapped}, tmp_path / "weights.ckpt")
    model = clip.load_model(str(tmp_path / "weights.ckpt"), activation="gelu")
    with torch.no_grad():
        images = theirs.get_image_features(pixel_values=IMAGES)
        images = getattr(images, "pooler_output", images)
        torch.testing.assert_close(model.encode_image(IMAGES), images, rtol=1e-5, atol=1e-5)


def test_both_configs_of_a_hub_folder_serve_their_own_file(tmp_path):
    hugging_face = of_transformers("quick_gelu")
    hugging_face.save_pretrained(tmp_path)
    other = of_open_clip(quick_gelu=False)
    safetensors.save_file(other.state_dict(), tmp_path / "open_clip_model.safetensors")
    write_config(tmp_path, quick_gelu=False)
    assert clip.load_model(str(tmp_path)).source.activation == "quick_gelu"
    model = clip.load_model(str(tmp_path / "open_clip_model.safetensors"))
    assert_same_as_open_clip(model, other)
    assert model.source.activation == "gelu"
