-- Deliveries that are claimed, by their numbers (JSON), each with the newest status of its workflow in its present run.
SELECT d.number, d.owner, d.attempt, d.run, d.pipeline, d.since, nullif(d.status, '') AS status, (
    SELECT s.at
    FROM statuses AS s
    WHERE d.status <> '' AND s.delivery = d.number AND s.workflow = d.workflow AND s.run = d.run
    ORDER BY s.number DESC
    LIMIT 1
) AS at
FROM json_each(:numbers) AS i
CROSS JOIN deliveries AS d ON d.number = i.value
WHERE d.state = 'claimed'
