"""Features of models that open_clip builds from its own (shrunk) configs, loaded by their pair."""

import copy

import pytest
import torch

import clip
from clip.errors import WeightsError

open_clip = pytest.importorskip("open_clip")

from tests.support import hub_tokenizers  # noqa: E402
from tests.support import open_clip_models as models  # noqa: E402
from tests.support.open_clip_models import (  # noqa: E402
    MEAN_POOL,
    SHORT,
    SIGLIP_TEXT,
    assert_same_features,
    timm,
)

CUSTOM = {"custom_text": True}
SIGLIP = {"custom_text": True, "init_logit_bias": -10, "embed_dim": 64}
# vision_cfg, text_cfg, model_cfg other than a plain ViT's; beside each, whose towers these are.
SHAPES = {
    "plain": ({}, {}, {}),  # LAION, DataComp, MetaCLIP, DFN
    "wide-mlp": ({"mlp_ratio": 4.9231, "head_width": 16}, {}, {}),  # ViT-bigG-14
    "custom-text": ({}, {}, CUSTOM),
    "short": ({"patch_dropout": 0.5}, {"context_length": 32}, {}),  # PE-Core's texts
    "clipa": (MEAN_POOL, {**SHORT, "no_causal_mask": True, "pool_type": "last"}, {}),
    "mean-after-norm": ({"pool_type": "avg"}, {}, {}),
    "eos": ({}, {**SHORT, "pool_type": "eos", "eos_id": 2}, {}),  # worldwide
    "no-mask": ({}, {"no_causal_mask": True}, {}),  # MobileCLIP-S1's texts
    "resnet": ({"layers": [1, 1, 1, 1], "width": 16, "patch_size": None}, {}, {}),
    "timm-vit": (timm("test_vit", 160, timm_pool="token", timm_proj=None), {},
        {"custom_text": True, "embed_dim": 64}),  # MobileCLIP2-L-14
    "timm-eva": (timm("vit_pe_core_tiny_patch16_384", 384, timm_pool="map", timm_proj=None),
        {"context_length": 32}, {"custom_text": True, "embed_dim": 512}),  # PE-Core, EVA02
    "timm-convnext": (timm("test_convnext", 64, timm_proj="linear"), {}, CUSTOM),
    "siglip": (timm("test_vit", 160, timm_pool="map", timm_proj="none"),
        {**SHORT, **SIGLIP_TEXT}, SIGLIP),
    "siglip2": (timm("test_vit", 160, timm_pool="map", timm_proj="none"),
        {**SHORT, **SIGLIP_TEXT, "act_kwargs": {"approximate": "tanh"}}, SIGLIP),
}  # fmt: skip
TEXTS = ["a photo of a cat.", "two dogs"]


@pytest.fixture(autouse=True)
def known_models(monkeypatch):
    models.remember(monkeypatch)


@pytest.mark.parametrize("shape", SHAPES)
def test_features_are_open_clips(shape, tmp_path):
    vision, text, more = SHAPES[shape]
    model = models.register(tmp_path, f"small-{shape}", vision, text, **more)
    ours, theirs = models.loaded(model, tmp_path / "weights.pt")
    assert_same_features(ours, theirs)


@pytest.mark.parametrize("activation", [None, "gelu_tanh"])
def test_siglips_vit_is_our_own_tower(activation, tmp_path, monkeypatch):
    """36 pixels are two patches and a rest, as 384 pixels are of patches of 14."""
    vision = models.siglip_vit(monkeypatch, "tiny_siglip", 36, activation)
    model = models.register(tmp_path, "small", vision, {**SHORT, **SIGLIP_TEXT}, **SIGLIP)
    ours, theirs = models.loaded(model, tmp_path / "weights.pt")
    assert ours.visual.accepts_changes and not ours.visual.has_class_token
    assert ours.visual.input_resolution == 36
    assert_same_features(ours, theirs)
    for precision in ("fp16", "bf16"):
        half = clip.load_model(f"open_clip:{model}@{tmp_path / 'weights.pt'}", precision)
        found = half.encode_image(torch.zeros(1, 3, 36, 36))
        assert found.dtype == half.dtype and torch.isfinite(found).all()


