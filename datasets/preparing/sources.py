"""Where the files lie that a dataset is made from: fetched by the user, or downloaded."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import downloads
from datasets.preparing.catalogue import Part, PublishedFile

FOLDER = "downloads"  # below the root


@dataclass
class Sources:
    """The files of one dataset.

    Attributes:
        root: the folder of the datasets; what is downloaded goes to `downloads/` in it.
        folder: name of the dataset's folder.
        given: a folder with files that the user has fetched, --from; they are only read.
        faults: of the last files that were asked for, one line for each that was found and not
            used, or could not be downloaded.
    """

    root: Path
    folder: str
    given: Path | None = None
    faults: list[str] = field(default_factory=list)

    def present(self, file: PublishedFile) -> list[Path]:
        """Files of this name that are there: in --from (there may be a folder for the dataset in
        it, since names like images.tar.gz mean little), and in the dataset's folder.
        """
        folders = [self.given / self.folder, self.given] if self.given else []
        paths = [folder / file.name for folder in (*folders, self.root / self.folder)]
        return [path for path in paths if path.is_file()]

    def is_offered(self, file: PublishedFile) -> bool:
        """Whether it can be downloaded."""
        return bool(file.url and file.checksum)

    def obtain(self, files: Sequence[PublishedFile]) -> tuple[PublishedFile, Path] | None:
        """The first of some files that is there with its checksum, else that can be downloaded."""
        self.faults = []
        for file in files:
            for path in self.present(file):
                fault = self._fault(file, path)
                if not fault:
                    return file, path
                self.faults.append(fault)
        for file in filter(self.is_offered, files):
            try:
                return file, self._download(file)
            except downloads.DownloadError as error:
                self.faults.append(str(error))
        return None

    def _fault(self, file: PublishedFile, path: Path) -> str:
        """Why a file that is there is not used; "" if it is."""
        if file.checksum is None:
            return ""
        try:
            found = file.checksum.of(path)
        except OSError as error:
            return f"{path} cannot be read ({error.strerror}); not used: fetch it again"
        if found == file.checksum.digest:
            return ""
        return (
            f"{path}: its {file.checksum.name} is {found}, that of the published file "
            f"{file.checksum.digest}; not used: fetch it again"
        )

    def _download(self, file: PublishedFile) -> Path:
        assert file.checksum is not None
        target = self.root / FOLDER / self.folder / file.name
        remedy = "free the space or give another --root"
        return downloads.fetch(file.url, target, file.checksum, remedy=remedy)

    def how_to_get(self, part: Part) -> str:
        """What the user does to get a part that is not there."""
        if not part.files:
            source = part.page or "wherever you have them from: they were never published"
            return f"get the images from {source}"
        names = " or ".join(file.name for file in part.files)
        reason = "" if any(map(self.is_offered, part.files)) else f" ({part.note})"
        place = "put it there or give its folder by --from"
        if part.kind != "file":
            place = "give its folder by --from"
        return f"get {names} from {part.page}{reason} and {place}"
