"""Makes one dataset's folder complete, as far as that can be done without the user."""

import contextlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from dassl.config import get_cfg_default
from dassl.utils.errors import UserError
from dassl.utils.files import atomic_write
from datasets.parts.folders import near_folder
from datasets.parts.imagenet_folders import WnidFolders
from datasets.preparing import imagenet
from datasets.preparing.catalogue import Catalogue, Part, PublishedFile
from datasets.preparing.derived import derived_files, is_as_derived
from datasets.preparing.making import is_filled, link, make
from datasets.preparing.options import Options
from datasets.preparing.sources import Sources
from datasets.preparing.unpack import staging
from downloads import locked


class Preparation:
    """The preparation of one dataset; `run` does it.

    Args:
        reader: the dataset's class.
        options: see there.
        catalogue: where everything is published.
    """

    def __init__(self, reader: Any, options: Options, catalogue: Catalogue) -> None:
        self.reader, self.options = reader, options
        self.folder = options.root / reader.dataset_dir
        self.split_name = getattr(reader, "split_file", "")
        self.parts = catalogue.parts_of(reader)
        self.sources = Sources(options.root, reader.dataset_dir, options.given)
        self.problems: list[str] = []

    def run(self) -> list[str]:
        """Do it.

        Returns:
            one line for each thing that is missing; none if the reader can read the dataset.
        """
        with self._collecting():
            self._run()
        name = self.reader.__name__
        return [f"{name}: {line.removeprefix(f'{name}: ')}" for line in self.problems]

    def _run(self) -> None:
        if hasattr(self.reader, "make_folder"):
            self._do(
                f"its pictures are drawn into {self.folder}",
                lambda: self.reader.make_folder(self.options.root),
            )
            return
        self._refuse_second_split()
        self._link_folder()
        for part in self.parts:
            with self._collecting():
                if self._is_wanted(part):
                    self._prepare_part(part)
        self._write_derived()
        if self.options.make_split and not self.problems:
            self._make_split()
        if not self.problems and not self.options.dry_run:
            self._read()

    @contextlib.contextmanager
    def _collecting(self) -> Iterator[None]:
        """Keep what goes wrong inside as a problem, and go on."""
        try:
            yield
        except UserError as error:
            self.problems += error.problems
        except OSError as error:
            self.problems.append(f"{error.filename or self.folder}: {error.strerror or error}")

    def _is_wanted(self, part: Part) -> bool:
        if part.to_make_split:
            return self.options.make_split
        return not (self.options.make_split and self.split_name in part.takes)

    def _say(self, line: str) -> None:
        print(f"{self.reader.__name__}: {line}", flush=True)

    def _refuse_second_split(self) -> None:
        path = self.folder / self.split_name
        if self.options.make_split and self.split_name and os.path.lexists(path):
            raise UserError(f"{path} is there: delete it to make another one")

    def _do(self, what: str, action: Callable[[], object]) -> None:
        """Say what is done and do it, or say that it would be."""
        if self.options.dry_run:
            self._say(f"would do: {what}")
        else:
            self._say(what)
            action()

    def _link_folder(self) -> None:
        """A link under the published name to a folder named nearly so that has the images."""
        root = self.options.root
        near = None if os.path.lexists(self.folder) else near_folder(str(root), self.reader)
        if near is None:
            return
        firsts = {Path(target).parts[0] for part in self.parts for target in part.takes}
        if any((root / near / first).exists() for first in firsts):
            what = f"{self.folder} becomes a symbolic link to {near}"
            self._do(what, partial(link, self.folder, near))
            if self.options.dry_run:  # the rest is foretold of what the link would lead to
                self.folder = root / near

    def _missing(self, part: Part) -> list[str]:
        """The paths of a part that are not there."""
        return [target for target in part.takes if not is_filled(self.folder / target)]

    def _link_misplaced(self, part: Part) -> list[str]:
        """Links to what was unpacked by hand and left a folder too deep, or under another name;
        gives the paths of the part that are still not there.
        """
        missing = self._missing(part)
        for target in list(missing):
            path = self.folder / target
            for name in part.takes[target]:
                if name != target and not os.path.lexists(path) and (self.folder / name).exists():
                    aim = os.path.relpath(self.folder / name, path.parent)
                    self._do(f"{path} becomes a symbolic link to {aim}", partial(link, path, aim))
                    missing.remove(target)
                    break
        return missing

    def _prepare_part(self, part: Part) -> None:
        path = self.folder / next(iter(part.takes))
        missing = self._link_misplaced(part)
        if not missing:
            if part.kind == "imagenet val" and path.is_dir() and imagenet.is_flat(path):
                self._sort_val(part, path)
            else:
                self._say(f"{', '.join(part.takes)}: there")
        elif self.options.dry_run:
            self._foretell(part, missing)
        else:
            found = self.sources.obtain(part.files)
            if found is None:
                self.problems += self.sources.faults
                self._lack(part, missing)
            else:
                for fault in self.sources.faults:
                    self._say(fault)
                self._take(part, *found)

    def _lack(self, part: Part, missing: list[str]) -> None:
        advice = self.sources.how_to_get(part)
        if self.split_name in part.takes:
            advice += "; or make one of your own, with other numbers than published: --make-split"
        self.problems.append(f"no {self.folder / missing[-1]}; {advice}")

    def _foretell(self, part: Part, missing: list[str]) -> None:
        paths = ", ".join(str(self.folder / target) for target in missing)
        for file in part.files:
            for path in self.sources.present(file):
                condition = f" if its {file.checksum.name} is right" if file.checksum else ""
                self._say(f"would do: {path} becomes {paths}{condition}")
                return
        for file in filter(self.sources.is_offered, part.files):
            self._say(f"would do: {file.url} is downloaded and becomes {paths}")
            return
        self._lack(part, missing)

    def _take(self, part: Part, file: PublishedFile, path: Path) -> None:
        """Put what a file holds in its place, whole or not at all."""
        unsure = "" if file.checksum else "; no checksum of it is published, so it is not verified"
        self._say(f"{path} becomes {self.folder / list(part.takes)[-1]}{unsure}")
        with self._lock():
            missing = self._missing(part)
            if not missing:  # another process did it meanwhile
                return
            parent = (self.folder / missing[0]).parent
            resumes = part.kind == "imagenet train"
            hidden = parent / f".unpacking-{path.name}"
            with staging(hidden, resumes=resumes) as staged:
                make(part, file, path, staged, lambda: self._val_classes(part))
                for target in missing:
                    self.put_in_place(staged, target)

    def _lock(self) -> contextlib.AbstractContextManager[None]:
        """Held while a part is put in its place: calls at the same time wait for each other."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return locked(self.folder / ".prepare.lock")

    def put_in_place(self, staged: Path, target: str) -> None:
        """Move a path of a part from where it was made to the dataset's folder."""
        path = self.folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            path.unlink()  # to nothing, or to what is empty
        elif path.is_dir():
            path.rmdir()  # it is empty
        (staged / target).rename(path)

    def _sort_val(self, part: Part, path: Path) -> None:
        """Sort validation images that lie in their folder without class folders."""
        if self.options.dry_run:
            self._say(f"would do: the images in {path} are sorted into class folders")
            return
        classes = self._val_classes(part)
        self._say(f"the images in {path} are sorted into class folders")
        with self._lock(), staging(path.with_name(f".sorting-{path.name}")) as staged:
            if imagenet.is_flat(path):  # no other process did it meanwhile
                imagenet.sort_in_place(path, staged / path.name, classes)

    def _val_classes(self, part: Part) -> list[str]:
        assert part.sorted_by is not None
        found = self.sources.obtain((part.sorted_by,))
        if found is None:
            needed = f"sorting validation images into classes needs {part.sorted_by.name}"
            advice = f"get it from {part.page} and give its folder by --from"
            raise UserError([*self.sources.faults, f"{needed}; {advice}"])
        return imagenet.read_devkit(found[1])

    def _write_derived(self) -> None:
        """Files whose content is known."""
        for name, content in derived_files(self.reader, for_split=self.options.make_split).items():
            path = self.folder / name
            if not is_filled(path):
                self._do(f"{path} is written", partial(atomic_write, path, content))
            elif is_as_derived(path, content, self.reader):
                self._say(f"{name}: there")
            else:
                line = f"{path} is not the published one; delete it"
                if issubclass(self.reader, WnidFolders):  # a run would take wrong class names
                    self.problems.append(f"{line} and run this again, which writes that")
                else:
                    self._say(f"{line} to have that written")

    def _make_split(self) -> None:
        if self.options.dry_run:
            self._say(f"would do: a split file is made in {self.folder}")
        else:
            file = self.reader.make_split(self.options.root, self.options.seed)
            self._say(f"{file} is written; numbers of another split are not comparable with its")

    def _read(self) -> None:
        """The last word is the reader's own."""
        cfg = get_cfg_default()
        cfg.DATASET.ROOT = str(self.options.root)
        found = self.reader(cfg)
        counts = (len(found.train_x), len(found.val or ()), len(found.test))
        self._say("can be read; train, val, test: " + ", ".join(f"{count:,}" for count in counts))
