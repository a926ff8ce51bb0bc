"""Which file of a folder is the CLIP: folders as Hugging Face and open_clip write them."""

from pathlib import Path

from clip.configs import read_json
from clip.errors import WeightsError

# The config that must stand beside them -> file names, the better one first.
FILES = {
    "config.json": ("model.safetensors", "pytorch_model.bin"),
    "open_clip_config.json": ("open_clip_model.safetensors", "open_clip_pytorch_model.bin"),
}
ENDINGS = (".pt", ".pth", ".bin", ".safetensors", ".ckpt")


def weights_in(folder: Path) -> Path:
    """The weights file of a folder with a config.

    Raises:
        WeightsError: there is none; says what is there.
    """
    kinds = []
    for config, names in FILES.items():
        if not (folder / config).is_file():
            continue
        for name in names:
            if (folder / name).is_file():
                return folder / name
            if (folder / f"{name}.index.json").is_file():
                kinds.append(f"weights in several pieces ({name}.index.json); save them as one")
        if config == "config.json":
            kinds.append(f"a {read_json(folder / config).get('model_type', 'config')} without "
                         f"{' or '.join(names)}")  # fmt: skip
    files = sorted(path for path in folder.iterdir() if path.suffix in ENDINGS)
    if any(folder.glob("**/model*.pth.tar*")):
        kinds.append("a trainer's output: it goes with --model-dir")
    what = f" ({'; '.join(kinds)})" if kinds else ""
    remedy = f"did you mean {files[0]}?" if files else "give a weights file"
    raise WeightsError(f"{folder}: is a folder{what}; {remedy}")
