"""IVLP and VPT: which prompts there are, and what is refused."""

import pytest
import torch

from dassl.utils.errors import UserError
from tests.support import prompt_run, tiny_clip
from tests.unit.trainers.conftest import NAMES
from trainers.parts import precision, run_config
from trainers.parts.prompts import encode_texts

SIDES = {"IVLP": ("TEXT", "VISION"), "PROMPTSRC": ("TEXT", "VISION"), "VPT": ("VISION",)}
TRAINERS = {"IVLP": "IVLP", "PROMPTSRC": "PromptSRC", "VPT": "VPT"}


def depths(node, depth=2, **other):
    """Options that set every depth of a method."""
    values = {f"PROMPT_DEPTH_{side}": depth for side in SIDES[node]} | other
    return [word for key, value in values.items() for word in (f"TRAINER.{node}.{key}", value)]


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "resnet.pt"
    return tiny_clip.saved(path, kind="resnet", text_layers=2)


@pytest.mark.parametrize("node", SIDES)
def test_depth_1_has_prompts_at_the_input_only(node, make):
    names = prompt_run.trained(make(TRAINERS[node], *depths(node, 1)))
    assert set(names) == {"image_encoder.VPT"} | (
        {"prompt_learner.ctx"} if node != "VPT" else set()
    )


def test_vision_depth_0_leaves_the_image_tower_as_it_is(make, batch):
    trainer = make("IVLP", *depths("IVLP", PROMPT_DEPTH_VISION=0, N_CTX_VISION=0))
    text_prompt = "text_encoder.transformer.resblocks.1.VPT_shallow"
    assert set(prompt_run.trained(trainer)) == {"prompt_learner.ctx", text_prompt}
    plain = trainer.model.clip.encode_image(batch.image)
    assert torch.equal(trainer.model.features(batch.image).image, plain)


def test_words_are_not_read_for_more_than_4_tokens(make, caplog):
    trainer = make("IVLP", *depths("IVLP", N_CTX_TEXT=5))
    assert "TRAINER.IVLP.N_CTX_TEXT 5 is over 4; CTX_INIT is not used" in caplog.text
    assert trainer.model.prompt_learner.words == "X X X X X"


def test_a_context_of_words_starts_from_their_embeddings(make):
    learner = make("IVLP", *depths("IVLP", N_CTX_TEXT=2, CTX_INIT="a_photo_of_a")).model
    tower, learner = learner.clip.text, learner.prompt_learner
    words = tower.embed(learner.tokenized_prompts[:1])[0]
    assert torch.equal(learner.ctx, words[1:3])
    assert torch.equal(learner.token_suffix[0, 0], words[3])  # `of` stays behind the context


@pytest.mark.parametrize(("node", "side"), [(n, side) for n in SIDES for side in SIDES[n]])
def test_a_depth_over_the_number_of_blocks_is_refused(node, side, make, small_vit):
    key = f"TRAINER.{node}.PROMPT_DEPTH_{side}"
    with pytest.raises(UserError, match=rf"^{key} = 3: .* has 2 blocks; use 1 to 2$"):
        make(TRAINERS[node], *depths(node), key, 3, weights=small_vit)


@pytest.mark.parametrize(
    ("trainer", "options", "message"),
    [
        (
            "IVLP",
            depths("IVLP", N_CTX_VISION=0),
            r"^TRAINER.IVLP.N_CTX_VISION = 0: use 1 or more, or set PROMPT_DEPTH_VISION to 0",
        ),
        (
            "IVLP",
            depths("IVLP", PROMPT_DEPTH_TEXT=0),
            r"TRAINER.IVLP.PROMPT_DEPTH_TEXT = 0: use 1 or more .*trainer VPT",
        ),
        ("VPT", depths("VPT", 0), r"TRAINER.VPT.PROMPT_DEPTH_VISION = 0: use 1 or more"),
        (
            "IVLP",
            depths("IVLP", CTX_INIT="a photo", N_CTX_TEXT=3),
            r"^TRAINER.IVLP.N_CTX_TEXT = 3: CTX_INIT 'a photo' has 2 tokens; use 2 or less",
        ),
        (
            "PromptSRC",
            depths("PROMPTSRC", N_CTX_TEXT=80),
            r"^TRAINER.PROMPTSRC.N_CTX_TEXT = 80: with the name 'Boeing 737-800' a prompt .* "
            r"takes 77; use 66 or less, or shorten it$",
        ),
    ],
)
def test_impossible_prompts_are_refused_in_one_line(trainer, options, message, make):
    with pytest.raises(UserError, match=message):
        make(trainer, *options)


@pytest.mark.parametrize("node", SIDES)
def test_visual_prompts_need_a_vision_transformer(node, make, resnet):
    key = f"TRAINER.{node}.PROMPT_DEPTH_VISION"
    with pytest.raises(UserError, match=f"^{key} = 2 puts prompts .* ResNet .*MODEL.BACKBONE.NAME"):
        make(TRAINERS[node], *depths(node), "INPUT.SIZE", "(64, 64)", weights=resnet)


def test_text_prompts_alone_train_on_a_resnet(make, resnet):
    options = depths("IVLP", PROMPT_DEPTH_VISION=0)
    trainer = make("IVLP", *options, "INPUT.SIZE", "(64, 64)", weights=resnet)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert torch.isfinite(prompt_run.step(trainer, images, torch.tensor([0, 1]))["loss"])


def test_a_checkpoint_of_another_depth_is_refused(make, tmp_path):
    make("IVLP", *depths("IVLP", 2)).save_model(0, str(tmp_path))
    with pytest.raises(UserError, match=r"holds .*VPT_shallow.*; use the trainer.* depth"):
        make("IVLP", *depths("IVLP", 1)).load_model(str(tmp_path))
    make("IVLP", *depths("IVLP", 1)).save_model(0, str(tmp_path))
    with pytest.raises(UserError, match=r"lacks text_encoder.*blocks\.1\.VPT_shallow, image_enc"):
        make("IVLP", *depths("IVLP", 2)).load_model(str(tmp_path))
    with pytest.raises(UserError, match=r"Model not found at .*prompt_learner"):
        make("VPT", *depths("VPT")).load_model(str(tmp_path))


def test_vpt_stays_in_float32_under_fp16(make, monkeypatch, caplog):
    """The arithmetic of a GPU run, made on the CPU."""
    for module in (precision, run_config):
        monkeypatch.setattr(module, "NEEDS_CUDA", ())
    half = make("VPT", *depths("VPT"), "TRAINER.VPT.PREC", "fp16")
    assert half.model.clip.dtype == torch.float32
    assert "VPT runs in float32 under PREC fp16" in caplog.text


@pytest.mark.parametrize("words", ["a photo of a", "a sketch of a"])
def test_vpt_scores_with_fixed_texts(words, make):
    model = make("VPT", *depths("VPT"), "TRAINER.VPT.CTX_INIT", words.replace(" ", "_")).model
    texts = [f"{words} {name.replace('_', ' ')}." for name in NAMES]
    assert torch.equal(model.references, encode_texts(model.clip, texts))
