"""`python -m datasets prepare` as a user calls it."""

from datasets.__main__ import run
from tests.support.archives import tar_bytes
from tests.support.command import call, python
from tests.support.published_files import files_of, write_files


def prepare(capsys, *words):
    return call(capsys, run, "prepare", *words)


def test_fetched_archives_become_datasets(tmp_path, capsys, monkeypatch):
    (sketches,) = files_of("ImageNetSketch").values()
    files = files_of("FGVCAircraft") | {"imagenet-sketch.zip": sketches}
    given = write_files(tmp_path / "given", files)
    root = tmp_path / "my data"
    root.mkdir()
    words = ["fgvc_aircraft", "ImageNetSketch", "--root", root, "--from", given]
    done = prepare(capsys, *words)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == (
        f"check with: python -m datasets check --root '{root}' FGVCAircraft ImageNetSketch"
    )
    assert "FGVCAircraft: can be read; train, val, test: 1, 1, 1" in lines
    assert "ImageNetSketch: can be read; train, val, test: 1,000, 0, 1,000" in lines
    monkeypatch.setenv("DATA", str(root))
    again = prepare(capsys, "fgvc_aircraft")
    assert again.returncode == 0
    assert again.stdout.startswith("FGVCAircraft: variants.txt, images_variant_train.txt, ")


def test_what_is_missing_is_a_line_each_and_code_2(tmp_path, capsys):
    done = prepare(capsys, "imagenet", "stanford_cars", "--root", tmp_path, "--dry-run")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 4 and all(line.startswith("error: ") for line in lines)
    assert "no such file" not in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_hostile_archive_is_one_line(tmp_path):
    hostile = tar_bytes({"fgvc-aircraft-2013b/data/variants.txt": b"", "../../escaped": b"!"})
    given = write_files(tmp_path / "given", {"fgvc-aircraft-2013b.tar.gz": hostile})
    words = ["prepare", "fgvc_aircraft", "--root", tmp_path, "--from", given]
    done = python("-m", "datasets", *words)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        f"error: FGVCAircraft: {given / 'fgvc-aircraft-2013b.tar.gz'} is refused: its member "
        "'../../escaped' lies outside of it; get the published one"
    )
    assert not list(tmp_path.rglob("escaped"))


def test_mistakes_in_the_command_line_are_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("DATA", raising=False)
    for words, message in [
        (["oxfordpet", "--root", tmp_path], "no dataset oxfordpet; did you mean OxfordPets?"),
        (["eurosat", "--root", tmp_path / "no"], "is no folder; give the folder that holds"),
        (["--root", tmp_path], "the following arguments are required: NAME"),
        (["eurosat"], "no data folder: give --root or set the environment variable DATA"),
    ]:
        done = prepare(capsys, *words)
        assert done.returncode == 2 and message in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_the_demo_is_drawn(tmp_path, capsys):
    done = prepare(capsys, "DemoDigits", "--root", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "demo_digits" / "split_zhou_DemoDigits.json").is_file()
