"""Linear probe, stage 1: writes CLIP's image features of a dataset's whole splits.

    python lpclip/feat_extractor.py --root ~/data --output-dir clip_feat \\
        --dataset-config-file configs/datasets/oxford_pets.yaml \\
        --config-file configs/trainers/CoOp/rn50_val.yaml

    python lpclip/feat_extractor.py --root ~/data --output-dir output/lpclip/general10/rn50 \\
        --dataset-config-file configs/datasets/general10.yaml \\
        --config-file configs/trainers/LP/rn50_val.yaml

The first writes <output-dir>/OxfordPets/{train,val,test}.npz, the second a folder for each task:
<output-dir>/<task id>/{train,val,test}.npz. With DATASET.SUBSAMPLE_TASKS task<i> the files of that
task lie in <output-dir> itself.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from command_line import Command, run
from lpclip.feature_files import SPLITS, save_features

if TYPE_CHECKING:
    from yacs.config import CfgNode


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = Command(__doc__)
    parser.add_argument("--root", default="", help="folder of the datasets (default: $DATA)")
    parser.add_argument("--output-dir", default="clip_feat", help="(default: %(default)s)")
    parser.add_argument("--config-file", default="", help="YAML of backbone and transforms")
    parser.add_argument("--dataset-config-file", default="", help="YAML of the dataset")
    parser.add_argument("--split", choices=SPLITS, help="one of them (default: all that there are)")
    parser.add_argument("--backbone", default="", help="in place of the YAML's")
    parser.add_argument("--old-data-path", default="", help="text of stored image paths ...")
    parser.add_argument("--new-data-path", default="", help="... and what stands there instead")
    unused = parser.add_argument_group(
        "part of published command lines, without effect on features"
    )
    unused.add_argument("--num-shot", type=int)
    unused.add_argument("--trainer")
    unused.add_argument("--head")
    unused.add_argument("--seed", type=int)
    unused.add_argument("--eval-only", action="store_true")
    parser.add_argument("opts", nargs=argparse.REMAINDER, help="KEY VALUE ... of the config")
    return parser


def setup_cfg(args: argparse.Namespace) -> "CfgNode":
    """The frozen config; backbone and class subset are those of the files and options.

    Raises:
        UserError: one line per problem.
    """
    import datasets
    from dassl.utils.errors import UserError
    from trainers.parts.run_config import build_config, dataset_problems

    flags: dict[str, Any] = {
        "DATASET.ROOT": args.root or os.environ.get("DATA", ""),
        "OUTPUT_DIR": args.output_dir,
        "MODEL.BACKBONE.NAME": args.backbone,
        "DATALOADER.OLD_DATA_PATH": args.old_data_path,
        "DATALOADER.NEW_DATA_PATH": args.new_data_path,
    }
    given = {key: value for key, value in flags.items() if value}
    files = [args.dataset_config_file, args.config_file]
    asked, notices = build_config("LinearProbe", files, given, args.opts)
    cfg = asked.cfg
    if problems := dataset_problems(cfg, datasets.BROKEN):
        raise UserError(problems)
    for notice in notices:
        print(notice)
    cfg.freeze()
    return cfg


def main(args: argparse.Namespace) -> None:
    """Reads the dataset, loads CLIP and writes the files.

    Raises:
        UserError: a mistake of the user.
    """
    cfg = setup_cfg(args)
    import torch

    from dassl.data.datasets import build_dataset
    from dassl.data.transforms import build_transform
    from trainers.parts.backbone import load_backbone, tower_digest
    from trainers.parts.frozen_features import encode
    from trainers.parts.precision import Precision

    device = torch.device("cuda" if torch.cuda.is_available() and cfg.USE_CUDA else "cpu")
    precision = Precision("fp16" if device.type == "cuda" else "fp32", device)
    dataset = build_dataset(cfg)
    transform = build_transform(cfg, is_train=False)
    model = load_backbone(cfg, device, precision)
    backbone = [cfg.MODEL.BACKBONE.NAME, tower_digest(model.visual)]
    there = [split for split in SPLITS if images_of(dataset, split)]  # a test set has no val
    for path, items, arrays in outputs(cfg, dataset, [args.split] if args.split else there):
        features = encode(cfg, model, items, transform)
        save_features(path, {"feature_list": features, "backbone": backbone, **arrays})
        print(f"{path}: {features.shape[0]:,} images, {features.shape[1]} features each")


def images_of(dataset: Any, split: str) -> list[Any]:
    """The images of a split; none where the dataset does not have it."""
    return getattr(dataset, "train_x" if split == "train" else split) or []


def outputs(
    cfg: "CfgNode", dataset: Any, splits: Sequence[str]
) -> Iterator[tuple[Path, list[Any], dict[str, Any]]]:
    """For each file: its path, its images, and the arrays beside the features: labels, [N] or (in
    SoftCPT's layout) [N, 1], and the metric of a task."""
    folder = Path(cfg.OUTPUT_DIR)
    one_task = cfg.DATASET.SUBSAMPLE_TASKS.startswith("task")
    metrics = getattr(dataset, "taskid2metric", None)
    for split in splits:
        items = images_of(dataset, split)
        if metrics is None:
            labels = np.array([item.label for item in items], dtype=np.int64)
            place = folder if one_task else folder / cfg.DATASET.NAME
            shape = (-1, 1) if one_task else (-1,)
            yield place / f"{split}.npz", items, {"label_list": labels.reshape(shape)}
            continue
        for task, metric in enumerate(metrics):
            own = [item for item in items if item.task[0] == task]
            labels = np.array([item.label for item in own], dtype=np.int64)  # [N, 1]
            place = folder if one_task else folder / str(task)
            yield place / f"{split}.npz", own, {"label_list": labels, "metric": metric}


if __name__ == "__main__":
    sys.exit(run(main, build_parser(), None))
