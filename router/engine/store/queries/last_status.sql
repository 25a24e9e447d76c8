SELECT d.number, s.status, s.at, d.run, d.pipeline
FROM deliveries AS d
LEFT JOIN statuses AS s ON s.delivery = d.number AND s.workflow = ? AND s.run = d.run
WHERE d.id = ?
ORDER BY s.number DESC
LIMIT 1
