"""TCP, MMA, MMRL, MMRL++ and CLIP-LoRA beside their golden numbers: bad input, which logits a test
takes, training by iterations, and tower changes under other methods."""

import pytest
import torch

import clip
from dassl.utils.errors import UserError
from tests.support import prompt_run
from trainers.cocoop import CoCoOp, CoCoOpModel
from trainers.parts.low_rank import LowRankTowers, blocks_at

LORA, MMA, MMRL = "TRAINER.CLIPLORA", "TRAINER.MMADAPTER", "TRAINER.MMRL"
NEW = ["blue jay", "tulip", "pizza"]


@pytest.mark.parametrize(
    ("trainer", "options", "message"),
    [
        ("TCP", ("TRAINER.TCP.BLOCK", 13), "TCP.BLOCK = 13: .* 12 blocks; use 1 to 12"),
        ("TCP", ("TRAINER.COOP.CSC", True), "TRAINER.COOP.CSC"),
        ("MMA", (f"{MMA}.ADAPTER_END", 13), "ADAPTER_END = 13: .* 12 blocks; use 5 to 12"),
        ("MMA", (f"{MMA}.ADAPTER_START", 9, f"{MMA}.ADAPTER_END", 8), "START = 9: behind .* 8"),
        ("MMRL", (f"{MMRL}.REP_LAYERS", "[]"), r"REP_LAYERS = \[\]: .* use some of 1 to 12"),
        ("MMRL", (f"{MMRL}.REP_LAYERS", "[6, 13]"), r"\[6, 13\]: .* 12 blocks"),
        ("MMRLpp", ("TRAINER.MMRLpp.REP_LAYERS", "[6, 6]"), r"MMRLpp.REP_LAYERS = \[6, 6\]"),
        ("CLIPLoRA", (f"{LORA}.R", 65), f"{LORA}.R = 65: over the tower's width 64; use 1 to 64"),
        ("CLIPLoRA", (f"{LORA}.PARAMS", "['q', 'w']"), r"PARAMS = \['q', 'w'\]: use some of q, k"),
    ],
)
def test_bad_input_is_one_line(trainer, options, message, make):
    with pytest.raises(UserError, match=message) as error:
        make(trainer, *options)
    assert len(error.value.problems) == 1


@pytest.mark.parametrize(
    ("trainer", "what"),
    [
        ("MMA", "MMA puts adapters"),
        ("MMRL", "MMRL puts representation tokens"),
        ("CLIPLoRA", "ENCODER = both puts low-rank updates of q, k, v"),
    ],
)
def test_a_resnet_has_no_blocks_for_them(trainer, what, make, small_resnet):
    with pytest.raises(UserError, match=f"{what} .*which a ResNet does not take"):
        make(trainer, "INPUT.SIZE", "(64, 64)", weights=small_resnet)


def test_text_updates_and_class_tokens_go_with_a_resnet(make, small_resnet):
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    for name, options in (("CLIPLoRA", (f"{LORA}.ENCODER", "text")), ("TCP", ())):
        trainer = make(name, "INPUT.SIZE", "(64, 64)", *options, weights=small_resnet)
        report = prompt_run.step(trainer, images, torch.tensor([0, 1]))
        assert torch.isfinite(report["loss"])


@pytest.mark.parametrize(
    ("position", "num_blocks", "expected"),
    [
        ("all", 12, range(12)),
        ("bottom", 12, range(4)),
        ("mid", 12, range(4, 8)),
        ("up", 12, range(8, 12)),
        ("half-up", 24, range(12, 24)),
        ("half-bottom", 12, range(6)),
        ("top3", 12, range(9, 12)),
        ("top3", 2, range(2)),
    ],
)
def test_positions_are_the_published_blocks(position, num_blocks, expected):
    assert blocks_at(position, num_blocks) == expected


def test_tests_run_on_merged_weights(make, batch):
    """The updates cost nothing then: no module of theirs is called."""
    trainer = prompt_run.wander(make("CLIPLoRA", f"{LORA}.PARAMS", "['q', 'o', 'c_fc', 'c_proj']"))
    plain = prompt_run.logits(trainer, batch.image)
    calls = []
    for layer in trainer.model.lora.modules():
        layer.register_forward_hook(lambda *_: calls.append(1))
    with trainer.model.fixed_weights():
        merged = prompt_run.logits(trainer, batch.image)
    assert not calls
    torch.testing.assert_close(merged, plain, rtol=1e-5, atol=1e-4)
    prompt_run.logits(trainer, batch.image)
    assert calls


def test_with_dropout_texts_draw_for_themselves(make):
    assert make("CLIPLoRA").model.text_prompts().prefix is None
    assert make("CLIPLoRA", f"{LORA}.DROPOUT", 0.0).model.text_prompts().prefix is not None


def test_iterations_give_the_epochs_and_the_last_one_ends_with_them(make, batch, caplog):
    trainer = make("CLIPLoRA", f"{LORA}.N_ITERS", 4, "DATASET.NUM_SHOTS", 2)
    trainer.train_loader_x = [{"img": batch.image, "label": batch.label}] * 3
    rates = []
    trainer.before_train = lambda: None
    trainer.after_epoch = lambda: rates.append(trainer.get_current_lr())
    trainer.after_train = lambda: None
    trainer.train()
    assert "8 iterations, 3 an epoch: 3 epochs" in caplog.text
    assert trainer.num_batches == 2 and trainer.sched.last_epoch == 8
    assert rates[-1] == pytest.approx(1e-6) and rates[0] > rates[1]


