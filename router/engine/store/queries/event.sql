-- A number wins over an id that looks like one.
SELECT e.*, (SELECT count(*) FROM deliveries AS d WHERE d.event = e.number) AS deliveries
FROM events AS e
WHERE e.number = :number OR e.id = :id
ORDER BY e.number IS :number DESC, e.number DESC
LIMIT 1
