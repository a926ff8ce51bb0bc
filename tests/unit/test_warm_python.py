"""What stands for new Python processes in tests does as they do."""

import os
import signal
import subprocess

import pytest

from tests.support import command
from tests.unit.runner.lab import alive, wait_until

HOW = {"cwd": command.PROJECT, "text": True, "stdout": subprocess.PIPE}


def test_a_command_has_its_words_environment_and_exit_code():
    code = "import os, sys; print(sys.argv, os.environ['CARD']); sys.exit('a mistake')"
    done = command.python("-c", code, "x", warm=True, CARD="3")
    assert (done.returncode, done.stdout) == (1, "['-c', 'x'] 3\n")
    assert done.stderr == "a mistake\n"


def test_a_command_may_have_libraries_but_nothing_of_the_project():
    code = "import sys; print({'torch', 'pandas', 'train', 'runner', 'clip'} & sys.modules.keys())"
    said = command.python("-c", code, warm=True).stdout
    assert "torch" in said and "pandas" in said
    assert not any(name in said for name in ("train", "runner", "clip"))


def test_a_command_that_takes_too_long_is_ended(tmp_path):
    code = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); "
    with pytest.raises(subprocess.TimeoutExpired):
        command.python("-c", f"{code}time.sleep(60)", warm=True, timeout=1)
    wait_until(lambda: not alive(int((tmp_path / "pid").read_text())))


@pytest.mark.parametrize(("flags", "loaded"), [("", "True"), ("'-S', ", "False")])
def test_what_a_command_starts_is_a_fork_too_unless_flags_ask_for_an_interpreter(flags, loaded):
    asks = "import sys; print('torch' in sys.modules)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, {flags}'-c', {asks!r}])"
    done = command.python("-c", code, warm=True)
    assert done.stdout == f"{loaded}\n", done.stderr


def test_open_files_reach_a_fork_and_signals_end_it():
    reader, writer = os.pipe()
    code = f"import os, time; os.write({writer}, b'here'); time.sleep(60)"
    words = [command.forking_python(), "-c", code]
    process = subprocess.Popen(words, env=command.environment(), pass_fds=[writer])
    os.close(writer)
    assert os.read(reader, 9) == b"here"
    process.kill()
    assert os.read(reader, 9) == b"", "the fork is gone with it"
    assert process.wait(30) == -signal.SIGKILL
    os.close(reader)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_fork_takes_signals_itself(number):
    env = command.environment(PYTHONUNBUFFERED="1")
    process = command.Forked(
        ["-c", "import os, time; print(os.getpid()); time.sleep(60)"], env=env, **HOW
    )
    assert int(process.stdout.readline()) == process.number
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == -number
