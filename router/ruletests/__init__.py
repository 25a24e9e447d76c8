"""`router test`: the tests that stand beside the rules. `cases` reads them, `events` makes their events, `verdicts` judges the
plan that the rules make of one, and `run` does it for folders. The rules decide by the same code as in `router run`."""
