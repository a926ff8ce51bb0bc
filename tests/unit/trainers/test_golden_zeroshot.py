"""Zero-shot CLIP gives the numbers of the published PromptSRC code (tests/golden/promptsrc, fp32,
small CLIP), for every dataset."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support import prompt_run
from trainers.parts.templates import filled

GOLDEN = Path(__file__).parents[2] / "golden"
FACTS = {
    name: json.loads((GOLDEN / f"promptsrc/{name}.json").read_text())
    for name in ("zeroshot", "zeroshot2")
}
RUNS = [(name, run) for name, facts in FACTS.items() for run in facts["runs"]]


def test_all_public_datasets_are_there():
    names = {facts["DATASET.NAME"] for facts in FACTS["zeroshot"]["runs"].values()}
    assert len(names) == 15


@pytest.mark.parametrize(("name", "run"), RUNS)
def test_prompts_and_logits_match_the_published_code(name, run, tiny_vit, monkeypatch):
    arrays, facts = np.load(GOLDEN / f"promptsrc/{name}.npz"), FACTS[name]
    expected = facts["runs"][run]
    options = ["DATASET.NAME", expected["DATASET.NAME"]]
    cfg = prompt_run.config(facts["trainer"], facts["config_file"], tiny_vit, options)
    subset = run.rpartition("_")[2]
    trainer = prompt_run.build(monkeypatch, cfg, facts[f"{subset}_classnames"])
    model = trainer.model
    templates = model.templates(model.space)
    if "prompts" in expected:
        assert filled(templates[0], model.space) == expected["prompts"]
    else:
        assert [classes[0] for classes in templates] == expected["templates"]

    images = torch.from_numpy(np.load(GOLDEN / "dept/inputs.npz")["eval_images"])
    logits = prompt_run.logits(trainer, images).numpy()
    np.testing.assert_allclose(logits, arrays[f"{run}/logits"], rtol=0, atol=5e-5)
    if f"{run}/text_features" in arrays:
        unit = torch.nn.functional.normalize(model.references, dim=-1)
        np.testing.assert_allclose(unit, arrays[f"{run}/text_features"], rtol=0, atol=1e-5)
