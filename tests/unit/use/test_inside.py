"""Looking inside: nearest words, channels, attention."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

import clip
import interpret_prompt
from command_line import run
from dassl.utils.errors import UserError
from tests.support import prompt_run
from tests.unit.trainers.conftest import NAMES
from tests.unit.trainers.softcpt_runs import TASKS
from use.attention import class_attention, draw_attention
from use.channels import ChannelImportance, channel_importance, channel_table, draw_channels
from use.dataset_features import SplitFeatures, draw_tsne, prompt_model
from use.words import contexts_of, near_words, nearest


def shapes(contexts):
    return [(c.part, c.owner, c.block, tuple(c.vectors.shape)) for c in contexts]


def test_a_context_that_starts_from_words_is_nearest_to_them(make):
    trainer = make("CoOp", "TRAINER.COOP.CTX_INIT", "a photo of a")
    found = list(near_words(trainer.model, contexts_of(trainer.model), 2))
    assert [row.words[0] for row in found] == ["a", "photo", "of", "a"]
    assert [row.distances[0] for row in found] == [0, 0, 0, 0]
    assert [row.position for row in found] == [1, 2, 3, 4]


def test_nearest_is_the_full_sort_of_the_distances():
    generator = torch.Generator().manual_seed(1)
    vectors = torch.randn(300, 8, generator=generator)
    embedding = torch.randn(50, 8, generator=generator)
    embedding[7] = 0  # a word that was never seen
    distance = (vectors[:, None] - embedding[None]).norm(dim=-1)
    distance[:, 7] = torch.inf
    places, distances = nearest(vectors, embedding, 3)
    assert torch.equal(places, distance.argsort(dim=1)[:, :3])
    torch.testing.assert_close(distances, distance.sort(dim=1).values[:, :3])


def test_every_prompted_block_has_its_context(make):
    deep = [("deep prompts", "all", block, (2, 64)) for block in range(1, 9)]
    expected = [("prompt_learner", "all", 0, (2, 64)), *deep]
    assert shapes(contexts_of(make("MaPLe").model)) == expected
    ivlp = make("IVLP", "TRAINER.IVLP.N_CTX_TEXT", 2).model
    assert shapes(contexts_of(ivlp)) == expected
    deep = contexts_of(ivlp)[1].vectors
    assert torch.equal(deep, ivlp.text_encoder.deep()[0])


@pytest.mark.parametrize("position", ["end", "middle", "front"])
def test_class_specific_contexts_are_the_classes(position, make):
    where = ("TRAINER.COOP.CLASS_TOKEN_POSITION", position, "TRAINER.COOP.N_CTX", 4)
    own = make("CoOp", "TRAINER.COOP.CSC", True, *where).model
    found = contexts_of(own)
    assert [c.owner for c in found] == NAMES
    assert torch.equal(torch.stack([c.vectors for c in found]), own.prompt_learner.ctx)
    shared = contexts_of(make("CoOp", *where).model)
    assert [c.owner for c in shared] == ["all"]


def test_softcpts_tasks_have_the_contexts_that_the_meta_network_makes(softcpt):
    model = softcpt(TASK_CSC=True).model
    found = contexts_of(model)
    tasks = list(TASKS)
    assert [c.owner for c in found if c.part == "task_prompt_learner"] == tasks
    generated = [c for c in found if c.part == "prompt_learner"]
    assert [c.owner for c in generated] == tasks
    features = model.encode_text(model.task_prompt_learner(torch.arange(3)))
    expected = model.prompt_gen(features)
    torch.testing.assert_close(torch.stack([c.vectors for c in generated]), expected)


def test_hard_prompts_are_one_a_task_or_one_a_class(hard):
    assert [c.owner for c in contexts_of(hard(TSC=True).model)] == list(TASKS)
    assert len(contexts_of(hard(CSC=True).model)) == 5


def test_cocoops_context_is_shared_or_that_of_an_image(make, batch):
    model = prompt_run.wander(make("CoCoOp")).model
    (shared,) = contexts_of(model)
    assert torch.equal(shared.vectors, model.prompt_learner.ctx)
    (shifted,) = contexts_of(model, batch.image[0])
    with torch.no_grad():
        unit = F.normalize(model.encode_image(batch.image[:1]), dim=-1)
        expected = model.prompt_learner.ctx + model.prompt_learner.meta_net(unit)
    torch.testing.assert_close(shifted.vectors, expected)


def test_a_method_of_fixed_text_says_so(make):
    model = make("VPT").model
    with pytest.raises(UserError, match="VPT learns no context of the text tower"):
        list(near_words(model, contexts_of(model), 3))


def checkpoint(trainer, tmp_path):
    trainer.save_model(0, str(tmp_path))
    return next(tmp_path.rglob("model.pth.tar-1"))


def interpreted(capsys, *words):
    capsys.readouterr()  # what training printed
    code = run(interpret_prompt.main, interpret_prompt.build_parser(), [str(w) for w in words])
    return code, capsys.readouterr()


def test_the_published_script_prints_the_published_lines(make, tmp_path, capsys, deep_vit):
    path = checkpoint(make("CoOp", "TRAINER.COOP.CTX_INIT", "a photo"), tmp_path)
    code, printed = interpreted(capsys, path, 2, "--backbone", deep_vit)
    lines = printed.out.splitlines()
    assert code == 0 and lines[:4] == [
        "Return the top-2 matched words",
        "Size of token embedding: torch.Size([49408, 64])",
        "Size of context: torch.Size([2, 64])",
        "Size of distance matrix: torch.Size([2, 49408])",
    ]
    assert lines[4].startswith("1: ['a</w>', ") and "['0.0000', " in lines[4]
    assert lines[5].startswith("2: ['photo</w>', ") and len(lines) == 6


def test_class_specific_contexts_are_printed_one_after_the_other(make, tmp_path, capsys, deep_vit):
    path = checkpoint(make("CoOp", "TRAINER.COOP.CSC", True), tmp_path)
    _, printed = interpreted(capsys, path, 1, "--backbone", deep_vit)
    assert [line for line in printed.out.splitlines() if line.startswith("Class")] == [
        f"Class {number}" for number in range(5)
    ]


def test_mistakes_of_the_published_script_are_one_line(make, tmp_path, capsys, tiny_vit):
    path = checkpoint(make("CoOp"), tmp_path / "coop")
    probe = checkpoint(make("CLIPAdapter"), tmp_path / "adapter")
    for words, message in (
        ((tmp_path / "gone", 3), "no such checkpoint"),
        ((path, 3, "--backbone", tiny_vit), "64 numbers: this CLIP's words have 512"),
        ((probe, 3, "--backbone", tiny_vit), "holds 0 tensors ctx"),
    ):
        code, printed = interpreted(capsys, *words)
        assert code == 2 and message in printed.err and printed.err.count("\n") == 1


def features(number=40, classes=3, width=16, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, number)
    text = generator.normal(size=(classes, width)).astype(np.float32)
    image = text[labels] + generator.normal(size=(number, width)).astype(np.float32)
    names = tuple("abc"[:classes])
    return SplitFeatures(image, text, labels, tuple(map(str, range(number))), names)


def test_channel_importance_by_its_formula():
    found = features()
    x = found.image / np.linalg.norm(found.image, axis=1, keepdims=True)
    w = found.text / np.linalg.norm(found.text, axis=1, keepdims=True)
    for channel in (0, 5, 15):
        window = [(channel + k) % 16 for k in range(2)]
        sums = np.maximum(x[:, window] @ w[:, window].T, 0)
        own = sums[np.arange(len(x)), found.labels] / (sums.mean(axis=1) + 1e-12)
        assert channel_importance(found)[channel] == pytest.approx(own.mean(), rel=1e-5)


def test_channels_are_drawn_and_tabled_and_refused_without_text(tmp_path):
    base, new = (channel_importance(features(seed=seed)) for seed in (0, 1))
    found = {"CoOp": ChannelImportance(base, new), "CoOpDePT": ChannelImportance(new, base)}
    draw_channels(found, tmp_path / "channels.png")
    assert (tmp_path / "channels.png").stat().st_size > 1000
    assert channel_table(found).groupby("run").size().to_dict() == {"CoOp": 16, "CoOpDePT": 16}
    bare = features()
    with pytest.raises(UserError, match="depend on the image"):
        channel_importance(SplitFeatures(bare.image, None, bare.labels, bare.paths, ("a",)))


def test_features_are_saved_and_drawn(tmp_path):
    found = features()
    found.save(tmp_path / "f.npz")
    with np.load(tmp_path / "f.npz") as file:
        assert set(file) == {"image", "text", "labels", "paths", "classnames"}
        assert np.array_equal(file["image"], found.image)
    draw_tsne(found, tmp_path / "f.png", "title")
    assert Image.open(tmp_path / "f.png").size > (300, 300)
    with pytest.raises(UserError, match=r"ends in \.png"):
        draw_tsne(found, tmp_path / "f.bmp", "title")
    with pytest.raises(UserError, match="t-SNE of 3 pictures"):
        draw_tsne(features(number=3), tmp_path / "f.png", "title")


def last_weights(model, image, monkeypatch):
    """The last block's attention of the first query to every position, by explicit sums."""
    seen = []

    def attention(q, k, v, attn_mask=None, is_causal=False):
        weights = (torch.einsum("bhqd,bhkd->bhqk", q, k) / q.shape[-1] ** 0.5).softmax(dim=-1)
        seen.append(weights[0, :, 0].mean(dim=0))
        return weights @ v

    with monkeypatch.context() as patch, torch.no_grad():
        patch.setattr(F, "scaled_dot_product_attention", attention)
        model.encode_image(image[None])
    return seen[-1].numpy()


