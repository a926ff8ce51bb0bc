"""How long runs have taken, by times.json."""

import json

import pytest

from runner.launch.times import Times
from runner.plan.jobs import Job


class Book(Times):
    """Records of one folder; `runs` counts their made-up output folders."""

    def __init__(self, folder):
        self.folder, self.runs = folder, 0
        super().__init__(folder / "times.json")

    def job(self, trainer="CoOp", dataset="dtd", kind="train"):
        out = self.folder / f"run{self.runs}"
        argv = ("train.py", "--trainer", trainer)
        return Job("job", "coop", kind, "base", dataset, 1, out, out / "console", "key", argv)

    def note(self, job, seconds=1.0):
        self.runs += 1
        job.folder.mkdir(exist_ok=True)
        record = {"accuracy": 50.0, "seconds": {"build": 0.5, "train": seconds - 0.5}}
        (job.folder / "result.json").write_text(json.dumps(record))
        self.learn(job)
        return self


@pytest.fixture
def book(tmp_path):
    return Book(tmp_path)


def test_the_file_has_a_record_per_trainer_dataset_and_kind(book, tmp_path):
    book.note(book.job(), seconds=71.2).save()
    content = json.loads((tmp_path / "times.json").read_text())
    assert content == {"CoOp dtd train": {"seconds": 71.2}}
    again = Times(tmp_path / "times.json")
    assert again.seconds(book.job()) == 71.2
    for other in ({"trainer": "Op"}, {"dataset": "eurosat"}, {"kind": "test"}):
        assert again.seconds(book.job(**other)) is None


def test_of_several_runs_the_longest_counts_since_a_resumed_one_was_shorter(book):
    assert book.note(book.job(), 60).note(book.job(), 7).seconds(book.job()) == 60


def test_another_runner_that_writes_meanwhile_loses_nothing(book, tmp_path):
    other = Book(tmp_path)
    book.note(book.job("CoOp"), 10).save()
    other.note(book.job("MaPLe"), 20).save()
    both = Times(tmp_path / "times.json")
    assert (both.seconds(book.job("CoOp")), both.seconds(book.job("MaPLe"))) == (10, 20)


@pytest.mark.parametrize(
    "content",
    ['{"CoOp dtd train": {"sec', "[]", "3", '{"CoOp dtd train": 7}', '{"x": {"minutes": 4}}']
    + [f'{{"CoOp dtd train": {{"seconds": {value}}}}}' for value in ("NaN", "-1", '"9"', "true")]
    + ['{"CoOp dtd train": {"seconds": null}}'],
)
def test_a_file_that_is_not_whole_is_no_record(tmp_path, content):
    (tmp_path / "times.json").write_text(content)
    book = Book(tmp_path)
    assert book.seconds(book.job()) is None
    assert book.note(book.job(), 8).seconds(book.job()) == 8


def test_a_file_that_cannot_be_written_is_said_and_spoils_nothing(book, tmp_path, capsys):
    (tmp_path / "file").touch()
    times = Times(tmp_path / "file/times.json")
    times.learn(book.job(), 4.0)
    times.save()
    assert times.seconds(book.job()) == 4.0
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith(f"cannot write {tmp_path}/file/times.json: ")


def test_a_result_that_does_not_say_how_long_it_took_counts_by_the_clock(book):
    job = book.job()
    job.folder.mkdir()
    (job.folder / "result.json").write_text('{"accuracy": 1.0}')
    book.learn(job, 12.5)
    assert book.seconds(job) == 12.5


def test_records_survive_fresh(lab):
    lab.rules = [{"match": "dtd", "record": {"seconds": {"train": 33.0}}}]
    run = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1")
    lab.run(*run)
    file = lab.path / "outputs/times.json"
    assert json.loads(file.read_text())["CoOp dtd train"]["seconds"] == 33.0
    lab.rules = [{"match": "train_base", "exit": 1}]
    assert lab.run(*run, "--fresh").returncode == 1
    assert json.loads(file.read_text())["CoOp dtd train"]["seconds"] == 33.0
