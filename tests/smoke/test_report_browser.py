"""The report in a real browser: nothing is logged, nothing sticks out, headings sort."""

import html
import json
import os
import re
import shutil
import subprocess

import pytest

from tests.support import command
from tests.unit.runner.report_pages import every_protocol

PIL = pytest.importorskip("PIL.Image")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
needs_browser = pytest.mark.skipif(
    BROWSER is None, reason="no Chromium on PATH (Debian: apt-get install chromium)"
)
# Runs in the page: what a reader would see and do, into the document's title.
PROBE = """<script>
const head = [...document.querySelectorAll("th")].find((th) => th.textContent === "dtd");
const rows = head.closest("table").tBodies[0].rows;
const column = () => [...rows].map((row) => row.cells[0].textContent);
const before = column();
head.querySelector("button").click();
const after = column();
head.querySelector("button").click();
const dark = getComputedStyle(document.body).backgroundColor;
const texts = [...document.querySelectorAll("svg text")].filter((text) => {
  const [own, all] = [text.getBoundingClientRect(), text.closest("svg").getBoundingClientRect()];
  return own.width && (own.left < all.left - 1 || own.right > all.right + 1);
});
document.title = JSON.stringify({
  width: innerWidth, scroll: document.documentElement.scrollWidth, before, after, again: column(),
  sorted: head.getAttribute("aria-sort"), cut: texts.map((text) => text.textContent), dark,
  svgs: document.querySelectorAll("svg[role=img]").length,
  empty: [...document.querySelectorAll("svg[role=img]")].filter((svg) =>
    !svg.getBoundingClientRect().height && !svg.closest("details:not([open])")).length,
});
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    every_protocol(folder / "outputs")
    words = ("-m", "runner", "report", folder / "outputs", "--out", folder / "report.html")
    done = command.python(*words, "--latex", folder / "t.tex", "--markdown", folder / "t.md")
    assert done.returncode == 0, done.stderr
    return folder / "report.html"


def browse(page, *words):
    """Run the browser without a window -> its output; its home is the page's folder."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    flags += ["--enable-logging=stderr", f"--user-data-dir={page.parent / 'browser'}"]
    done = subprocess.run(
        [BROWSER, *flags, *words, page.as_uri()],
        env={**os.environ, "HOME": str(page.parent)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert said == [], said
    return done.stdout


def probed(page, *words):
    copy = page.with_name("probe.html")
    copy.write_text(page.read_text().replace("</body>", f"{PROBE}</body>"))
    found = re.search(r"<title>(\{.*?\})</title>", browse(copy, "--dump-dom", *words))
    assert found, "the script has not run"
    return json.loads(html.unescape(found[1]))


@needs_browser
@pytest.mark.parametrize("size", ["1280,900", "500,900"])
def test_the_page_fits_the_window_and_sorts(page, size):
    seen = probed(page, f"--window-size={size}")
    assert seen["scroll"] <= seen["width"] == int(size.split(",")[0])
    assert (seen["cut"], seen["empty"]) == ([], 0)
    assert seen["svgs"] >= 5
    assert (seen["before"], seen["after"]) == (["coop", "coop_dept"], ["coop_dept", "coop"])
    assert (seen["again"], seen["sorted"]) == (["coop", "coop_dept"], "ascending")


@needs_browser
def test_the_page_is_dark_where_the_system_is(page):
    light = probed(page)["dark"]
    dark = probed(page, "--blink-settings=preferredColorScheme=0")["dark"]
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(20, 23, 27)")


@needs_browser
@pytest.mark.parametrize("size", [(1280, 2000), (390, 2000)])
def test_a_screenshot_is_not_empty(page, size):
    shot = page.with_name(f"shot{size[0]}.png")
    browse(page, f"--window-size={size[0]},{size[1]}", f"--screenshot={shot}")
    with PIL.open(shot) as picture:
        assert picture.size == size
        lower = picture.convert("L").crop((0, size[1] // 2, *size))
        assert lower.getextrema()[0] < 100  # there is text in the lower half too
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 20


@needs_browser
def test_the_picture_of_the_documentation_is_made_of_runs(page):
    picture = page.with_name("docs.png")
    words = ("docs/pictures/report.py", page.parent / "outputs/coop", "--out", picture)
    done = command.python(*words, "--height", "300")
    assert done.returncode == 0, done.stderr
    with PIL.open(picture) as shot:
        assert shot.size == (760, 300) and len(shot.convert("RGB").getcolors(1 << 24)) > 10
