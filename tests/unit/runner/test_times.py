"""What runs have cost, by times.json."""

import json

import pytest

from runner.launch import times
from runner.launch.times import Times


def words(trainer="CoOp", dataset="dtd", kind="train"):
    flags = ["train.py", "--trainer", trainer, "--dataset-config-file", f"datasets/{dataset}.yaml"]
    return (*flags, "--eval-only") if kind == "test" else tuple(flags)


class Book(Times):
    """Records of one folder; `runs` counts their made-up output folders."""

    def __init__(self, folder):
        self.folder, self.runs = folder, 0
        super().__init__(folder / "times.json")

    def note(self, argv, seconds=1.0, peak=100.0, device="NVIDIA A100"):
        self.runs += 1
        out = self.folder / f"run{self.runs}"
        out.mkdir(exist_ok=True)
        record = {"accuracy": 50.0, "peak_memory_mb": peak, "device": device}
        record["seconds"] = {"build": 0.5, "train": seconds - 0.5}
        (out / "result.json").write_text(json.dumps(record))
        self.learn(argv, out)
        return self


@pytest.fixture
def book(tmp_path):
    return Book(tmp_path)


def test_the_file_has_a_record_per_trainer_dataset_and_kind(book, tmp_path):
    book.note(words(), seconds=71.2, peak=2210.4).save()
    content = json.loads((tmp_path / "times.json").read_text())
    record = {"seconds": 71.2, "peak_memory_mb": 2210.4, "device": "NVIDIA A100"}
    assert content == {"CoOp dtd train": record}
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


def test_memory_without_a_record_is_the_most_of_the_same_trainer(book):
    assert book.memory(words()) is None
    book.note(words("CoOp", "eurosat"), peak=1000).note(words("CoOp", "imagenet"), peak=9000)
    book.note(words("MaPLe", "dtd"), peak=20000)
    assert book.memory(words("CoOp", "eurosat")) == 1000
    assert book.memory(words("CoOp", "dtd")) == 9000
    assert book.memory(words("CoOp", "dtd", "test")) == 9000
    assert book.memory(words("KgCoOp", "dtd")) is None


def test_memory_of_a_run_on_cpu_says_nothing_of_a_gpu(book):
    book.note(words(), peak=1000, device="cpu (x86_64, 2 threads)")
    assert book.memory(words()) is None
    assert book.note(words(), peak=500).memory(words()) == 500  # not the larger one of before


def test_of_several_runs_the_dearest_counts_since_a_resumed_one_was_shorter(book):
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
    assert book.seconds(words()) is None and book.memory(words()) is None
    assert book.note(words(), 8).seconds(words()) == 8


def test_a_file_that_cannot_be_written_is_said_once_and_spoils_nothing(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(times, "INTERVAL", 0.0)
    (tmp_path / "file").touch()
    book = Times(tmp_path / "file/times.json")
    for _ in range(3):
        book.learn(words(), tmp_path, 4.0)
    assert book.seconds(words()) == 4.0
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith(f"cannot write {tmp_path}/file/times.json: ")


def test_a_result_that_does_not_say_how_long_it_took_counts_by_the_clock(book, tmp_path):
    (tmp_path / "result.json").write_text('{"accuracy": 1.0}')
    book.learn(words(), tmp_path, 12.5)
    assert book.seconds(words()) == 12.5


def test_records_survive_fresh(lab):
    cost = {"seconds": {"train": 33.0}, "peak_memory_mb": 10.0, "device": "cpu"}
    lab.rules = [{"match": "dtd", "record": cost}]
    run = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1")
    lab.run(*run)
    file = lab.path / "outputs/times.json"
    assert json.loads(file.read_text())["CoOp dtd train"]["seconds"] == 33.0
    lab.rules = [{"match": "train_base", "exit": 1}]
    assert lab.run(*run, "--fresh").returncode == 1
    assert json.loads(file.read_text())["CoOp dtd train"]["seconds"] == 33.0
