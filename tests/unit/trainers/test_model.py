"""The parts of the shared model that only some methods use."""

import torch

from trainers.parts.model import Features, Objective, cosine_logits


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_text_of_each_image_is_scored_with_its_own_prompts():
    image, text, scale = random(3, 8), random(3, 5, 8, seed=1), torch.tensor(20.0)
    rows = [cosine_logits(image[i : i + 1], text[i], scale) for i in range(3)]
    torch.testing.assert_close(cosine_logits(image, text, scale), torch.cat(rows))


def test_the_text_feature_of_an_images_class_is_taken_from_its_own_row():
    label = torch.tensor([2, 0, 4])
    shared, own = random(5, 8), random(3, 5, 8, seed=1)
    assert torch.equal(Features(random(3, 8), shared).text_of(label), shared[label])
    expected = torch.stack([own[0, 2], own[1, 0], own[2, 4]])
    assert torch.equal(Features(random(3, 8), own).text_of(label), expected)


def test_regularisers_are_added_and_guides_are_only_reported():
    one = torch.tensor(1.0)
    objective = Objective(one, random(2, 2), others={"pull": 2 * one}, guides={"kd": 5 * one})
    assert objective.total() == 3
    assert {name: float(value) for name, value in objective.report().items()} == {
        "pull": 2.0,
        "kd": 5.0,
    }
