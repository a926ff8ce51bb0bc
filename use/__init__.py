"""From a finished run to its use: classifier, export, measures beyond accuracy, looking inside.

from use import PromptClassifier

classifier = PromptClassifier.from_run("output/digits")
for found in classifier.predict(["picture.png"], top_k=3):
    print(found.image, found.classes, found.probabilities)
"""

from typing import Any

__all__ = ["Prediction", "PromptClassifier"]


def __getattr__(name: str) -> Any:
    # torch takes seconds to import, and `--help` needs none of it
    if name in __all__:
        from use import classifier

        return getattr(classifier, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
