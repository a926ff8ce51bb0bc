"""Photographs the report of demo runs: docs/report.png.

    python parallel_runner.py --demo --cfg zsclip coop coop_dept maple maple_dept
    python docs/pictures/report.py outputs/demo

Needs Chromium on the PATH (Debian: apt-get install chromium).
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
PICTURE = REPO / "docs" / "report.png"
BROWSERS = ("chromium", "chromium-browser", "chrome")


def photograph(page: Path, picture: Path, size: tuple[int, int]) -> None:
    """Writes what a window of a size shows of a page, light.

    Raises:
        SystemExit: no browser, or it fails; one line.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit("error: no Chromium on PATH (Debian: apt-get install chromium)")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    flags += [f"--user-data-dir={page.parent / 'browser'}", f"--window-size={size[0]},{size[1]}"]
    done = subprocess.run(
        [browser, *flags, f"--screenshot={picture}", page.as_uri()],
        env={**os.environ, "HOME": str(page.parent)},
        capture_output=True,
        text=True,
    )
    if done.returncode or not picture.is_file():
        raise SystemExit(f"error: {browser}: {done.stderr.strip().splitlines()[-1:]}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", metavar="DIR", help="folders of demo runs")
    parser.add_argument("--out", type=Path, default=PICTURE, help="default: docs/report.png")
    parser.add_argument("--width", type=int, default=760, help="of the window, in pixels")
    parser.add_argument("--height", type=int, default=2160, help="how much of the page is shown")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        page = Path(temporary) / "report.html"
        command = [sys.executable, "-m", "runner", "report", *args.folders, "--out", str(page)]
        places = filter(None, [str(REPO), os.environ.get("PYTHONPATH")])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
        if code := subprocess.run(command, env=environment).returncode:
            raise SystemExit(code)
        photograph(page, args.out.resolve(), (args.width, args.height))
    print(f"picture: {args.out}")


if __name__ == "__main__":
    main()
