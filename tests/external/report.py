"""The report for people, in a real browser: on a phone, on a desk, on paper. Nothing runs over the edge, of a clean report
and of one with findings whose words are as long as words get."""

import base64
import json
import re
import tempfile
from pathlib import Path

from check import Checks
from federation import Federation

# Without these it asks for updates and for a screen.
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]
# Pixels. A phone is narrower than any window of the browser may be: the page stands in a frame of its width.
WIDTHS = {"a phone": 390, "a small phone": 320, "a desk": 1280}
PHRASE = {"clean": "Everything that was looked at holds.", "findings": "1 finding."}


def look(checks: Checks, federation: Federation, kind: str, report: Path) -> None:
    """What a browser says of the report in this file."""
    if not checks.has("chromium"):
        return
    page = report.read_text()
    checks.check(f"the report ({kind}) says so", PHRASE[kind] in page, page[:2000])
    for name, width in WIDTHS.items():
        found = measure(federation, page, width)
        fits = found is not None and found["scroll"] <= width and found["over"] == []
        checks.check(f"it fits {name} of {width} pixels", fits, found)
        checks.check("and shows all of its text", found is not None and found["text"] > 500, found)
    paper = federation.folder / f"{kind}.pdf"
    done = federation.run(["chromium", *FLAGS, *fresh(), "--no-pdf-header-footer", f"--print-to-pdf={paper}", str(report)])
    pages = len(re.findall(rb"/Type\s*/Page[^s]", paper.read_bytes())) if paper.exists() else 0
    checks.check("it prints on a few sheets", 1 <= pages <= 6, f"{pages} pages; {done}")


def measure(federation: Federation, page: str, width: int) -> dict | None:
    """Width that the page takes, and what stands beyond the edge, at a width in pixels."""
    # The page's own policy allows no script, which is as it should be: the one that measures is outside.
    page = page.replace("<meta http-equiv=\"Content-Security-Policy\"", "<meta name=\"was-policy\"")
    outer = federation.folder / "measure.html"
    encoded = base64.b64encode(page.encode()).decode()
    outer.write_text(FRAME.replace("PAGE", encoded).replace("WIDTH", str(width)))
    done = federation.run([
        "chromium", *FLAGS, *fresh(), "--window-size=1400,900", "--virtual-time-budget=5000", "--dump-dom", str(outer),
    ])
    found = re.search(r"<output[^>]*>(.*?)</output>", done.stdout, re.DOTALL)
    return json.loads(found[1]) if found and found[1].startswith("{") else None


def fresh() -> list[str]:
    return [f"--user-data-dir={tempfile.mkdtemp(prefix='almenara-browser-')}"]


FRAME = """<!doctype html><meta charset="utf-8"><iframe id="f" style="width:WIDTHpx;height:800px;border:0"></iframe>
<output id="o">nothing</output><script>
const frame = document.getElementById("f");
frame.onload = () => {
  const inner = frame.contentDocument, over = [];
  for (const one of inner.body.querySelectorAll("*"))
    if (one.getBoundingClientRect().right > WIDTH + 0.5) over.push(one.tagName + ": " + one.textContent.slice(0, 60));
  document.getElementById("o").textContent = JSON.stringify(
    {scroll: inner.documentElement.scrollWidth, text: inner.body.innerText.length, over});
};
frame.srcdoc = new TextDecoder().decode(Uint8Array.from(atob("PAGE"), c => c.charCodeAt(0)));
</script>
"""