@pytest.mark.parametrize("deep", [False, True])
def test_prompts_enter_siglips_vit_behind_the_patches(deep, tmp_path, monkeypatch):
    vision = models.siglip_vit(monkeypatch, "tiny_siglip", 32)
    model = models.register(tmp_path, "small", vision, {**SHORT, **SIGLIP_TEXT}, **SIGLIP)
    tower = models.loaded(model, tmp_path / "weights.pt")[0].visual
    generator = torch.Generator().manual_seed(3)
    images, prompt, next_one = (
        torch.randn(*shape, generator=generator) for shape in ((2, 3, 32, 32), (3, 64), (3, 64))
    )
    change = clip.deep_prompts([next_one] if deep else [], prompt, at_end=True)
    with torch.no_grad():
        x = tower.conv1(images).flatten(2).transpose(1, 2) + tower.positional_embedding
        x = torch.cat([x, prompt.expand(2, -1, -1)], dim=1)
        for i, block in enumerate(tower.transformer.resblocks):
            if deep and i == 1:
                x = torch.cat([x[:, :4], next_one.expand(2, -1, -1)], dim=1)
            x = block(x, clip.blocks.self_attention)
        by_hand = tower.pool(tower.ln_post(x[:, :4]))
        found = tower(images, change)
    torch.testing.assert_close(found, by_hand, rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        assert (found - tower(images)).abs().max() > 1e-3


@pytest.mark.parametrize("quick", [True, False])
def test_the_tag_says_the_activation_where_the_name_says_another(quick, tmp_path, monkeypatch):
    model = models.register(tmp_path, "small", quick_gelu=not quick)
    models.publish(model, quick_gelu=quick)
    config = open_clip.factory._MODEL_CONFIGS[model]
    with monkeypatch.context() as patch:
        patch.setitem(config, "quick_gelu", quick)
        theirs = models.saved(model, tmp_path / "weights.pt")
    ours = clip.load_model(f"open_clip:{model}/small@{tmp_path / 'weights.pt'}")
    assert_same_features(ours, theirs)
    assert ours.source.activation == ("quick_gelu" if quick else "gelu")
    assert ours.source.activation_from == "tag"
    assert ours.source.name == "open_clip:small/small"
    assert ours.source.notices == []


def test_a_file_without_a_tag_says_what_was_assumed(tmp_path):
    model = models.register(tmp_path, "small", quick_gelu=True)
    source = models.loaded(model, tmp_path / "weights.pt")[0].source
    assert (source.activation, source.activation_from) == ("quick_gelu", "name")
    (line,) = source.notices
    for part in ("names no tag: computed with quick_gelu", "centre crop", "small/<tag>@"):
        assert part in line


def test_weights_are_not_rounded_in_float32(tmp_path):
    """Published builders round OpenAI's to half; open_clip does nothing of the kind."""
    model = models.register(tmp_path, "small")
    ours, theirs = models.loaded(model, tmp_path / "weights.pt")
    weight = theirs.state_dict()["visual.proj"]
    assert torch.equal(ours.visual.proj, weight) and not torch.equal(weight, weight.half().float())


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_an_image_tower_of_timm_stays_in_float32(precision, tmp_path):
    vision, text, more = SHAPES["timm-vit"]
    model = models.register(tmp_path, "small", vision, text, **more)
    models.saved(model, tmp_path / "weights.pt")
    ours = clip.load_model(f"open_clip:{model}@{tmp_path / 'weights.pt'}", precision)
    assert ours.dtype == clip.model.PRECISIONS[precision]
    assert {p.dtype for p in ours.visual.parameters()} == {torch.float32}
    assert ours.encode_image(torch.zeros(1, 3, 160, 160)).dtype == torch.float32


@pytest.mark.parametrize("shape", ["clipa", "timm-vit"])
def test_kept_weights_are_computed_like_those_of_the_file(shape, tmp_path, monkeypatch):
    monkeypatch.setattr(clip.weights, "_kept", {})
    vision, text, more = SHAPES[shape]
    model = models.register(tmp_path, "small", vision, text, **more)
    theirs = models.saved(model, tmp_path / "weights.pt")
    name = f"open_clip:{model}@{tmp_path / 'weights.pt'}"
    clip.keep_state_dict(name)
    monkeypatch.setattr(clip.weights, "opened", lambda path: pytest.fail("read again"))
    assert_same_features(clip.load_model(name), theirs)


def test_a_change_of_an_image_tower_of_timm_is_refused(tmp_path):
    vision, text, more = SHAPES["timm-vit"]
    model = models.register(tmp_path, "small", vision, text, **more)
    ours, _ = models.loaded(model, tmp_path / "weights.pt")
    with pytest.raises(clip.ClipError, match="test_vit, an image tower of timm: it takes no"):
        ours.encode_image(torch.zeros(1, 3, 160, 160), clip.TowerChange(prompt=torch.zeros(2, 64)))


@pytest.mark.parametrize("kind", ["own", "bert", "t5"])
def test_texts_become_open_clips_ids(kind, tmp_path):
    text = {"context_length": 12, "no_causal_mask": True, "pool_type": "last"}
    options = {"bert": {"strip_sep_token": True}, "t5": {"clean": "canonicalize"}}
    if kind != "own":
        name = getattr(hub_tokenizers, kind)(tmp_path / kind)
        text |= {"hf_tokenizer_name": name, "tokenizer_kwargs": options[kind], "vocab_size": 50}
    model = models.register(tmp_path, "small", (), text)
    ours, theirs = models.loaded(model, tmp_path / "weights.pt")
    tokens = open_clip.get_tokenizer(model)(TEXTS)
    assert torch.equal(ours.text.tokenizer(TEXTS, 12), tokens)
    assert_same_features(ours, theirs, tokens)
    words = {"own": 1, "bert": 1, "t5": 0}[kind]  # where they begin
    assert ours.text.tokenizer.start == words
    assert ours.text.tokenizer.lengths(TEXTS) == (
        [5, 2] if kind == "t5" else [6, 3 - (kind == "own")]
    )
    again = copy.deepcopy(ours).text.tokenizer  # a model is copied for features in float32
    assert torch.equal(again(TEXTS, 12), tokens)
    with pytest.raises(clip.TokenizeError, match="the context holds 4"):
        ours.text.tokenizer(TEXTS, 4)


def test_a_tokenizer_beside_the_weights_is_taken(tmp_path):
    folder = tmp_path / "hub"
    hub_tokenizers.t5(folder)
    text = {**SHORT, **SIGLIP_TEXT, "hf_tokenizer_name": "nobody/no-such-tokenizer"}
    model = models.register(tmp_path, "small", (), text, custom_text=True)
    models.saved(model, folder / "weights.pt")
    ours = clip.load_model(f"open_clip:{model}@{folder / 'weights.pt'}")
    assert ours.text.tokenizer(["two dog"], 5).tolist() == [[7, 6, 1, 1, 1]]


def test_published_pairs_take_activation_and_images_from_the_tag():
    """Over all pairs that open_clip publishes; the names' configs get many of them wrong."""
    wrong, refused = [], {}
    for model, tag in open_clip.list_pretrained():
        try:
            config = clip.pairs.pair_of(f"open_clip:{model}/{tag}").config()
        except WeightsError as error:
            refused[model] = str(error)
            continue
        settings = open_clip.get_pretrained_cfg(model, tag)
        quick = settings.get("quick_gelu", False)
        assert config.activation == ("quick_gelu" if quick else "gelu")
        assert config.pixels == (tuple(settings["mean"]), tuple(settings["std"]))
        assert config.resizing == (settings["interpolation"], settings["resize_mode"])
        assert config.image_size == open_clip.get_model_config(model)["vision_cfg"]["image_size"]
        if quick != open_clip.get_model_config(model).get("quick_gelu", False):
            wrong.append((model, tag))
    assert ("ViT-B-16", "metaclip_400m") in wrong and len(wrong) > 20
    towers = ("roberta", "nllb", "coca", "SO400M-16-SigLIP-i18n")
    assert all(any(part in model for part in towers) for model in refused), refused
    assert all("\n" not in line for line in refused.values())
    assert len(refused) < 12


def test_a_shared_prefix_is_whole_rows_where_no_mask_hides_what_follows(tmp_path):
    model = models.register(tmp_path, "small", (), {"no_causal_mask": True, "context_length": 12})
    tower = models.loaded(model, tmp_path / "weights.pt")[0].text
    generator = torch.Generator().manual_seed(1)
    prefix = torch.randn(2, 4, 96, generator=generator)
    suffix = torch.randn(3, 8, 96, generator=generator)
    group, eot = torch.tensor([0, 1, 1]), torch.tensor([5, 9, 7])
    change = clip.deep_prompts([torch.randn(2, 96, generator=generator)])
    with torch.no_grad():
        shared = tower.forward_shared(prefix, suffix, group, eot, change)
        whole = tower(torch.cat([prefix[group], suffix], dim=1), eot, change)
        suffix[:, -1] = -suffix[:, -1]  # behind every end of text
        other = tower.forward_shared(prefix, suffix, group, eot, change)
    assert torch.equal(shared, whole)
    assert (other - whole).abs().max() > 0.01


def test_prompts_behind_the_patches_have_no_part_in_their_mean(tmp_path):
    """Tokens of another block that nothing attends to leave the mean of the patches as it is."""
    model = models.register(tmp_path, "small", {**MEAN_POOL, "layers": 1})
    tower = models.loaded(model, tmp_path / "weights.pt")[0].visual
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    prompt = torch.randn(3, 64, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        found = tower(images, clip.TowerChange(prompt=prompt))
        x = tower.transformer.resblocks[0](tower.embed(images, prompt), clip.blocks.self_attention)
        by_hand = tower.ln_post(x[:, 1:5].mean(dim=1)) @ tower.proj
    torch.testing.assert_close(found, by_hand, rtol=1e-5, atol=1e-5)
