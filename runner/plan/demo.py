"""The datasets of the demo, which train.py makes on first use."""

from runner.plan.modes import Mode

DATASETS = ("demo_shapes", "demo_textures", "demo_digits")  # the first is the source of xd and dg
VARIANTS = ("demo_shapes_sketch", "demo_shapes_striped")  # the source's classes in other styles
JOINT = "demo_suite"  # the three as tasks of one dataset
CFG = "demo"
CFG_FOLDER = "CoOp"  # whose file serves a method without one of its own


def datasets(mode: Mode, *, multi_task: bool) -> tuple[str, ...]:
    """Return what a mode runs on in the demo."""
    if mode.name == "dg":
        return VARIANTS
    if multi_task or mode.name == "mt":
        return (JOINT,)
    return DATASETS[1:] if mode.transfer else DATASETS
