"""The hooks that trainer files rely on."""

import pytest
import torch
from torch import nn

from dassl.data import DataManager
from dassl.engine import TRAINER_REGISTRY, TrainerBase, TrainerX, TrainerXU, build_trainer
from dassl.evaluation import build_evaluator
from dassl.modeling import BACKBONE_REGISTRY, Backbone
from tests.unit.dassl.toy import ToyTrainer, golden_options, make_config, start

OPTIONS = [*golden_options("log_last_step.txt"), "OPTIM.MAX_EPOCH", 2]


def test_order_of_hooks(images, tmp_path):
    calls = []

    @TRAINER_REGISTRY.register(force=True)
    class Noting(ToyTrainer):
        def __getattribute__(self, name):
            if name in noted:
                calls.append(name)
            return super().__getattribute__(name)

    first = ["check_cfg", "build_data_loader", "build_model", "before_train"]
    epoch = ["before_epoch", "run_epoch", "after_epoch"]
    noted = [*first, *epoch, "after_train", "test"]
    start(make_config(images, tmp_path, OPTIONS, trainer="Noting")).train()
    assert calls == [*first, *epoch, *epoch, "after_train", "test"]


def test_a_step_without_train(images, tmp_path):
    trainer = start(make_config(images, tmp_path, OPTIONS))
    trainer.epoch, trainer.batch_idx, trainer.num_batches = 0, 0, 1
    before = trainer.get_current_lr()
    summary = trainer.forward_backward(next(iter(trainer.train_loader_x)))
    assert set(summary) == {"loss", "acc"} and trainer.get_current_lr() != before
    assert trainer.model_inference(torch.zeros(2, 3, 16, 16)).shape == (2, 5)
    assert not (tmp_path / "tensorboard").exists()


def test_a_trainer_with_a_stub_for_data(tmp_path):
    class Stub(TrainerX):
        def build_data_loader(self):
            self.train_loader_x = self.train_loader_u = self.val_loader = None
            self.test_loader = [{"img": torch.eye(5), "label": torch.arange(5)}]
            self.num_classes, self.num_source_domains = 5, 0
            self.lab2cname = {label: str(label) for label in range(5)}

        def build_model(self):
            self.model = nn.Identity()
            self.register_model("model", self.model)

    trainer = Stub(make_config(tmp_path, tmp_path, ["USE_CUDA", False]))
    assert trainer.test() == 100.0 and trainer.test_record.num_images == 5


def test_no_epochs_train_nothing_and_test(images, tmp_path):
    trainer = start(make_config(images, tmp_path, [*OPTIONS, "OPTIM.MAX_EPOCH", 0]))
    trainer.train()
    assert trainer.seen == [] and trainer.test_record.num_images == 15


def test_registration(images, tmp_path):
    trainer = start(make_config(images, tmp_path, OPTIONS, trainer="ToyTwoModels"))
    with pytest.raises(AssertionError, match="already registered"):
        trainer.register_model("linear", nn.Linear(1, 1))
    with pytest.raises(AssertionError, match="no model x"):
        trainer.get_model_names(["x"])
    assert trainer.get_model_names() == ["linear", "frozen"]
    trainer.set_model_mode("eval", ["linear"])
    assert not trainer.model.training and trainer._models["frozen"].training
    with pytest.raises(KeyError, match="train, test, eval"):
        trainer.set_model_mode("fit")

    class Early(TrainerBase):
        def __init__(self):
            self.register_model("m", nn.Linear(1, 1))

    with pytest.raises(AttributeError, match="super"):
        Early()


def test_test_images_are_no_validation_images(images, tmp_path, capsys):
    """As in ImageNet, whose readers name one list twice."""
    trainer = start(make_config(images, tmp_path, OPTIONS))
    trainer.validate_at_end()
    assert 0 <= trainer.val_accuracy <= 100
    trainer.val_accuracy = None
    trainer.dm.dataset._val = trainer.dm.dataset.test
    trainer.validate_at_end()
    assert trainer.val_accuracy is None
    assert "the validation images are test images" in capsys.readouterr().out


def test_val_is_the_test_set_where_there_is_none(images, tmp_path, capsys):
    trainer = start(make_config(images, tmp_path, OPTIONS))
    trainer.val_loader = None
    trainer.test("val")
    assert "Evaluate on the *test* set" in capsys.readouterr().out
    assert trainer.test_record.num_images == 15


def test_print_frequency_and_number_of_reads(images, tmp_path, capsys):
    options = [*OPTIONS, "DATASET.NUM_SHOTS", 4, "TRAIN.PRINT_FREQ", 3, "TEST.NO_TEST", True]
    start(make_config(images, tmp_path, options)).train()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert [line.split(" time")[0] for line in lines] == [
        "epoch [1/2] batch [3/5]",
        "epoch [2/2] batch [3/5]",
    ]


@TRAINER_REGISTRY.register(force=True)
class Semi(TrainerXU):
    def build_model(self):
        self.register_model("model", nn.Linear(1, 1), torch.optim.SGD([torch.zeros(1)], lr=0.1))
        self.pairs = []

    def forward_backward(self, batch_x, batch_u):
        images, labels, more = self.parse_batch_train(batch_x, batch_u)
        self.pairs.append((len(images), len(labels), len(more)))
        return {"loss": 0.0}


@pytest.mark.parametrize(("count", "pairs"), [("train_x", 5), ("train_u", 1), ("smaller_one", 1)])
def test_labelled_and_unlabelled_batches(count, pairs, images, tmp_path):
    options = [*OPTIONS, "TRAIN.COUNT_ITER", count, "TEST.NO_TEST", True, "OPTIM.MAX_EPOCH", 1]
    trainer = start(make_config(images, tmp_path, options, trainer="Semi"))
    trainer.train_loader_u = [{"img": torch.zeros(3, 3, 16, 16)}]
    trainer.train()
    assert trainer.pairs == [(4, 4, 3)] * pairs


