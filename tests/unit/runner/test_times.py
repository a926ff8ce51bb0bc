"""How long runs have taken, by times.json."""

import json

import pytest

from runner.launch.times import Times


def words(trainer="CoOp", dataset="dtd", kind="train"):
    flags = ["train.py", "--trainer", trainer, "--dataset-config-file", f"datasets/{dataset}.yaml"]
    return (*flags, "--eval-only") if kind == "test" else tuple(flags)


class Book(Times):
    """Records of one folder; `runs` counts their made-up output folders."""

    def __init__(self, folder):
        self.folder, self.runs = folder, 0
        super().__init__(folder / "times.json")

    def note(self, argv, seconds=1.0):
        self.runs += 1
        out = self.folder / f"run{self.runs}"
        out.mkdir(exist_ok=True)
        record = {"accuracy": 50.0, "seconds": {"build": 0.5, "train": seconds - 0.5}}
        (out / "result.json").write_text(json.dumps(record))
        self.learn(argv, out)
        return self


@pytest.fixture
def book(tmp_path):
    return Book(tmp_path)


def test_the_file_has_a_record_per_trainer_dataset_and_kind(book, tmp_path):
    book.note(words(), seconds=71.2).save()
    content = json.loads((tmp_path / "times.json").read_text())
    assert content == {"CoOp dtd train": {"seconds": 71.2}}
    assert Times(tmp_path / "times.json").seconds(words()) == 71.2


def test_a_run_without_a_record_takes_the_mean_of_its_dataset_else_of_its_kind(book):
    assert book.seconds(words()) is None
    book.note(words("CoOp", "eurosat"), 10).note(words("MaPLe", "eurosat"), 30)
    book.note(words("MaPLe", "imagenet"), 200).note(words("MaPLe", "eurosat", "test"), 5)
    assert book.seconds(words("CoOp", "eurosat")) == 10
    assert book.seconds(words("KgCoOp", "eurosat")) == 20
    assert book.seconds(words("KgCoOp", "dtd")) == 80
    assert book.seconds(words("Op", "eurosat")) == 20  # not CoOp's own
    assert book.seconds(words("KgCoOp", "dtd", "test")) == 5


def test_of_several_runs_the_longest_counts_since_a_resumed_one_was_shorter(book):
    assert book.note(words(), 60).note(words(), 7).seconds(words()) == 60


def test_another_runner_that_writes_meanwhile_loses_nothing(book, tmp_path):
    other = Book(tmp_path)
    book.note(words("CoOp"), 10).save()
    other.note(words("MaPLe"), 20).save()
    both = Times(tmp_path / "times.json")
    assert (both.seconds(words("CoOp")), both.seconds(words("MaPLe"))) == (10, 20)


@pytest.mark.parametrize(
    "content",
    ['{"CoOp dtd train": {"sec', "[]", "3", '{"CoOp dtd train": 7}', '{"x": {"seconds": 4}}']
    + [f'{{"CoOp dtd train": {{"seconds": {value}}}}}' for value in ("NaN", "-1", '"9"', "true")]
    + ['{"CoOp dtd train": {"seconds": null}}'],
)
def test_a_file_that_is_not_whole_is_no_record(tmp_path, content):
    (tmp_path / "times.json").write_text(content)
    book = Book(tmp_path)
    assert book.seconds(words()) is None
    assert book.note(words(), 8).seconds(words()) == 8


def test_a_file_that_cannot_be_written_is_said_and_spoils_nothing(tmp_path, capsys):
    (tmp_path / "file").touch()
    book = Times(tmp_path / "file/times.json")
    book.learn(words(), tmp_path, 4.0)
    book.save()
    assert book.seconds(words()) == 4.0
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith(f"cannot write {tmp_path}/file/times.json: ")


def test_a_result_that_does_not_say_how_long_it_took_counts_by_the_clock(book, tmp_path):
    (tmp_path / "result.json").write_text('{"accuracy": 1.0}')
    book.learn(words(), tmp_path, 12.5)
    assert book.seconds(words()) == 12.5


def test_records_survive_fresh(lab):
    lab.rules = [{"match": "dtd", "record": {"seconds": {"train": 33.0}}}]
    run = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1")
    lab.run(*run)
    file = lab.path / "outputs/times.json"
    assert json.loads(file.read_text())["CoOp dtd train"]["seconds"] == 33.0
    lab.rules = [{"match": "train_base", "exit": 1}]
    assert lab.run(*run, "--fresh").returncode == 1
    assert json.loads(file.read_text())["CoOp dtd train"]["seconds"] == 33.0
