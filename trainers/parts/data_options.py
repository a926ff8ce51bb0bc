"""The config keys that every method has, beyond the engine's."""

from dassl.utils.files import MAX_PIXELS
from trainers.parts.options import Option, Options

DATA_OPTIONS = (
    Options(
        "DATASET",
        SUBSAMPLE_TASKS=Option("all", "tasks of a multi-task dataset: all, base, new or task<i>"),
        FOLDER=Option("", "folder below the root, of a dataset whose reader fixes none"),
        TEMPLATE=Option("", "hand-written prompt in place of the dataset's, {} for the classname"),
        PARTIAL=Option(False, "read a folder that has some of ImageNet's classes, and say so"),
        SAVE_FEWSHOT=Option(False, "write the few-shot draw into the data folder, as JSON"),
    ),
    Options(
        "INPUT",
        MAX_PIXELS=Option(MAX_PIXELS, "an image of more pixels is refused before it is decoded"),
        RESIZE=Option(
            "shortest",
            "of test images: the shorter edge, then the centre is cut out; or squash to the size",
            choices=("shortest", "squash"),
        ),
    ),
    Options(
        "DATALOADER",
        OLD_DATA_PATH=Option("", "beginning of image paths that NEW_DATA_PATH replaces"),
        NEW_DATA_PATH=Option("", "what stands there instead"),
    ),
    Options(
        "OPTIM", ADAM_EPS=Option(1e-8, "what adam, amsgrad, adamw and radam divide by at least")
    ),
    Options(
        "TEST",
        PER_TASK_RESULT=Option(False, "print the metric of every task too"),
        VALIDATE_AT_END=Option(
            False, "put the trained model's validation accuracy into the result"
        ),
    ),
)