def test_iterations_need_a_number_of_shots(make):
    with pytest.raises(UserError, match="NUM_SHOTS = -1: training lasts"):
        make("CLIPLoRA").train()


@pytest.mark.parametrize(
    ("options", "fuses"),
    [
        (("DATASET.SUBSAMPLE_CLASSES", "base"), True),
        (("DATASET.SUBSAMPLE_CLASSES", "new"), False),
        (("DATASET.SUBSAMPLE_CLASSES", "all"), False),
        (("TASK", "FS", "DATASET.SUBSAMPLE_CLASSES", "all"), True),
        (("TASK", "CD", "DATASET.SUBSAMPLE_CLASSES", "all"), False),
        (("TASK", "CD", "DATASET.NAME", "ImageNet"), True),
        (("TASK", "CD", "DATASET.NAME", "ImageNetV2"), False),
    ],
)
def test_mmrl_takes_its_tokens_feature_on_classes_of_the_training(options, fuses, make, batch):
    model = make("MMRL", *options).model.eval()
    with torch.no_grad():
        features = model.features(batch.image)
        by_class, by_tokens = model.both_logits(features)
        expected = 0.7 * by_class + 0.3 * by_tokens if fuses else by_class
        torch.testing.assert_close(model.logits(features), expected)


@pytest.mark.parametrize(
    ("trainer", "options", "expected"),
    [
        ("MMRL", ("DATASET.NAME", "StanfordCars"), {"REG_WEIGHT": 7.0}),
        ("MMRLDePT", ("DATASET.NAME", "EuroSAT"), {"REG_WEIGHT": 0.01, "REP_DIM": 2048}),
        ("MMRL", ("DATASET.NAME", "EuroSAT", "TASK", "CD"), {"REP_DIM": 512}),
        ("MMRL", ("DATASET.NAME", "Food101", f"{MMRL}.REG_WEIGHT", 2.0), {"REG_WEIGHT": 2.0}),
        ("MMRLpp", ("DATASET.NAME", "Food101"), {"BETA": 0.1, "REG_WEIGHT": 1.0}),
        ("MMRLpp", ("DATASET.NAME", "Food101", "TASK", "CD"), {"BETA": 0.3, "REG_WEIGHT": 1.0}),
        ("MMRLpp", ("DATASET.NAME", "ImageNet", "TASK", "CD"), {"BETA": 0.9, "REG_WEIGHT": 0.1}),
    ],
)
def test_published_weights_hold_by_dataset_in_front_of_the_command_line(
    trainer, options, expected, deep_vit, capsys
):
    method = trainer.removesuffix("DePT")
    yaml = f"configs/trainers/{method}/vit_b16.yaml"
    cfg = prompt_run.config(trainer, yaml, deep_vit, options)
    node = cfg.TRAINER[method]
    assert {key: node[key] for key in expected} == expected
    if f"{MMRL}.REG_WEIGHT" not in options and "REG_WEIGHT" in expected:
        assert f"as published for {options[1]}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("dataset", "text"),
    [
        ("OxfordPets", "X X X X tulip, a type of pet."),
        ("StanfordCars", "X X X X tulip, a type of car"),
        ("DescribableTextures", "X X X X tulip texture."),
        ("EuroSAT", "X X X X tulip."),
        ("UCF101", "X X X X person doing tulip."),
        ("ImageNet", "X X X X tulip."),
    ],
)
def test_tcps_context_stands_for_four_words_of_the_template(dataset, text, make):
    model = make("TCP", "DATASET.NAME", dataset, names=NEW).model
    assert model.prompt_learner.texts(model.space)[1] == text


def test_a_tower_change_goes_with_a_method_that_encodes_texts_by_image(make, batch, monkeypatch):
    """CoCoOp with low-rank updates of both towers: one declared change, and nothing reaches past
    it."""

    class Changed(CoCoOpModel):
        def build(self):
            super().build()
            towers = {"text": self.clip.text, "visual": self.clip.visual}
            settings = {"rank": 2, "alpha": 1, "dropout": 0, "key": "R"}
            self.lora = LowRankTowers(towers, "top3", ["q", "v"], **settings)

        def text_change(self):
            return super().text_change().plus(self.lora.change("text"))

        def image_change(self):
            return super().image_change().plus(self.lora.change("visual"))

    plain = make("CoCoOp")
    monkeypatch.setattr(CoCoOp, "model_class", Changed)
    changed = make("CoCoOp")
    changed.model.load_state_dict(plain.model.state_dict(), strict=False)
    same = [prompt_run.logits(trainer, batch.image) for trainer in (plain, changed)]
    torch.testing.assert_close(*same)  # the updates start at zero
    prompt_run.wander(changed)
    prompt_run.step(changed, batch.image, batch.label)
    assert all(p.grad.abs().max() > 0 for p in changed.model.parameters())
    exact = prompt_run.logits(changed, batch.image)
    with changed.model.fixed_weights():
        merged = prompt_run.logits(changed, batch.image)
    torch.testing.assert_close(merged, exact, rtol=1e-4, atol=1e-4)


def test_a_change_of_the_frozen_clip_leaves_no_trace(make, batch):
    """Two methods on one CLIP: what the first describes is not there for the second."""
    trainer = prompt_run.wander(make("MMA"))
    model = trainer.model
    frozen = model.clip.encode_image(batch.image)
    changed = model.encode_image(batch.image)
    assert not torch.allclose(changed, frozen, atol=1e-3)
    assert torch.equal(model.clip.encode_image(batch.image), frozen)
    assert torch.equal(model.clip.visual.encode(batch.image, clip.TowerChange()).feature, frozen)
