"""`router test`: the tests that stand beside the rules, by the code that decides in `router run`.

`cases` reads them, `events` makes their events, `trials` has what a case needs to be judged, `verdicts` judges the plan that
the rules make (`reasons` and `diff` say why), `golden` keeps whole plans, `play` meets scripted answers, and `run` does it for
folders. `coverage` and `survivors` say what the tests leave out: `pieces` takes rules apart, and `mutants` changes them.
"""
