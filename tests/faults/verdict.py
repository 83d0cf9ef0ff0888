"""What a comparison comes to."""

from collections import Counter

WRONG = ("lost", "doubled", "reordered", "leaked", "untrue")


class Verdict:
    """What is wrong, by kind, with ids as evidence and never a body."""

    def __init__(self) -> None:
        self.wrong: dict[str, list[str]] = {kind: [] for kind in WRONG}
        self.compared: Counter[str] = Counter()

    def add(self, kind: str, evidence: str) -> None:
        """One more."""
        self.wrong[kind].append(evidence)

    @property
    def is_clean(self) -> bool:
        """Nothing at all."""
        return not any(self.wrong.values())
