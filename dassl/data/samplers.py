"""Orders of images: sequential, random, by domain, by class."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from torch.utils.data import RandomSampler, Sampler, SequentialSampler

from dassl.data.datasets import Datum
from dassl.utils.errors import BadValueError, CheckFailedError, UnknownNameError

__all__ = [
    "RandomClassSampler",
    "RandomDomainSampler",
    "RandomSampler",
    "SeqDomainSampler",
    "SequentialSampler",
    "build_sampler",
]


def _positions(data_source: Sequence[Any], key: Callable[[Any], Any]) -> dict[Any, list[int]]:
    """Key -> positions of the items that have it, keys in order of first appearance."""
    groups: dict[Any, list[int]] = defaultdict(list)
    for position, item in enumerate(data_source):
        groups[key(item)].append(position)
    return dict(groups)


class _ListSampler(Sampler[int]):
    """A sampler that draws a whole epoch as a list; its length is that of one draw."""

    def draw(self) -> list[int]:
        raise NotImplementedError

    def __iter__(self) -> Iterator[int]:
        return iter(self.draw())

    def __len__(self) -> int:
        return self.length

    def _measure(self) -> None:
        # quirk: the draw for the length moves the random generator; image orders depend on it
        self.length = len(self.draw())


class _DomainSampler(_ListSampler):
    """Batches of equally many images of several domains, drawn without replacement.

    The epoch ends when a drawn domain has too few images left for another batch.
    """

    domains: list[int]
    n_domain: int  # domains in a batch

    def __init__(self, data_source: Sequence[Datum], batch_size: int, n_domain: int | None) -> None:
        self.domain_dict = _positions(data_source, lambda item: item.domain)
        self.domains = list(self.domain_dict)
        self.n_domain = len(self.domains) if n_domain is None or n_domain <= 0 else n_domain
        if batch_size % self.n_domain:
            raise CheckFailedError(
                f"batch size {batch_size} is not a multiple of the {self.n_domain} domains in it"
            )
        self.n_img_per_domain = batch_size // self.n_domain
        self._measure()

    def choose_domains(self) -> list[int]:
        raise NotImplementedError

    def draw(self) -> list[int]:
        left = {domain: list(positions) for domain, positions in self.domain_dict.items()}
        order: list[int] = []
        while True:
            chosen = self.choose_domains()
            for domain in chosen:
                drawn = random.sample(left[domain], self.n_img_per_domain)
                order.extend(drawn)
                taken = set(drawn)
                left[domain] = [position for position in left[domain] if position not in taken]
            if any(len(left[domain]) < self.n_img_per_domain for domain in chosen):
                return order


class RandomDomainSampler(_DomainSampler):
    """Batches of `batch_size / n_domain` random images from each of `n_domain` random domains.

    Args:
        data_source: items with a domain.
        batch_size: images per batch.
        n_domain: domains per batch; <= 0 means all.

    Raises:
        CheckFailedError: (an AssertionError) `n_domain` does not divide `batch_size`.
    """

    def choose_domains(self) -> list[int]:
        return random.sample(self.domains, self.n_domain)


class SeqDomainSampler(_DomainSampler):
    """Batches of equally many random images of every domain, domains in ascending order.

    Raises:
        CheckFailedError: (an AssertionError) the number of domains does not divide `batch_size`.
    """

    def __init__(self, data_source: Sequence[Datum], batch_size: int) -> None:
        super().__init__(data_source, batch_size, None)

    def choose_domains(self) -> list[int]:
        return sorted(self.domains)


class RandomClassSampler(_ListSampler):
    """Batches of `n_ins` images of each of `batch_size / n_ins` random classes.

    A class with fewer images is filled by drawing with replacement.

    Raises:
        BadValueError: (a ValueError) `batch_size` < `n_ins`, or `n_ins` < 1.
        CheckFailedError: (an AssertionError) fewer classes than a batch needs.
    """

    def __init__(self, data_source: Sequence[Datum], batch_size: int, n_ins: int) -> None:
        if n_ins < 1:
            raise BadValueError(f"N_INS = {n_ins}: must be 1 or more images per class")
        if batch_size < n_ins:
            raise BadValueError(f"batch size {batch_size} is below N_INS = {n_ins}")
        self.n_ins = n_ins
        self.ncls_per_batch = batch_size // n_ins
        # of a multi-task dataset a class is a (task, label)
        self.index_dic = _positions(data_source, lambda item: getattr(item, "key", item.label))
        self.labels = list(self.index_dic)
        if len(self.labels) < self.ncls_per_batch:
            raise CheckFailedError(
                f"{len(self.labels)} classes, but a batch needs {self.ncls_per_batch}; raise N_INS"
            )
        self._measure()

    def _chunks(self, positions: list[int]) -> list[list[int]]:
        """Shuffled positions in whole groups of `n_ins`."""
        drawn = list(positions)
        if len(drawn) < self.n_ins:
            drawn = np.random.choice(drawn, size=self.n_ins, replace=True).tolist()
        random.shuffle(drawn)
        whole = len(drawn) - len(drawn) % self.n_ins
        return [drawn[start : start + self.n_ins] for start in range(0, whole, self.n_ins)]

    def draw(self) -> list[int]:
        groups = {label: self._chunks(self.index_dic[label]) for label in self.labels}
        available = list(self.labels)
        order: list[int] = []
        while len(available) >= self.ncls_per_batch:
            for label in random.sample(available, self.ncls_per_batch):
                order.extend(groups[label].pop(0))
                if not groups[label]:
                    available.remove(label)
        return order


def build_sampler(
    sampler_type: str,
    cfg: Any = None,
    data_source: Any = None,
    batch_size: int = 32,
    n_domain: int = 0,
    n_ins: int = 16,
) -> Sampler[int]:
    """The sampler of that name.

    Raises:
        UnknownNameError: (a ValueError) no such sampler.
    """
    makers: dict[str, Callable[[], Sampler[int]]] = {
        "RandomSampler": lambda: RandomSampler(data_source),
        "SequentialSampler": lambda: SequentialSampler(data_source),
        "RandomDomainSampler": lambda: RandomDomainSampler(data_source, batch_size, n_domain),
        "SeqDomainSampler": lambda: SeqDomainSampler(data_source, batch_size),
        "RandomClassSampler": lambda: RandomClassSampler(data_source, batch_size, n_ins),
    }
    if sampler_type not in makers:
        raise UnknownNameError(
            f"DATALOADER sampler {sampler_type!r}: not one of {', '.join(makers)}"
        )
    return makers[sampler_type]()
