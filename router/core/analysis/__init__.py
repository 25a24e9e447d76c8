"""What can be known of rules before any event: which never match, which an earlier one leaves nothing, where order decides.

`automata` knows regular languages, `texts` and `sets` what operators ask of values, `logic` decides formulas over those,
`meaning` turns conditions into formulas, and `findings` asks the questions. Whatever is too hard is not decided, and not told.
"""

from router.core.analysis.findings import analyse

__all__ = ["analyse"]
