"""Reads cupsd.conf(5): the directives outside all blocks, and who may do what by its policies.

The one idea: *what CUPS asks of a client, it asks by this text*. No attribute of a job tells whether its user name was
proven by a password; but a queue whose policy asks for one at Print-Job and Create-Job (RFC 8011 sections 4.2.1 and
4.2.4) takes no job without, and writes the proven name over whatever the client claims. So a name is as good as the
policy of its queue, and a policy is only believed to ask where that cannot be got around.

The syntax is that of CUPS 2.4: case-insensitive; of a directive given twice the last one counts, of an operation the
first <Limit> that names it, else <Limit All>. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SUBMITTING = ("print-job", "create-job")  # CUPS takes jobs by these two alone: it has no Print-URI


@dataclass(slots=True)
class Limit:
    """What one <Limit> asks: whether for a password (`auth`), and of whom."""

    operations: frozenset[str]
    auth: bool = False
    who: frozenset[str] = frozenset()  # after "Require user"; "valid-user" or "group" for those; none: of nobody
    type: str = "none"  # AuthType
    any: bool = False  # Satisfy any: the right address does instead


@dataclass(slots=True)
class Conf:
    """What a cupsd.conf says."""

    top: dict[str, str] = field(default_factory=dict)
    policies: dict[str, list[Limit]] = field(default_factory=dict)

    def limit(self, operation: str, policy: str = "default") -> Limit:
        """Return what rules an operation; nothing rules it if nobody says."""
        limits = self.policies.get(policy.casefold(), [])
        for name in (operation, "all"):
            for limit in limits:
                if name in limit.operations:
                    return limit
        return Limit(frozenset())

    def proves_names(self, policy: str) -> bool:
        """Tell whether nobody can print by this policy without a password of the name the job then carries."""
        anonymous = self.top.get("defaultauthtype", "basic").casefold() == "none"
        return all(
            limit.auth and limit.who and not limit.any and not (limit.type == "default" and anonymous)
            for limit in (self.limit(operation, policy) for operation in SUBMITTING)
        )


def read_conf(text: str) -> Conf:
    """Read a cupsd.conf. Never fails: what is not understood says nothing."""
    conf, blocks = Conf(), list[str]()
    limits: list[Limit] = []
    for line in text.splitlines():
        name, _, value = line.strip().partition(" ")
        name, value = name.casefold(), value.strip()
        if not name or name.startswith("#"):
            continue
        if name.startswith("</"):
            del blocks[-1:]
        elif name.startswith("<"):
            blocks.append(name)
            words = value.rstrip("> ").casefold().split()
            if name == "<policy":
                limits = conf.policies.setdefault(" ".join(words), [])
            elif name == "<limit":
                limits.append(Limit(frozenset(words)))
        elif not blocks:
            conf.top[name] = value
        elif blocks == ["<policy", "<limit"]:
            _rule(limits[-1], name, value.casefold())
    return conf


def _rule(limit: Limit, name: str, value: str) -> None:
    match name:
        case "authtype":
            limit.type, limit.auth = value, value != "none"
        case "require":
            kind, *names = value.split() or [""]
            limit.who = frozenset(names if kind == "user" else [kind] if kind else [])
        case "satisfy":
            limit.any = value == "any"
        case _:
            pass