def test_wrong_count_iter(images, tmp_path):
    options = [*OPTIONS, "TRAIN.COUNT_ITER", "both"]
    trainer = start(make_config(images, tmp_path, options, trainer="Semi"))
    trainer.train_loader_u = []
    with pytest.raises(ValueError, match="train_x, train_u, smaller_one"):
        trainer.train()


@BACKBONE_REGISTRY.register(force=True)
def flat_pixels(pretrained=True, **kwargs):
    backbone = Backbone()
    backbone._out_features = 3 * 16 * 16
    backbone.forward = lambda images: images.flatten(1)
    return backbone


@TRAINER_REGISTRY.register(force=True)
class Default(TrainerX):
    """The default model with a cross-entropy step."""

    def forward_backward(self, batch):
        images, labels, _ = self.parse_batch_train(batch)
        loss = nn.functional.cross_entropy(self.model(images), labels)
        self.model_backward_and_update(loss)
        return {"loss": loss}


def test_default_model(images, tmp_path, capsys):
    options = [*OPTIONS, "MODEL.BACKBONE.NAME", "flat_pixels", "MODEL.HEAD.NAME", "mlp"]
    options += ["MODEL.HEAD.HIDDEN_LAYERS", (8,)]
    trainer = start(make_config(images, tmp_path, options, trainer="Default"))
    trainer.train()
    out = capsys.readouterr().out
    assert "Backbone: flat_pixels" in out and "Head: mlp" in out and "# params: 6,213" in out
    _, features = trainer.model(torch.zeros(2, 3, 16, 16), return_feature=True)
    assert features.shape == (2, 8) and trainer.model.fdim == 8


def test_views_of_the_wrapper(images, tmp_path):
    options = [*OPTIONS, "DATALOADER.K_TRANSFORMS", 2, "DATALOADER.RETURN_IMG0", True]
    manager = DataManager(make_config(images, tmp_path, options))
    batch = next(iter(manager.train_loader_x))
    assert set(batch) == {"label", "domain", "impath", "index", "img", "img0"}
    assert len(batch["img"]) == 2 and batch["img0"].shape == (4, 3, 16, 16)
    assert torch.is_tensor(next(iter(manager.test_loader))["img"])

    double = [lambda image: torch.zeros(3), lambda image: torch.ones(3)]
    custom = DataManager(make_config(images, tmp_path, OPTIONS), custom_tfm_train=double)
    batch = next(iter(custom.train_loader_x))
    assert batch["img"].sum() == 0 and batch["img2"].sum() == 12


@pytest.mark.parametrize(
    "name",
    [
        "imagenet_policy",
        "cifar10_policy",
        "svhn_policy",
        "randaugment",
        "randaugment_fixmatch",
        "randaugment2",
    ],
)
def test_augmentation_policies_change_images(name, images, tmp_path):
    cfg = make_config(images, tmp_path, [*OPTIONS, "INPUT.TRANSFORMS", (name,)])
    trainer = build_trainer(cfg)
    first, second = ([b["img"] for b in trainer.train_loader_x] for _ in range(2))
    assert first[0].shape == (4, 3, 16, 16)
    assert not torch.equal(torch.cat(first).sort(0)[0], torch.cat(second).sort(0)[0])


def test_a_trainer_with_its_own_epoch_loop(images, tmp_path, capsys):
    from dassl.engine.trainer import AverageMeter, MetricMeter, SummaryWriter

    @TRAINER_REGISTRY.register(force=True)
    class OwnLoop(ToyTrainer):
        def run_epoch(self):
            self.set_model_mode("train")
            losses, batch_time = MetricMeter(), AverageMeter()
            self.num_batches = len(self.train_loader_x)
            for self.batch_idx, batch in enumerate(self.train_loader_x):  # noqa: B020
                losses.update(self.forward_backward(batch))
                batch_time.update(0.5)
                step = self.epoch * self.num_batches + self.batch_idx
                for name, meter in losses.meters.items():
                    self.write_scalar("train/" + name, meter.avg, step)
            print(f"own {batch_time.val:.3f} ({batch_time.avg:.3f}) {losses}")

    trainer = start(make_config(images, tmp_path, OPTIONS, trainer="OwnLoop"))
    trainer.train()
    assert isinstance(trainer._writer, SummaryWriter)
    assert capsys.readouterr().out.count("own 0.500 (0.500) loss ") == 2
    assert (tmp_path / "resume.pth.tar").is_file()


def test_a_trainer_that_fills_its_attributes_by_hand(images, tmp_path):
    """As softcpt's trainers do: the base `__init__` is not called."""

    class ByHand(ToyTrainer):
        def __init__(self, cfg):
            self._models, self._optims, self._scheds = {}, {}, {}
            self._writer = None
            self.cfg, self.device = cfg, torch.device("cpu")
            self.start_epoch = self.epoch = 0
            self.max_epoch, self.output_dir = cfg.OPTIM.MAX_EPOCH, cfg.OUTPUT_DIR
            self.build_data_loader()
            self.build_model()
            self.evaluator = build_evaluator(cfg, lab2cname=self.lab2cname)
            self.best_result = -float("inf")

    options = [*OPTIONS, "TEST.FINAL_MODEL", "best_val"]
    trainer = ByHand(make_config(images, tmp_path, options))
    trainer.train()
    assert trainer.test_record.num_images == 15 and trainer.best_epoch is not None
