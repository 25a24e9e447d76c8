SELECT s.status, s.at
FROM deliveries AS d
LEFT JOIN statuses AS s ON s.delivery = d.id AND s.workflow = ?
WHERE d.id = ?
ORDER BY s.number DESC
LIMIT 1
