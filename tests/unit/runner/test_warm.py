"""Jobs as forks of one process: what a job does to itself, the next one does not see."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.launch.interface import Code
from runner.launch.warm_worker import Warm
from tests.unit.runner.lab import alive, wait_until

REPO = Path(__file__).resolve().parents[3]
SERVER = f"""
import os, random, socket, sys
sys.path.insert(0, {str(REPO)!r})
from dassl.utils.serving import JobServer, end_with

LOADED = ["at the start"]  # stands for everything that takes long to load
kept = []
if "--serve" in sys.argv:
    words = JobServer(socket.socket(fileno=int(sys.argv[-1])), kept.append).serve()
    where = "fork"
else:
    words = sys.argv[1:]
    where = "own process"
if words is not None and where == "fork":
    end_with(lambda: exec(words[0]))
elif words:
    exec(words[0])
"""


@pytest.fixture
def server(tmp_path):
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    starter = Warm((sys.executable, str(script)), {"OMP_NUM_THREADS": "1"})
    jobs = Jobs(starter, (sys.executable, str(script)), tmp_path)
    yield jobs
    starter.close()
    for file in jobs.files:
        file.close()


class Jobs:
    """Starts jobs, each a piece of Python, and waits for them."""

    def __init__(self, starter, command, folder):
        self.starter, self.command, self.folder = starter, command, folder
        self.count, self.files = 0, []

    def start(self, code, **environment):
        self.count += 1
        path = self.folder / f"{self.count}.txt"
        output = path.open("ab")  # open as long as the job runs, as a launcher keeps it
        self.files.append(output)
        return self.starter.start((*self.command, code), environment, output), path

    def run(self, code, **environment):
        """Exit code and output of a job, which is started again where it was not."""
        process, path = self.start(code, **environment)
        wait_until(process.ended)
        if process.exit_code == Code.NOT_STARTED:
            return self.run(code, **environment)
        return process.exit_code, path.read_text()


def test_jobs_run_in_forks_with_their_own_environment_and_output(server):
    assert server.run("print(where, os.environ['CARD'])", CARD="3") == (0, "fork 3\n")
    assert server.run("print(where, 'CARD' in os.environ)") == (0, "fork False\n")


def test_what_a_job_changes_the_next_one_does_not_see(server):
    server.run("LOADED[0] = 'changed'; os.chdir('/'); os.environ['LEAK'] = '1'; sys.path.clear()")
    code = "print(LOADED[0], os.getcwd() == '/', 'LEAK' in os.environ, len(sys.path) > 0)"
    assert server.run(code) == (0, "at the start False False True\n")


@pytest.mark.parametrize(
    ("code", "exit_code", "printed"),
    [
        ("sys.exit(3)", 3, ""),
        ("sys.exit('error: a mistake')", 1, "error: a mistake"),
        ("os._exit(7)", 7, ""),
        ("raise ValueError('broken')", 1, "ValueError: broken"),
        ("os.abort()", -signal.SIGABRT, ""),
        ("os.kill(os.getpid(), 9)", -signal.SIGKILL, ""),  # as the kernel does when memory is out
        (
            "import resource; resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9)); "
            "bytearray(10**10)",
            1,
            "MemoryError",
        ),
    ],
)
def test_a_job_that_dies_takes_nobody_with_it(server, code, exit_code, printed):
    other, path = server.start("import time; time.sleep(0.5); print('well')")
    found, output = server.run(code)
    assert found == exit_code
    assert printed in output
    wait_until(other.ended)
    assert (other.exit_code, path.read_text()) == (0, "well\n")
    assert server.run("print(where)") == (0, "fork\n")


def test_a_job_is_prepared_before_it_is_forked_and_the_later_ones_have_it_too(server):
    code = "print(len(kept))"
    assert [server.run(code)[1] for _ in range(2)] == ["1\n", "2\n"]


def test_two_jobs_without_a_seed_draw_different_numbers(server):
    code = "import numpy; print(random.random(), numpy.random.rand())"
    first, second = (server.run(code)[1].split() for _ in range(2))
    assert set(first).isdisjoint(second)


def test_a_job_and_what_it_started_end_together(server, tmp_path):
    file = tmp_path / "child.pid"
    code = (
        "import subprocess; p = subprocess.Popen(['sleep', '60']); "
        f"open({str(file)!r}, 'w').write(str(p.pid))"
    )
    assert server.run(code)[0] == 0
    wait_until(lambda: not alive(int(file.read_text())))
    process, _ = server.start("import time; time.sleep(60)")
    wait_until(lambda: process.ended() or process.pid)
    process.end(signal.SIGTERM)
    wait_until(process.ended)
    assert process.exit_code == -signal.SIGTERM


def test_a_lost_server_takes_its_job_with_it_and_the_others_go_on_without(server):
    job, path = server.start("import time; print(os.getppid(), flush=True); time.sleep(60)")
    wait_until(lambda: job.ended() or path.read_text())
    os.kill(int(path.read_text()), signal.SIGKILL)
    follower, said = server.start("print(where)")
    wait_until(job.ended)
    assert job.exit_code is None  # nobody is left who could tell
    wait_until(lambda: not alive(job.pid))
    wait_until(follower.ended)
    assert (follower.exit_code, said.read_text()) in ((Code.NOT_STARTED, ""), (0, "own process\n"))
    assert server.run("print(where)") == (0, "own process\n")


def test_without_a_server_jobs_are_processes_of_their_own(server, tmp_path):
    script = tmp_path / "server.py"
    script.write_text("import sys\nif '--serve' in sys.argv: sys.exit(1)\n" + SERVER)
    for _ in range(2):
        assert server.run("print(where)") == (0, "own process\n")


def test_another_program_is_a_process_of_its_own(server, tmp_path):
    with (tmp_path / "out.txt").open("wb") as output:
        process = server.starter.start(("sh", "-c", "echo $CARD; exit 4"), {"CARD": "2"}, output)
        wait_until(process.ended)
    assert (process.exit_code, (tmp_path / "out.txt").read_text()) == (4, "2\n")


def test_a_command_line_may_be_long(server):
    assert server.run(f"print(where, len({'x' * 100_000!r}))") == (0, "fork 100000\n")
    assert server.run("print(where)") == (0, "fork\n")


def test_many_requests_at_once_all_have_their_own_output(server):
    jobs = [server.start(f"print({number})") for number in range(60)]
    for number, (job, path) in enumerate(jobs):
        wait_until(job.ended)
        assert (job.exit_code, path.read_text()) == (0, f"{number}\n")


def test_hundreds_of_jobs_leave_no_open_file_on_either_side(server):
    count = "print(len(os.listdir('/proc/self/fd')))"
    first = server.run(count)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(100):
        server.run("pass")
        server.files.pop().close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert server.run(count) == first


def test_a_job_that_is_told_to_end_before_the_server_is_up_never_starts(tmp_path):
    script = tmp_path / "server.py"
    script.write_text("import time\ntime.sleep(60)\n" + SERVER)
    starter = Warm((sys.executable, str(script)), {})
    jobs = Jobs(starter, (sys.executable, str(script)), tmp_path)
    process, path = jobs.start("print('started')")
    began = time.monotonic()
    process.end(signal.SIGTERM)
    wait_until(process.ended)
    assert process.exit_code == -signal.SIGTERM and time.monotonic() - began < 30
    assert path.read_text() == ""
    starter.close()


def test_a_server_that_hangs_in_a_job_s_preparation_is_ended_with_it(tmp_path):
    script = tmp_path / "server.py"
    hangs = "lambda argv: (print(1, file=open('hangs', 'w')), __import__('time').sleep(60))"
    script.write_text(
        SERVER.replace("kept.append", hangs.replace("hangs", str(tmp_path / "hangs")))
    )
    starter = Warm((sys.executable, str(script)), {})
    jobs = Jobs(starter, (sys.executable, str(script)), tmp_path)
    process, path = jobs.start("print('started')")
    wait_until(lambda: process.ended() or (tmp_path / "hangs").exists())
    process.end(signal.SIGTERM)
    assert not process.ended()  # as long as jobs beside it may need to end well
    process.end(signal.SIGKILL)
    wait_until(process.ended)
    assert path.read_text() == ""
    starter.close()


def test_a_server_that_dies_as_soon_as_it_has_forked_has_no_job_run_twice(tmp_path):
    script = tmp_path / "server.py"
    dies = "\nfork = os.fork\nos.fork = lambda: fork() and os.kill(os.getpid(), 9)\n"
    script.write_text(SERVER.replace("\nLOADED", f"{dies}\nLOADED"))
    starter = Warm((sys.executable, str(script)), {})
    jobs = Jobs(starter, (sys.executable, str(script)), tmp_path)
    process, path = jobs.start("print(where, flush=True); import time; time.sleep(60)")
    wait_until(process.ended)
    assert process.exit_code is None
    wait_until(lambda: not alive(process.pid))
    assert path.read_text() in ("", "fork\n")
    starter.close()


def test_a_fork_whose_asker_has_gone_does_not_start(tmp_path):
    asker, channel = socket.socketpair()
    with (tmp_path / "out.txt").open("wb") as output:
        request = {"id": 1, "argv": ["print('started')"], "env": {}}
        socket.send_fds(asker, [json.dumps(request).encode() + b"\n"], [output.fileno()])
        asker.close()
        script = tmp_path / "server.py"
        script.write_text(SERVER)
        words = [sys.executable, str(script), "--serve", str(channel.fileno())]
        subprocess.run(words, pass_fds=[channel.fileno()], timeout=20, check=False)
    channel.close()
    assert (tmp_path / "out.txt").read_text() == ""


def test_what_a_job_does_with_signals_is_its_own(server):
    server.run("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    process, _ = server.start("import time; time.sleep(60)")
    wait_until(lambda: process.ended() or process.pid)
    process.end(signal.SIGTERM)
    wait_until(process.ended)
    assert process.exit_code == -signal.SIGTERM


def test_a_job_that_leaves_a_daemon_behind_has_ended(server, tmp_path):
    file = tmp_path / "daemon.pid"
    code = (
        "import subprocess; p = subprocess.Popen(['sleep', '60'], start_new_session=True); "
        f"open({str(file)!r}, 'w').write(str(p.pid))"
    )
    assert server.run(code)[0] == 0
    daemon = int(file.read_text())
    assert alive(daemon)  # it has left the job's group on purpose
    os.kill(daemon, signal.SIGKILL)


@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="needs Linux")
def test_where_memory_runs_out_a_job_is_killed_before_the_server(server):
    code = (
        "read = lambda pid: int(open(f'/proc/{pid}/oom_score_adj').read()); "
        "print(read('self') > read(os.getppid()))"
    )
    assert server.run(code) == (0, "True\n")
