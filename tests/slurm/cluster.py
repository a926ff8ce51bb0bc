"""A real SLURM on this machine, for as long as a command runs.

    python tests/slurm/cluster.py [--accounting] COMMAND ...

Needs root and Debian's packages, which it installs where they are missing; neither systemd nor
cgroups, and no network but the loopback. Everything lies in one new folder; nothing is written to
/etc. Clients find the cluster by SLURM_CONF. Nodes are slurmd processes of this host: n1 and n2 in
the partition `main`, n3 and n4, whose slurmd tests may kill, in `fragile`; each has two GPUs that
are links to /dev/null. Where no cluster can be had, the command runs without one, and
PROMPTLAB_NO_SLURM says why.
"""

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from cluster_files import ACCOUNTING, CONFIG, DBD, NO_ACCOUNTING

NODES = ("n1", "n2", "n3", "n4")
GPUS = 2
TOOLS = {"slurmctld": "slurmctld", "slurmd": "slurmd", "sbatch": "slurm-client", "munged": "munge"}
DATABASE = {"slurmdbd": "slurmdbd", "mariadbd": "mariadb-server"}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class NoCluster(Exception):
    """Why there is none."""


def install(tools: dict[str, str]) -> None:
    """Install what is missing, by apt."""
    missing = {package for tool, package in tools.items() if not shutil.which(tool, path=PATH)}
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise NoCluster(f"not installed: {', '.join(sorted(missing))}, and there is no apt-get")
    # RUNLEVEL: the packages must start no daemons.
    env = {**os.environ, "RUNLEVEL": "1", "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-q"], ["install", "-yq", "--no-install-recommends", *missing]):
        if subprocess.run(["apt-get", *words], env=env, stdout=sys.stderr).returncode:
            raise NoCluster(f"apt-get {words[0]} failed")


