"""Simplified guardrails: each blocks the same list of words."""

import re
from dataclasses import dataclass
from typing import Any

__all__ = ["BLOCKED_ANSWER", "BLOCKED_QUESTION", "Guardrails"]

BLOCKED_QUESTION = "Sorry, the model cannot answer this question."
BLOCKED_ANSWER = "Sorry, the model's answer cannot be shown."

_UNITS = (
    "topicPolicyUnits",
    "contentPolicyUnits",
    "wordPolicyUnits",
    "sensitiveInformationPolicyUnits",
    "sensitiveInformationPolicyFreeUnits",
    "contextualGroundingPolicyUnits",
)
CHARACTERS_PER_UNIT = 1000
"""Size of a billing unit; Bedrock rounds up."""


@dataclass
class Guardrails:
    """Blocked words, matched as whole words in any case."""

    words: tuple[str, ...] = ()

    @classmethod
    def from_list(cls, comma_separated: str) -> "Guardrails":
        """Return guardrails for a comma-separated list of words."""
        return cls(tuple(filter(None, (word.strip() for word in comma_separated.split(",")))))

    def matches(self, text: str) -> list[str]:
        """Return the blocked words in a text."""
        return [word for word in self.words if re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE)]

    def apply(self, source: str, texts: list[str]) -> dict[str, Any]:
        """Return the body of ApplyGuardrail's response. ``source`` is ``INPUT`` or ``OUTPUT``."""
        blocked_words = [word for text in texts for word in self.matches(text)]
        length = sum(map(len, texts))
        units = dict.fromkeys(_UNITS, 0) | {"wordPolicyUnits": -(-length // CHARACTERS_PER_UNIT)}
        blocked = {
            "action": "GUARDRAIL_INTERVENED",
            "actionReason": "Guardrail blocked.",
            "outputs": [{"text": BLOCKED_QUESTION if source == "INPUT" else BLOCKED_ANSWER}],
            "assessments": [{"wordPolicy": self._build_word_assessment(blocked_words)}],
        }
        passed = {"action": "NONE", "actionReason": "No action.", "outputs": [], "assessments": [{}]}
        return {
            "usage": units,
            **(blocked if blocked_words else passed),
            "guardrailCoverage": {"textCharacters": {"guarded": length, "total": length}},
        }

    @staticmethod
    def _build_word_assessment(blocked_words: list[str]) -> dict[str, Any]:
        blocked = [{"match": word, "action": "BLOCKED", "detected": True} for word in blocked_words]
        return {"customWords": blocked, "managedWordLists": []}
