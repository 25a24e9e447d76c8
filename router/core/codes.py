"""The stable code of every problem that reading rules can find. A code never changes its meaning and is never used again."""

from __future__ import annotations

#: Whoever shows problems leaves out the line that such a one is about.
SECRET_WRITTEN = "R042"  # noqa: S105 - the code of a problem

CODES: dict[str, str] = {
    "R001": "not YAML",
    "R002": "duplicate key",
    "R003": "unknown key",
    "R004": "wrong type",
    "R005": "missing key",
    "R006": "YAML that is not used here",
    "R007": "a number that reads two ways",
    "R010": "unknown provider",
    "R011": "wrong option of a provider",
    "R012": "template that does not compile",
    "R013": "unknown name in a template",
    "R014": "template where text must be written out",
    "R015": "a name that such events do not have",
    "R020": "wrong glob",
    "R021": "wrong regular expression",
    "R022": "wrong JSONPath",
    "R023": "wrong condition",
    "R024": "value that the field never has",
    "R025": "wrong duration",
    "R026": "a path that such records do not have",
    "R030": "rule named twice",
    "R031": "unknown variable",
    "R032": "a name from an event without a bound",
    "R033": "a key without the key that it needs",
    "R034": "strangers' events that reach what needs trust",
    "R035": "unsafe command",
    "R036": "unused variable",
    "R040": "wrong settings",
    SECRET_WRITTEN: "a secret written in a file",
    "R041": "rules that cannot be read",
    "R043": "rules that others may write",
    "R050": "wrong test",
    "R060": "a rule that can never match",
    "R061": "a rule that an earlier one leaves nothing",
    "R062": "rules whose order decides",
    "R063": "a key that takes different things for one",
}
