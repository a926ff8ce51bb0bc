"""A cluster for tests: the commands of fake.py on a PATH of their own."""

import json
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
COMMANDS = ("sbatch", "squeue", "scancel", "scontrol")


class FakeCluster:
    """A folder of state and one of commands; `stop` ends what still runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "state"
        self.bin = folder / "bin"
        self.folder.mkdir(parents=True)
        self.bin.mkdir()
        for name in COMMANDS:
            path = self.bin / name
            path.write_text(
                f"#!{sys.executable} -SE\nimport sys\nsys.path.insert(0, {str(HERE)!r})\n"
                f"from fake import main\nsys.exit(main({name!r}, sys.argv[1:]))\n"
            )
            path.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        """What finds this cluster, and a runner that does not wait ten seconds."""
        return {
            "PATH": str(self.bin),
            "FAKE_SLURM": str(self.folder),
            "PROMPTLAB_SLURM_INTERVAL": "0.05",
        }

    def set(self, name: str, content: str = "") -> None:
        """Set a switch, or ask for something: see fake.py."""
        (self.folder / name).write_text(content)

    def unset(self, name: str) -> None:
        """Take a switch back."""
        (self.folder / name).unlink()

    def arrays(self) -> dict[str, dict]:
        """What sbatch has taken, by job id."""
        return {p.stem: json.loads(p.read_text()) for p in sorted(self.folder.glob("???.json"))}

    def elements(self) -> dict[str, dict]:
        """The elements, by id."""
        return {p.stem: json.loads(p.read_text()) for p in sorted(self.folder.glob("*_*.json"))}

    def wait_for(self, element: str, state: str, restart: int = 0) -> None:
        """Wait until an element stands so."""
        deadline = time.monotonic() + 30
        while True:
            found = self.elements().get(element, {})
            if (found.get("state"), found.get("restart")) == (state, restart):
                return
            assert time.monotonic() < deadline, self.elements()
            time.sleep(0.02)

    def stop(self) -> None:
        """End everything."""
        self.set("stop")
