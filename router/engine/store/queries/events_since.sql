SELECT e.*, (SELECT count(*) FROM deliveries AS d WHERE d.event = e.number) AS deliveries
FROM events AS e
WHERE e.number > :after AND e.heard >= :since
ORDER BY e.number
LIMIT :limit
