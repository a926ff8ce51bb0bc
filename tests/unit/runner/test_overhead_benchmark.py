"""The benchmark of the runner's own cost, on few jobs."""

from benchmarks import runner_overhead


def test_a_small_sweep_is_measured_both_ways(monkeypatch, capsys):
    words = ["runner_overhead.py", "--jobs", "4", "--width", "2", "--seconds", "0.05"]
    monkeypatch.setattr("sys.argv", words)
    runner_overhead.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "python benchmarks/runner_overhead.py --jobs 4 --width 2 --seconds 0.05"
    assert lines[1] == "4 jobs on 2 places, isolated:"
    assert lines[7] == "4 jobs on 2 places, warm:"
    filled = [float(line.split()[-1]) for line in lines if "filled" in line]
    assert len(filled) == 2 and all(0 < share <= 100 for share in filled)
