-- `before` is of the newest verdict that was told before this one by the same step of the same rule, about the same repo, ref and
-- workflow: what it was, or `later` where it is a later delivery's. A workflow that was cancelled has no verdict.
SELECT s.number AS journal, s.run AS journal_run, d.id AS delivery, s.workflow, s.status, s.at, s.error, s.exit_code, s.url, d.rule, e.*, (
    SELECT CASE WHEN o.number > d.number THEN 'later' ELSE o.status END
    FROM deliveries AS o
    JOIN statuses AS v ON v.delivery = o.number AND v.workflow = o.workflow AND v.status = o.status
    WHERE s.status IN ('success', 'failed', 'timeout') AND d.repo != '' AND d.ref != '' AND o.workflow != ''
        AND o.repo = d.repo AND o.ref = d.ref AND o.workflow = d.workflow AND o.rule = d.rule AND o.step = d.step
        AND o.number != d.number AND o.status IN ('success', 'failed', 'timeout') AND v.number < s.number
    ORDER BY o.number DESC
    LIMIT 1
) AS before
FROM statuses AS s
JOIN deliveries AS d ON d.number = s.delivery
JOIN events AS e ON e.number = d.event
WHERE s.number > :after
ORDER BY s.number
LIMIT :limit
