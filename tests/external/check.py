"""What was found: one line a check, and a count at the end."""

import os
import shutil


class Checks:
    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    def about(self, title: str) -> None:
        print(f"\n{title}", flush=True)

    def check(self, sentence: str, holds: bool, found: object = "") -> bool:
        """Counts a sentence that holds or not; what was found is shown when it does not."""
        if holds:
            self.passed += 1
            print(f"  ok      {sentence}", flush=True)
        else:
            self.failed += 1
            print(f"  FAILED  {sentence}\n          found: {found}", flush=True)
        return holds

    def has(self, *tools: str) -> bool:
        """Whether these programs are here. Where one is missing, that is said, and fails in CI."""
        missing = [tool for tool in tools if shutil.which(tool) is None]
        for tool in missing:
            self.lacks(tool)
        return not missing

    def lacks(self, what: str) -> None:
        if os.environ.get("CI") == "true":
            self.check(f"{what} is here", False, "tests/run --install brings it")
        else:
            print(f"  skipped: {what} is missing; tests/run --install brings it", flush=True)
