"""Under which rules a call was led: policy and phrases, written out in full, so that its log can be replayed."""

from __future__ import annotations

import hashlib
from functools import cache

import msgspec
from msgspec import Struct

from statecharts.phrases import Phrases
from statecharts.policy import Policy

__all__ = ["Rules", "rules_of"]


class Rules(Struct, frozen=True):
    """Every number and every phrase by its name; the defaults of a later version may be others."""

    policy: dict[str, object]
    phrases: dict[str, object]

    @property
    def mark(self) -> str:
        """A short name of these rules: equal ones have the same."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:12]

    def read(self) -> tuple[Policy, Phrases, list[str]]:
        """Return them as this version understands them, and the names that it does not know any more.

        Raises:
            msgspec.ValidationError: A value is of the wrong kind.
        """
        known = set(Policy.__struct_fields__) | set(Phrases.__struct_fields__)
        unknown = [name for name in (*self.policy, *self.phrases) if name not in known]
        return msgspec.convert(self.policy, Policy), msgspec.convert(self.phrases, Phrases), unknown


@cache
def rules_of(policy: Policy, phrases: Phrases) -> tuple[Rules, str]:
    """Return the rules and their mark."""
    rules = Rules(_in_full(policy), _in_full(phrases))
    return rules, rules.mark


def _in_full(values: Policy | Phrases) -> dict[str, object]:
    return {name: getattr(values, name) for name in values.__struct_fields__}
