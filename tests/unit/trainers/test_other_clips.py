"""Methods on CLIPs of open_clip that differ from OpenAI's, and the images of a run on one."""

import sys

import pytest
import torch

import clip
from dassl.utils.errors import UserError
from tests.support import command, prompt_run
from tests.unit.trainers.conftest import yaml_of

pytest.importorskip("open_clip")

from tests.support import hub_tokenizers
from tests.support import open_clip_models as models

TINY = {"layers": 3, "width": 64}
TINY_TEXT = {"layers": 3, "width": 64, "heads": 1, "context_length": 40}
SIGLIP_IMAGES = models.timm("test_vit", 160, timm_pool="map", timm_proj="none")
TEXT_SIDE = ["CoOp", "CoOpDePT", "CoCoOp", "KgCoOp", "ProGrad", "TaskRes", "TCP", "CLIPAdapter"]
BOTH_SIDES = ["MaPLe", "PromptSRC", "IVLP", "VPT", "MMA", "MMRL", "CLIPLoRA", "MaPLeDePT"]


@pytest.fixture(autouse=True)
def known_models(monkeypatch):
    models.remember(monkeypatch)


@pytest.fixture
def clipa(tmp_path):
    """No causal mask, read at the last position, mean of the patches, BERT's tokenizer."""
    text = {**TINY_TEXT, "no_causal_mask": True, "pool_type": "last", "vocab_size": 50,
            "hf_tokenizer_name": hub_tokenizers.bert(tmp_path / "bert"),
            "tokenizer_kwargs": {"strip_sep_token": True}}  # fmt: skip
    vision = {**TINY, **models.MEAN_POOL}
    model = models.register(tmp_path, "tiny-clipa", vision, text, embed_dim=64)
    models.publish(model, interpolation="bilinear", resize_mode="squash")
    models.saved(model, tmp_path / "clipa.pt")
    return f"open_clip:{model}/small@{tmp_path / 'clipa.pt'}"


@pytest.fixture
def own_siglip(tmp_path, monkeypatch):
    """SigLIP's ViT, which takes prompts."""
    vision = models.siglip_vit(monkeypatch, "tiny_siglip", 32)
    text = {**TINY_TEXT, **models.SIGLIP_TEXT, "vocab_size": 50,
            "hf_tokenizer_name": hub_tokenizers.t5(tmp_path / "t5"),
            "tokenizer_kwargs": {"clean": "canonicalize"}}  # fmt: skip
    more = {"custom_text": True, "init_logit_bias": -10, "embed_dim": 64}
    model = models.register(tmp_path, "own-siglip", vision, text, **more)
    models.publish(model, resize_mode="squash")
    models.saved(model, tmp_path / "own.pt")
    return f"open_clip:{model}/small@{tmp_path / 'own.pt'}"


@pytest.fixture
def siglip(tmp_path):
    """An image tower of timm; texts without a start token, of T5's tokenizer."""
    text = {**TINY_TEXT, **models.SIGLIP_TEXT, "vocab_size": 50,
            "hf_tokenizer_name": hub_tokenizers.t5(tmp_path / "t5"),
            "tokenizer_kwargs": {"clean": "canonicalize"}}  # fmt: skip
    more = {"custom_text": True, "init_logit_bias": -10, "embed_dim": 64}
    model = models.register(tmp_path, "tiny-siglip", SIGLIP_IMAGES, text, **more)
    models.publish(model, resize_mode="squash")
    models.saved(model, tmp_path / "siglip.pt")
    return f"open_clip:{model}/small@{tmp_path / 'siglip.pt'}"


def images_of(trainer):
    size = trainer.model.clip.visual.input_resolution
    return torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(7))


def assert_trains(trainer, label):
    image = images_of(trainer)
    before = {key: tensor.clone() for key, tensor in prompt_run.trained(trainer).items()}
    for _ in range(2):
        report = prompt_run.step(trainer, image, label)
    assert torch.isfinite(torch.as_tensor(report["loss"]))
    after = prompt_run.trained(trainer)
    assert any(not torch.equal(before[key], after[key]) for key in before)
    assert torch.isfinite(prompt_run.logits(trainer, image)).all()


@pytest.mark.parametrize("name", [*TEXT_SIDE, *BOTH_SIDES])
def test_methods_train_without_a_causal_mask(name, shallow, batch, clipa):
    assert_trains(shallow(name, weights=clipa), batch.label)


@pytest.mark.parametrize("name", TEXT_SIDE)
def test_methods_train_before_an_image_tower_of_timm(name, shallow, batch, siglip):
    assert_trains(shallow(name, "INPUT.SIZE", "(160, 160)", weights=siglip), batch.label)


@pytest.mark.parametrize("name", [name for name in BOTH_SIDES if name != "MMRL"])
def test_methods_train_on_siglips_vit(name, shallow, batch, own_siglip):
    assert_trains(shallow(name, weights=own_siglip), batch.label)


