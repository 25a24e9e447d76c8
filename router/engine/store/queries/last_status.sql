-- The newest status of a delivery's workflow in its present run. What no rule reports may have one that is not in the journal.
SELECT d.number, coalesce(s.status, CASE d.workflow WHEN ?1 THEN nullif(d.status, '') END) AS status, s.at, d.run, d.pipeline
FROM deliveries AS d
LEFT JOIN statuses AS s ON s.delivery = d.number AND s.workflow = ?1 AND s.run = d.run
WHERE d.id = ?2
ORDER BY s.number DESC
LIMIT 1
