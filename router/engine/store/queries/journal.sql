SELECT s.number AS journal, s.delivery, s.workflow, s.status, s.at, s.error, s.exit_code, s.url, d.rule, e.*
FROM statuses AS s
JOIN deliveries AS d ON d.id = s.delivery
JOIN events AS e ON e.number = d.event
WHERE s.number > :after
ORDER BY s.number
LIMIT :limit
