"""Runs whose files are there and whose dataset is not."""

import numpy as np
import pytest
from PIL import Image

from tests.support import prompt_run
from tests.unit.trainers.conftest import (  # noqa: F401
    batch,
    hard,
    make,
    shallow,
    softcpt,
    three_blocks,
)
from use.run_file import write_run_file


@pytest.fixture
def pictures(tmp_path):
    """Paths of four pictures of other sizes than the model's."""
    generator = np.random.default_rng(5)
    paths = []
    for number, shape in enumerate([(40, 36, 3), (33, 64, 3), (32, 32, 3), (90, 50, 3)]):
        paths.append(str(tmp_path / f"picture_{number}.png"))
        Image.fromarray(generator.integers(0, 256, shape, dtype=np.uint8)).save(paths[-1])
    return paths


@pytest.fixture
def finished(shallow, tmp_path):  # noqa: F811
    """Builds a trainer, moves its tensors and leaves a run's files in tmp_path/run:
    finished("CoOp", "KEY", value, ..., names=[...]) -> the trainer and the folder."""

    def call(trainer, *options, **how):
        folder = tmp_path / "run"
        built = prompt_run.wander(shallow(trainer, "OUTPUT_DIR", str(folder), *options, **how))
        built.set_model_mode("eval")
        built.save_model(0, str(folder))
        write_run_file(built.cfg, built)
        return built, folder

    return call