class Cluster:
    """The daemons and their folder."""

    def __init__(self, *, accounting: bool) -> None:
        self.accounting = accounting
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.folder.chmod(0o755)  # munged refuses a socket that others cannot reach
        self.host = socket.gethostname().partition(".")[0]
        self.ports = free_ports(len(NODES) + 3)
        self.env = {
            **os.environ,
            "PATH": f"{os.environ.get('PATH', '')}:{PATH}",
            "SLURM_CONF": str(self.folder / "slurm.conf"),
        }
        self._database: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start everything and wait until all nodes are idle."""
        for name in ("munge", "socket", "state", "log", "pid", "dev", "spool"):
            (self.folder / name).mkdir()
        (self.folder / "munge").chmod(0o700)
        self._write_config()
        self._start_munge()
        if self.accounting:
            self._start_database()
        self._daemon("slurmctld")
        for node in NODES:
            (self.folder / "spool" / node).mkdir()
            self._daemon("slurmd", "-N", node)
        self._wait("all nodes idle", self._all_idle)
        if self.accounting:
            self._wait("sacct answers", lambda: self._asks("sacct", "-n") is not None)

    def stop(self) -> None:
        """End the jobs, then the daemons, then what has outlived them; remove the folder."""
        self._asks("scancel", "--state=PENDING", "--state=RUNNING")
        with contextlib.suppress(NoCluster):
            self._wait("no job runs", lambda: self._asks("squeue", "-h", "-t", "R,CG") == "", 15)
        names = [*(f"slurmd.{node}" for node in NODES), "slurmctld", "slurmdbd", "munged"]
        for name in names:
            end(self.folder / "pid" / name, name.partition(".")[0])
        if self._database:
            self._database.terminate()
            self._database.wait(timeout=30)
        for pid in ours(self.env["SLURM_CONF"]):  # steps of a slurmd that was killed
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write_config(self) -> None:
        control, first, dbd = self.ports[0], self.ports[1], self.ports[-2]
        for number in range(GPUS):  # a character device whose name ends in its number
            (self.folder / f"dev/gpu{number}").symlink_to("/dev/null")
        files = f"{self.folder}/dev/gpu[0-{GPUS - 1}]"
        (self.folder / "gres.conf").write_text(f"NodeName=n[1-4] Name=gpu File={files}\n")
        accounting = ACCOUNTING if self.accounting else NO_ACCOUNTING
        text = CONFIG.format(
            host=self.host,
            port=control,
            first=first,
            last=first + len(NODES) - 1,
            gpus=GPUS,
            folder=self.folder,
            accounting=accounting.format(port=dbd, folder=self.folder),
        )
        (self.folder / "slurm.conf").write_text(text)

    def _start_munge(self) -> None:
        key = self.folder / "munge/key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))
        self._daemon(
            "munged",
            f"--key-file={key}",
            f"--socket={self.folder}/socket/munge",
            f"--pid-file={self.folder}/pid/munged",
            f"--log-file={self.folder}/munge/log",
            f"--seed-file={self.folder}/munge/seed",
        )

    def _start_database(self) -> None:
        dbd, port = self.ports[-2], self.ports[-1]
        data, password = self.folder / "db", secrets.token_hex(12)
        data.mkdir()
        shutil.chown(data, "mysql")
        common = ["--no-defaults", "--user=mysql", f"--datadir={data}"]
        with (self.folder / "log/mariadb").open("wb") as log:
            made = subprocess.run(
                ["mariadb-install-db", *common, "--auth-root-authentication-method=normal"],
                env=self.env,
                stdout=log,
                stderr=log,
            )
            if made.returncode:
                raise NoCluster("the database could not be made")
            words = ["mariadbd", *common, f"--port={port}", "--bind-address=127.0.0.1"]
            words += [f"--socket={data}/socket", f"--pid-file={data}/pid"]
            words += ["--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900"]
            self._database = subprocess.Popen(words, env=self.env, stdout=log, stderr=log)
        sql = (
            "create database slurm_acct_db; "
            f"create user slurm@localhost identified by '{password}'; "
            f"create user slurm@127.0.0.1 identified by '{password}'; "
            "grant all on slurm_acct_db.* to slurm@localhost; "
            "grant all on slurm_acct_db.* to slurm@127.0.0.1;"
        )
        client = ["mariadb", "--no-defaults", f"--socket={data}/socket", "--user=root", "-e"]
        self._wait("the database", lambda: self._asks(*client, "select 1") is not None)
        self._asks(*client, sql)
        config = self.folder / "slurmdbd.conf"
        config.touch(mode=0o600)
        config.write_text(
            DBD.format(
                host=self.host, port=dbd, db_port=port, password=password, folder=self.folder
            )
        )
        self._daemon("slurmdbd")
        self._wait("slurmdbd", lambda: not is_free(dbd))

    def _daemon(self, *words: str) -> None:
        done = subprocess.run(words, env=self.env, stdout=sys.stderr)
        if done.returncode:
            raise NoCluster(f"{' '.join(words)} ended with {done.returncode}")

    def _asks(self, *words: str) -> str | None:
        try:
            done = subprocess.run(words, env=self.env, capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None

    def _all_idle(self) -> bool:
        states = (self._asks("sinfo", "-h", "-N", "-o", "%T") or "").split()
        return states == ["idle"] * len(NODES)

    def _wait(self, what: str, ready, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                for log in sorted((self.folder / "log").iterdir()):
                    tail = log.read_text(errors="replace").splitlines()[-5:]
                    print(f"== {log.name}", *tail, sep="\n", file=sys.stderr)
                raise NoCluster(f"waited {seconds:.0f} s in vain for: {what}")
            time.sleep(0.3)


def is_free(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def free_ports(count: int) -> range:
    """Return a run of ports where nobody listens."""
    for _ in range(50):
        first = 20000 + secrets.randbelow(12000)
        ports = range(first, first + count)
        if all(map(is_free, ports)):
            return ports
    raise NoCluster("found no free ports")


def program(pid: int) -> str:
    """The name of a process; empty if it has ended."""
    try:
        head, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except OSError:
        return ""
    return "" if rest.split()[0] == "Z" else head.partition("(")[2]


def end(pid_file: Path, name: str) -> None:
    """End the daemon that a pid file names, if it is still that program."""
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        for _ in range(50):
            if program(pid) != name:
                return
            with contextlib.suppress(OSError):
                os.kill(pid, number)
            time.sleep(0.1)


def ours(config: str) -> Iterator[int]:
    """Return the processes that run in jobs of this cluster, by their environment."""
    wanted = f"SLURM_CONF={config}".encode()
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                words = (folder / "environ").read_bytes().split(b"\0")
                if wanted in words and any(word.startswith(b"SLURM_JOB_ID=") for word in words):
                    yield int(folder.name)


def run(command: Sequence[str], *, accounting: bool) -> int:
    """Run the command with a cluster, or with the reason why there is none."""
    env = {**os.environ}
    cluster = None
    try:
        try:
            if os.geteuid() != 0:
                raise NoCluster("only root can start a SLURM cluster")
            install({**TOOLS, **(DATABASE if accounting else {})})
            cluster = Cluster(accounting=accounting)
            cluster.start()
            env = {**cluster.env, "PROMPTLAB_ACCOUNTING": "1" if accounting else ""}
        except NoCluster as error:
            print(f"no SLURM cluster: {error}", file=sys.stderr)
            env["PROMPTLAB_NO_SLURM"] = str(error)
        return subprocess.run(command, env=env).returncode
    finally:
        if cluster:
            cluster.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--accounting", action="store_true", help="with slurmdbd and MariaDB")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(run(chosen.command, accounting=chosen.accounting))
