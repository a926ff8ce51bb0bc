"""The classes of a run."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ClassSpace:
    """What a run tells images apart by.

    Args:
        names: C classnames in label order.
        ids: C folder ids (such as ImageNet's wnids), where a dataset has them; names may repeat,
            ids do not.
    """

    names: tuple[str, ...]
    ids: tuple[str, ...] | None = None

    @classmethod
    def of(cls, dataset: Any) -> "ClassSpace":
        """The classes of a dataset object: its `classnames` and, if it has them, its
        `class_ids`."""
        ids = getattr(dataset, "class_ids", None)
        return cls(tuple(dataset.classnames), tuple(ids) if ids else None)

    def __len__(self) -> int:
        return len(self.names)

    def words(self) -> list[str]:
        """The names as they stand in a prompt: underscores are blanks."""
        return [name.replace("_", " ") for name in self.names]

    def rows_in(self, other: "ClassSpace") -> list[int] | None:
        """Where these classes stand in `other`, or None when they are not part of it.

        By folder id where both sides have ids; otherwise both lists have to be the same.
        """
        if self.ids and other.ids:
            place = {class_id: row for row, class_id in enumerate(other.ids)}
            rows = [place.get(class_id, -1) for class_id in self.ids]
            return None if -1 in rows else rows
        return list(range(len(self))) if self.names == other.names else None

    def to_plain(self) -> dict[str, Any]:
        """Lists for a checkpoint."""
        return {"classnames": list(self.names), "class_ids": list(self.ids) if self.ids else None}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "ClassSpace":
        """The inverse of `to_plain`."""
        ids = plain.get("class_ids")
        return cls(tuple(plain["classnames"]), tuple(ids) if ids else None)