@pytest.mark.parametrize("kind", ["clipa", "own_siglip"])
def test_attention_of_a_class_token_that_nobody_reads_is_not_shown(kind, shallow, request):
    from use.attention import class_attention

    model = shallow("CoOp", weights=request.getfixturevalue(kind)).model
    with pytest.raises(UserError, match="is not read from a class token"):
        class_attention(model, torch.zeros(3, 32, 32))


def test_what_needs_a_class_token_is_refused(shallow, own_siglip):
    with pytest.raises(UserError, match="MMRL needs the class token") as caught:
        shallow("MMRL", weights=own_siglip)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("name", ["MaPLe", "VPT", "MMA"])
def test_what_a_tower_of_timm_does_not_take_is_refused(name, shallow, siglip):
    with pytest.raises(UserError, match="which an image tower of timm does not take") as caught:
        shallow(name, "INPUT.SIZE", "(160, 160)", weights=siglip)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("kind", ["clipa", "siglip"])
@pytest.mark.parametrize("name", ["CoOp", "KgCoOp"])
def test_a_context_of_words_gives_the_features_of_the_text(name, kind, shallow, request):
    """The frozen rows around the context are the tokenizer's, padding and end included."""
    weights = request.getfixturevalue(kind)
    size = {"clipa": 32, "siglip": 160}[kind]
    options = ("TRAINER.COOP.CTX_INIT", "a_photo_of_a", "TRAINER.COOP.N_CTX", 4)
    names = ["cat", "tabby cat", "dog"]
    trainer = shallow(
        name, *options, "INPUT.SIZE", f"({size}, {size})", names=names, weights=weights
    )
    model = trainer.model
    texts = [f"a photo of a {each}." for each in names]
    with torch.no_grad():
        found = model.text_features(images_of(trainer)[:0], None)
        tower = model.clip.text
        wanted = model.clip.encode_text(tower.tokenizer(texts, tower.context_length))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_a_context_whose_tokens_cannot_be_counted_is_refused(shallow, tmp_path):
    from trainers.parts.prompts import ContextLearner

    tower = clip.build_model(models_state()).text
    tower.tokenizer = TwoForOne()
    with pytest.raises(UserError, match=r"TRAINER.COOP.N_CTX = 2.*give its words as .*CTX_INIT"):
        ContextLearner(tower, "", 2, "TRAINER.COOP.N_CTX")


class TwoForOne(clip.OwnTokenizer):
    def lengths(self, texts):
        return [2 * length for length in super().lengths(texts)]


def models_state():
    from tests.support import tiny_clip

    return tiny_clip.vit(layers=1, text_layers=1, vision_width=64, text_width=64, embed_dim=32)


def config(name, *options):
    """The config that train.py makes, without sizes that a test sets by hand."""
    from train import build_parser, setup_cfg

    words = ["--trainer", "CoOp", "--config-file", yaml_of("CoOp"), "--dataset-config-file"]
    words += [prompt_run.PETS, "--backbone", name, *map(str, options)]
    return setup_cfg(build_parser().parse_args(words))


def test_a_run_takes_the_images_of_its_pair(clipa, capsys):
    node = config(clipa, "USE_CUDA", False).INPUT
    assert tuple(node.SIZE) == (32, 32)
    assert (node.INTERPOLATION, node.RESIZE) == ("bilinear", "squash")
    assert list(node.PIXEL_MEAN) == list(node.PIXEL_STD) == [0.5, 0.5, 0.5]
    printed = capsys.readouterr().out
    for key in ("SIZE (32, 32)", "RESIZE squash", "PIXEL_MEAN [0.5, 0.5, 0.5]"):
        assert f"Notice: INPUT.{key}, as {clipa} was trained" in printed


def test_a_key_of_the_command_line_wins_and_is_noticed(clipa, shallow, capsys):
    trainer = shallow("CoOp", "INPUT.PIXEL_MEAN", "[0.1, 0.2, 0.3]", weights=clipa)
    assert list(trainer.cfg.INPUT.PIXEL_MEAN) == [0.1, 0.2, 0.3]
    assert list(trainer.cfg.INPUT.PIXEL_STD) == [0.5, 0.5, 0.5]
    lines = [line for line in capsys.readouterr().out.splitlines() if "[0.1, 0.2, 0.3]" in line]
    assert any(line.startswith("Notice: INPUT.PIXEL_MEAN = [0.1") and "[0.5, 0.5" in line
               for line in lines)  # fmt: skip


def test_a_file_that_names_its_backbone_keeps_its_own_images(clipa, tmp_path):
    from trainers.parts.run_config import build_config

    file = tmp_path / "mine.yaml"
    file.write_text(
        f"MODEL: {{BACKBONE: {{NAME: '{clipa}'}}}}\nINPUT: {{PIXEL_STD: [0.2, 0.2, 0.2]}}\n"
    )
    node = build_config("CoOp", [str(file)], {}, [])[0].cfg.INPUT
    assert list(node.PIXEL_STD) == [0.2, 0.2, 0.2] and node.RESIZE == "squash"


