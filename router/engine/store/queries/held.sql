-- Deliveries that are claimed, by their ids (JSON), each with the newest status of its workflow in its present run.
SELECT d.number, d.id, d.owner, d.attempt, d.workflow, d.run, d.pipeline, d.since, s.status, s.at
FROM json_each(:ids) AS i
CROSS JOIN deliveries AS d ON d.id = i.value
LEFT JOIN statuses AS s ON s.number = (
    SELECT max(o.number) FROM statuses AS o WHERE o.delivery = d.number AND o.workflow = d.workflow AND o.run = d.run
)
WHERE d.state = 'claimed'
