"""`prepare --make-split`: official lists are fetched only for it, and the split says what it is."""

import json

import pytest

from dassl.data.datasets import DATASET_REGISTRY
from datasets.__main__ import run
from datasets.preparing.catalogue import Catalogue
from datasets.preparing.command import prepare
from datasets.preparing.options import Options
from tests.support import official_tree
from tests.support.archives import tar_bytes, zip_bytes
from tests.support.dataset_tree import read
from tests.support.published_files import NOWHERE, catalogue_of, files_of, problems_of, write_files

READERS = pytest.mark.parametrize(
    "reader", official_tree.WRITERS, ids=lambda reader: reader.__name__
)


def pack(reader, root):
    """A dataset's folder as the files that it is published in: file name -> bytes."""
    files, folder = {}, root / reader.dataset_dir
    for entry in Catalogue.published().table[reader.__name__]:
        file = entry["files"][0]
        name, content = file["file"], {}
        for target, places in entry.get("takes", {}).items():
            paths = [p for p in [folder / target, *(folder / target).rglob("*")] if p.is_file()]
            for path in paths:
                below = path.relative_to(folder / target).as_posix()
                content[f"{places[0]}/{below}".removesuffix("/.")] = path.read_bytes()
        if "inner" in file:
            files[name] = zip_bytes({file["inner"]: tar_bytes(content, mode="w:gz")})
        elif content:
            make = zip_bytes if name.endswith(".zip") else tar_bytes
            files[name] = make(content)
        else:
            files[name] = (folder / name).read_bytes()
    return files


@READERS
def test_a_split_is_made_of_fetched_files(tmp_path, tree, reader, monkeypatch, capsys):
    files = pack(reader, tree(reader, "official"))
    given = write_files(tmp_path / "given", files)
    root = tmp_path / "data"
    root.mkdir()
    catalogue = catalogue_of(files, NOWHERE, monkeypatch)
    prepare([reader.__name__], Options(root, given, make_split=True, seed=7), catalogue)
    path = root / reader.dataset_dir / reader.split_file
    assert f"{path} is written; numbers of another split are not comparable with its" in (
        capsys.readouterr().out
    )
    if reader.__name__ != "OxfordFlowers":  # whose small tree has three names of 102
        expected = reader.make_split(tmp_path / "official", 7)
        assert json.loads(path.read_text()) == json.loads(expected.read_text())
    found = read(root, reader)
    assert "--seed 7" in found.split_note
    assert found.train_x and found.val and found.test


@READERS
def test_a_split_that_is_there_is_kept(tmp_path, reader, monkeypatch):
    files = files_of(reader.__name__)
    given = write_files(tmp_path / "given", files)
    catalogue = catalogue_of(files, NOWHERE, monkeypatch)
    prepare([reader.__name__], Options(tmp_path, given), catalogue)
    path = tmp_path / reader.dataset_dir / reader.split_file
    before = path.read_bytes()
    options = Options(tmp_path, given, make_split=True)
    (line,) = problems_of([reader.__name__], options, catalogue)
    assert path.read_bytes() == before
    assert line == f"{reader.__name__}: {path} is there: delete it to make another one"


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("OxfordPets", ["annotations.tar.gz"]),
        ("StanfordCars", ["car_devkit.tgz", "cars_test_annos_withlabels.mat"]),
        ("SUN397", ["Partitions.zip"]),
        ("UCF101", ["UCF101TrainTestSplits-RecognitionTask.zip"]),
    ],
)
def test_official_lists_are_asked_for_only_to_make_a_split(tmp_path, name, files, monkeypatch):
    given = write_files(tmp_path / "given", files_of(name))
    (given / f"split_zhou_{name}.json").unlink()
    (tmp_path / "data").mkdir()
    catalogue = catalogue_of(files_of(name), NOWHERE, monkeypatch)
    lines = {}
    for wanted in (False, True):
        options = Options(tmp_path / "data", given, make_split=wanted)
        lines[wanted] = problems_of([name], options, catalogue)
    assert lines[False][-1].endswith("than published: --make-split")
    assert not any(file in line for file in files for line in lines[False])
    assert all(any(f"get {file} from" in line for line in lines[True]) for file in files)


def test_the_names_of_the_flowers_are_written_for_it(tmp_path, tree, monkeypatch):
    reader = DATASET_REGISTRY.get("OxfordFlowers")
    root = tree(reader)
    path = root / "oxford_flowers" / "cat_to_name.json"
    given = json.loads(path.read_text())
    path.unlink()
    prepare(["OxfordFlowers"], Options(root, make_split=True), Catalogue.published())
    written = json.loads(path.read_text())
    assert len(written) == 102 and written | given == written


def test_a_dataset_without_split_file_is_prepared_beside_one_with(tmp_path, tree, capsys):
    given = write_files(tmp_path / "given", files_of("FGVCAircraft"))
    root = tree(DATASET_REGISTRY.get("DescribableTextures"))
    names = ["FGVCAircraft", "DescribableTextures", "DemoShapesSketch"]
    prepare(names, Options(root, given, make_split=True), Catalogue.published())
    told = capsys.readouterr().out
    for name in ("FGVCAircraft", "DemoShapesSketch"):
        assert f"{name}: Notice: --make-split does not concern it: no split file to make" in told
    assert "FGVCAircraft: can be read; " in told
    assert (root / "dtd" / "split_zhou_DescribableTextures.json").is_file()


def test_pictures_of_your_own_without_split_file_have_nothing_to_prepare(tmp_path, capsys):
    options = Options(tmp_path, make_split=True, dry_run=True)
    lines = problems_of(["demo_suite", "ImageCSV"], options, Catalogue.published())
    assert lines == ["ImageCSV: its folder is your own; nothing is published to prepare"]
    told = capsys.readouterr().out
    assert "DemoShapes: Notice: --make-split does not concern it: no split file to make" in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seed", "1"], "--seed is that of --make-split; give both or none"),
        (["--make-split", "--seed", "-1"], "--seed -1: use 0 or more"),
        (["--from", "/no/such"], "--from /no/such is no folder; give the one with the fetched"),
        (["--seed", "x"], "--seed: invalid int value: 'x'"),
    ],
)
def test_options_that_do_not_fit_are_one_line(tmp_path, capsys, words, message):
    try:
        code = run(["prepare", "eurosat", "--root", str(tmp_path), *words])
    except SystemExit as error:
        code = error.code
    assert code == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")
    assert not list(tmp_path.iterdir())