def test_the_provenance_holds_tag_activation_and_images(clipa, shallow):
    facts = shallow("CoOp", weights=clipa).backbone_facts()
    assert facts["name"] == "open_clip:tiny-clipa/small"
    assert (facts["activation"], facts["activation_from"]) == ("gelu", "tag")
    assert facts["images"] == {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear",
                               "resize": "squash"}  # fmt: skip


def test_a_sigmoid_loss_is_noticed(siglip, shallow, capsys):
    shallow("CoOp", "INPUT.SIZE", "(160, 160)", weights=siglip)
    notices = [line for line in capsys.readouterr().out.splitlines() if "sigmoid loss" in line]
    assert len(notices) == 1 and notices[0].startswith("Notice: open_clip:tiny-siglip/small")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("open_clip:ViT-B/32", ["no model ViT-B;", "did you mean ViT-B-32"]),
        ("open_clip:ViT-B-32/laion2b", ["no tag laion2b of ViT-B-32", "laion2b_s34b_b79k"]),
        ("open_clip:roberta-ViT-B-32/laion2b_s12b_b32k", ["text tower of Hugging Face roberta"]),
        ("open_clip:coca_ViT-B-32", ["of a CoCa"]),
        ("open_clip:hf-hub:microsoft/BiomedCLIP", ["give the folder"]),
        ("open_clip:", ["names no model; write open_clip:<model>/<tag>"]),
    ],
)
def test_a_wrong_pair_is_one_line(name, parts):
    with pytest.raises(UserError) as caught:
        config(name)
    (line,) = caught.value.problems
    assert line.startswith(f"MODEL.BACKBONE.NAME {name}: ") and "\n" not in line
    assert all(part in line for part in parts), line


def test_a_tag_whose_weights_are_not_here_says_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(clip.WeightsError) as caught:
        clip.load_model("open_clip:ViT-B-32/laion2b-s34B-b79k")
    line = str(caught.value)
    assert line.startswith("open_clip:ViT-B-32/laion2b_s34b_b79k: its weights are not on this disk")
    assert "open_clip:ViT-B-32/laion2b_s34b_b79k@FILE" in line
    assert "open_clip.create_model('ViT-B-32', 'laion2b_s34b_b79k')" in line and "\n" not in line


def test_weights_of_open_clips_own_downloads_are_found(monkeypatch, tmp_path):
    model = models.register(tmp_path, "small")
    models.publish(model, url="https://example.org/weights.pt")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".cache/clip").mkdir(parents=True)
    models.saved(model, tmp_path / ".cache/clip/weights.pt")
    assert clip.load_model("open_clip:small/small").source.path.endswith("clip/weights.pt")


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(UserError, match="which is not installed; pip install 'open_clip_torch"):
        config("open_clip:ViT-B-32/openai")


def test_transformers_is_imported_beside_our_datasets(tmp_path):
    """In the project's folder `import datasets` finds ours, not the package that transformers
    looks for."""
    name = hub_tokenizers.bert(tmp_path / "bert")
    code = (
        "import datasets, clip.tokenizers as t\n"
        f"made = t.HubTokenizer(t.TokenizerName({name!r}))\n"
        "print(made(['two dogs'], 6).tolist(), datasets.__file__)"
    )
    done = command.python("-c", code, warm=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[[2, 9, 8, 13, 3, 0]]")
    assert str(command.PROJECT) in done.stdout


def test_the_test_transform_squashes(clipa):
    from PIL import Image

    from dassl.data.transforms import build_transform

    cfg = config(clipa, "USE_CUDA", False)
    picture = Image.new("RGB", (64, 32))
    picture.paste((255, 255, 255), (0, 0, 16, 32))  # a stripe that the centre crop would cut off
    squashed = build_transform(cfg, is_train=False)(picture)
    assert squashed.shape == (3, 32, 32) and squashed[0, 16, 2] > 0.9 and squashed[0, 16, 20] < -0.9
    cropped = build_transform(config(clipa, "INPUT.RESIZE", "shortest"), is_train=False)(picture)
    assert cropped.max() < -0.9
    _, ours = clip.load(clipa, device="cpu")
    torch.testing.assert_close(ours(picture), squashed)


def test_exports_say_that_pictures_are_squashed(clipa):
    from types import SimpleNamespace

    from use.class_features import transform_of

    def said(*options):
        cfg = config(clipa, "USE_CUDA", False, *options)
        return transform_of(SimpleNamespace(run=SimpleNamespace(cfg=cfg)))["resize"]

    assert said() == [32, 32] and said("INPUT.RESIZE", "shortest") == 32
