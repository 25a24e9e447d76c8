-- What the same rule did before about the same ref: whether a status is a change.
CREATE INDEX deliveries_of_ref ON deliveries (rule, repo, ref, workflow, number) WHERE workflow != '';
