-- The newest status of each delivery that reports to a workflow of a run.
SELECT s.status, s.at, s.error, s.exit_code, s.url
FROM deliveries AS d
JOIN statuses AS s ON s.number = (
    SELECT max(o.number)
    FROM statuses AS o
    WHERE o.delivery = d.number AND o.workflow = d.workflow AND o.run = d.run
)
WHERE d.pipeline = :pipeline AND d.workflow = :workflow
ORDER BY d.number
