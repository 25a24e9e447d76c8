SELECT e.*, (SELECT count(*) FROM deliveries AS d WHERE d.event = e.number) AS deliveries
FROM events AS e
WHERE e.undecided = 1 AND e.number > :after
ORDER BY e.number
LIMIT :limit
