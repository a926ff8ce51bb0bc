"""MaPLe: what its depth may be."""

import pytest

from dassl.utils.errors import UserError


def test_a_depth_over_the_number_of_blocks_is_refused(make, small_vit):
    with pytest.raises(UserError, match=r"TRAINER.MAPLE.PROMPT_DEPTH = 7: .* use 1 to 2$"):
        make("MaPLe", "TRAINER.MAPLE.PROMPT_DEPTH", 7, weights=small_vit)


def test_the_published_depth_leaves_prompts_idle_on_a_smaller_backbone(make, small_vit, caplog):
    trainer = make("MaPLe", "TRAINER.MAPLE.PROMPT_DEPTH", 9, weights=small_vit)
    assert len(trainer.model.prompt_learner.compound_prompts_text) == 8
    assert "prompts behind the last block stay idle" in caplog.text
