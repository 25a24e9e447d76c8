SELECT e.*, (SELECT count(*) FROM deliveries AS d WHERE d.event = e.number) AS deliveries
FROM events AS e
WHERE
    e.fields LIKE '%"approval":"needed"%'
    AND json_extract(e.fields, '$.approval') = 'needed'
    AND json_extract(e.fields, '$.refused') IS NULL
    AND NOT EXISTS (SELECT 1 FROM events AS a WHERE a.origin = e.origin AND a.id = e.id || :mark)
    AND NOT EXISTS (SELECT 1 FROM facts AS f WHERE f.kind = 'approval' AND f.key = CAST(e.number AS TEXT))
ORDER BY e.number DESC
LIMIT :limit
