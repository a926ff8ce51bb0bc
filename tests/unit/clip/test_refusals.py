"""Every file that is no CLIP, or not a whole one, is refused in one line that says what it is."""

import json
from functools import partial

import pytest
import safetensors.torch
import torch

import clip
from clip.kinds import KINDS
from tests.support import weight_files

T = torch.zeros(2, 2)
AS_KIND = {  # tensors by which other models are told
    "a LoRA adapter": ["base_model.model.text_model.encoder.layers.0.q_proj.lora_A.weight"],
    "a BLIP-2": ["query_tokens", "qformer.encoder.layer.0.x"],
    "a BLIP": ["text_decoder.bert.embeddings.x", "visual_encoder.blocks.0.x"],
    "a CoCa": ["text_decoder.resblocks.0.x", "text.token_embedding.weight", "visual.conv1.weight"],
    "an ALIGN": ["vision_model.encoder.blocks.0.depthwise_conv.x", "text_model.x"],
    "a SigLIP": ["vision_model.head.probe", "text_model.embeddings.token_embedding.weight"],
    "a model trained with SigLIP's loss": ["text.token_embedding.weight", "logit_bias"],
    "an open_clip model with a timm image tower": ["visual.trunk.x", "text.token_embedding.weight"],
    "an EVA-CLIP": ["visual.blocks.0.attn.q_proj.weight", "text.token_embedding.weight"],
    "an open_clip model with a text tower of Hugging Face": [
        "text.transformer.encoder.layer.0.x", "visual.proj"
    ],
    "an AltCLIP or Chinese CLIP": ["text_model.roberta.embeddings.x", "vision_model.embeddings.x"],
    "a Stable Diffusion": ["cond_stage_model.transformer.text_model.x", "first_stage_model.x"],
    "an image transformer without texts": ["cls_token", "blocks.0.attn.qkv.weight"],
    "an image ResNet without texts": ["conv1.weight", "layer4.2.conv3.weight", "fc.weight"],
    "a language model": ["bert.embeddings.word_embeddings.weight"],
    "only the image tower of a CLIP": ["vision_model.embeddings.class_embedding"],
    "only the text tower of a CLIP": ["text_model.embeddings.token_embedding.weight"],
}  # fmt: skip


refusal = partial(weight_files.refusal, clip.load_model)


@pytest.mark.parametrize("kind", AS_KIND)
def test_another_model_is_named(tmp_path, kind):
    torch.save(dict.fromkeys(AS_KIND[kind], T), tmp_path / "weights.pt")
    refusal(tmp_path / "weights.pt", f": {kind}", "give a CLIP in OpenAI's, open_clip's or")


def test_every_kind_has_its_example():
    assert {kind.split(";")[0] for _, kind in KINDS} - AS_KIND.keys() == {"no CLIP"}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (
            {"state_dict": {"ctx": T}, "epoch": 5, "optimizer": {"state": {0: {"m": T, "v": T}}}},
            ["a trainer's checkpoint (ctx), not a CLIP", "--model-dir"],
        ),
        (
            {"state_dict": {"film.weight": T}, "epoch": 5, "scheduler": {}},
            ["a trainer's checkpoint (film.weight)"],
        ),
        (
            {"prompt_learner.ctx": T, "image_encoder.conv1.weight": T},
            ["a trainer's checkpoint (prompt_learner.ctx)"],
        ),
        ({"epoch": 3}, ["not a CLIP", "it holds no tensors"]),
        ({"a.weight": T, "b": T, "c": T, "d": T}, ["it holds a.weight, b, c and 1 more"]),
    ],
)
def test_checkpoints_and_other_tensors_are_named(tmp_path, content, parts):
    torch.save(content, tmp_path / "weights.pt")
    refusal(tmp_path / "weights.pt", *parts)


def wrapped(prefix, state):
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"model": state},
        lambda state: {"model_state_dict": state, "epoch": 3},
        lambda state: {"state_dict": wrapped("module.", state), "optimizer": {"state": {}}},
        lambda state: {"state_dict": wrapped("model.", state), "pytorch-lightning_version": "2"},
        lambda state: wrapped("clip_model.", state),
        lambda state: wrapped("_orig_mod.module.", state),
        lambda state: {"checkpoint": {"model": wrapped("module.", state)}},
    ],
)
def test_a_wrapped_clip_is_read(small_state, tmp_path, wrap):
    torch.save(wrap(small_state), tmp_path / "weights.pt")
    loaded = clip.load_state_dict(str(tmp_path / "weights.pt"))
    assert loaded.keys() == small_state.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in small_state.items())


@pytest.mark.parametrize(
    ("edit", "parts"),
    [
        (lambda s: {"model": s, "ema": s}, ["several CLIPs (model, ema)", "torch.save"]),
        (
            lambda s: {**wrapped("model.", s), "head.weight": T},
            ["a CLIP below 'model' among other tensors (head.weight)", "alone with torch.save"],
        ),
        (lambda s: {**s, "classifier.weight": T}, ["not a CLIP: unknown classifier.weight"]),
        (
            lambda s: {**s, "text_projection": s["text_projection"].to(torch.int8)},
            ["no floating numbers in text_projection (torch.int8)"],
        ),
        (
            lambda s: {**s, "ln_final.bias": s["ln_final.bias"] * float("nan")},
            ["not finite", "ln_final.bias", "take another"],
        ),
        (
            lambda s: {**s, "visual.proj": s["visual.proj"] * 1e9},  # infinite in half
            ["not finite (NaN or infinite in half precision): visual.proj;"],
        ),
    ],
)
def test_what_is_not_exactly_a_clip_is_named(small_state, tmp_path, edit, parts):
    torch.save(edit(small_state), tmp_path / "weights.pt")
    refusal(tmp_path / "weights.pt", *parts)