@pytest.mark.parametrize("name", ["CoOp", "VPT", "MaPLe"])
def test_attention_is_that_of_the_class_token_to_the_patches(name, make, batch, monkeypatch):
    model = prompt_run.wander(make(name)).model
    image = batch.image[0]
    expected = last_weights(model, image, monkeypatch)
    found = class_attention(model, image)
    assert found.shape == (2, 2) and 0 < found.sum() < 1
    np.testing.assert_allclose(found.flatten(), expected[1:5], rtol=1e-5)
    frozen = class_attention(model, image, prompted=False)
    assert np.allclose(frozen, found) == (name == "CoOp")
    with pytest.raises(UserError, match="--block 12: the image tower has 12, 0 to 11"):
        class_attention(model, image, block=12)


def test_attention_of_a_resnet_is_its_poolings(make, small_resnet):
    model = make("CoOp", "INPUT.SIZE", "(64, 64)", weights=small_resnet).model
    image = torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert class_attention(model, image).shape == (2, 2)


def test_attention_is_drawn_over_the_picture(tmp_path):
    maps = {"frozen CLIP": np.eye(4), "CoOp": np.ones((4, 4))}
    draw_attention(np.full((32, 32, 3), 0.5), maps, tmp_path / "deep" / "a.png", "a.png")
    assert Image.open(tmp_path / "deep" / "a.png").width > 400


def test_a_linear_probe_has_no_text_features(make):
    with pytest.raises(UserError, match="LinearProbe has no text features"):
        prompt_model(make("LinearProbe"))


def test_the_towers_are_the_same_after_a_look(make, batch):
    model = make("CoOp").model
    before = clip.CLIP.state_dict(model.clip)
    class_attention(model, batch.image[0])
    contexts_of(model)
    assert all(torch.equal(before[key], value) for key, value in model.clip.state_dict().items())