def test_tensors_that_are_not_finite_are_named_by_every_way_in(small_state, tmp_path):
    bad = {**small_state, "logit_scale": torch.tensor(float("inf"))}
    torch.save(bad, tmp_path / "weights.pt")
    for load in (clip.load_state_dict, clip.keep_state_dict):
        with pytest.raises(clip.WeightsError, match=r"not finite.*logit_scale"):
            load(str(tmp_path / "weights.pt"))
    with pytest.raises(clip.WeightsError, match=r"not finite.*logit_scale"):
        clip.build_model(bad)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["cut short"]),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", ["a pointer of Git LFS"]),
        (b"\x40\0\0\0\0\0\0\0" + b'{"a":{"dtype":"F32"', ["no whole safetensors file"]),
        (b"not at all", ["no whole safetensors file"]),
    ],
)
def test_files_that_are_no_safetensors_are_named(tmp_path, content, parts):
    (tmp_path / "weights.safetensors").write_bytes(content)
    refusal(
        tmp_path / "weights.safetensors", *parts, "with git lfs" if b"lfs" in content else "again"
    )


def test_a_safetensors_file_cut_short_is_named(small_state, tmp_path):
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(small_state, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-8])
    message = refusal(path, "no whole safetensors file", "download or copy it again")
    assert "..." not in message


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_safetensors_are_read_as_stored_under_any_name(small_state, tmp_path, dtype):
    state = {name: tensor.to(dtype) for name, tensor in small_state.items()}
    path = tmp_path / "weights.bin"
    safetensors.torch.save_file(state, path)
    loaded = clip.load_state_dict(str(path))
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())


OPEN_CLIP = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 16, "layers": 2, "width": 64, "patch_size": 8},
    "text_cfg": {"width": 64, "heads": 1, "layers": 2},
}


@pytest.mark.parametrize(
    ("section", "key", "value", "parts"),
    [
        ("vision_cfg", "pool_type", "none", ["vision_cfg.pool_type none", "does not compute"]),
        ("vision_cfg", "ls_init_value", 1e-4, ["vision_cfg.ls_init_value 0.0001"]),
        ("vision_cfg", "attentional_pool", True, ["vision_cfg.attentional_pool True"]),
        ("text_cfg", "embed_cls", True, ["text_cfg.embed_cls True"]),
        ("text_cfg", "proj_type", "mlp", ["text_cfg.proj_type mlp"]),
        ("text_cfg", "hf_model_name", "bert", ["the text tower of Hugging Face bert"]),
        ("text_cfg", "norm_kwargs", {"elementwise_affine": False}, ["text_cfg.norm_kwargs"]),
        ("vision_cfg", "width", 128, ["describes another model (vision_width 128", "have 64"]),
        ("multimodal_cfg", "width", 64, ["of a CoCa"]),
    ],
)
def test_a_config_that_does_not_fit_is_named(small_state, tmp_path, section, key, value, parts):
    torch.save(small_state, tmp_path / "weights.pt")
    config = {**OPEN_CLIP, section: {**OPEN_CLIP.get(section, {}), key: value}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    refusal(tmp_path / "weights.pt", "open_clip_config.json beside it", *parts)


@pytest.mark.parametrize(
    ("text", "part"),
    [("{", "cannot be read"), ("[]", "no config"), ('{"text_cfg": 3}', "no config")],
)
def test_a_damaged_config_is_named(small_state, tmp_path, text, part):
    torch.save(small_state, tmp_path / "weights.pt")
    (tmp_path / "open_clip_config.json").write_text(text)
    refusal(
        tmp_path / "weights.pt",
        f"open_clip_config.json beside it {'is ' * (part != 'cannot be read')}{part}",
        "mend it",
    )


@pytest.mark.parametrize(
    ("files", "parts"),
    [
        ({}, ["is a folder; give a weights file"]),
        ({"a.pt": ""}, ["is a folder; did you mean", "a.pt?"]),
        ({"config.json": '{"model_type": "siglip"}'}, ["a siglip without model.safetensors or"]),
        (
            {"config.json": "{}", "model.safetensors.index.json": "{}"},
            ["weights in several pieces (model.safetensors.index.json); save them as one"],
        ),
        (
            {"CoOp/prompt_learner/model.pth.tar-5": ""},
            ["a trainer's output: it goes with --model-dir"],
        ),
    ],
)
def test_folders_without_a_clip_are_named(tmp_path, files, parts):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    refusal(tmp_path, *parts)


@pytest.mark.parametrize(
    ("config", "parts"),
    [
        ({"model_type": "siglip"}, ["config.json beside it is that of a siglip"]),
        ({"text_config": {"hidden_act": "gelu_new"}}, ["hidden_act quick_gelu and gelu_new"]),
        ({"text_config": {"eos_token_id": 5}}, ["text_config.eos_token_id 5"]),
        ({"vision_config": {"layer_norm_eps": 1e-6}}, ["vision_config.layer_norm_eps 1e-06"]),
    ],
)
def test_a_hugging_face_config_that_does_not_fit_is_named(tmp_path, config, parts):
    torch.save({"text_model.embeddings.token_embedding.weight": T}, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps(config))
    refusal(tmp_path / "pytorch_model.bin", *parts)
