-- A repo's runs, newest first, with their number before the limit. Of given commits only the newest run of each.
SELECT p.*, count(*) OVER () AS total
FROM pipelines AS p
WHERE
    p.repo = :repo
    AND EXISTS (SELECT 1 FROM workflows AS w WHERE w.pipeline = p.id)
    AND (:before IS NULL OR p.created < :before)
    AND (:kinds IS NULL OR p.kind IN (SELECT value FROM json_each(:kinds)))
    AND (
        :commits IS NULL
        OR (
            p.sha IN (SELECT value FROM json_each(:commits))
            AND NOT EXISTS (
                SELECT 1
                FROM pipelines AS o
                WHERE
                    o.repo = p.repo AND o.sha = p.sha AND o.created > p.created
                    AND EXISTS (SELECT 1 FROM workflows AS w WHERE w.pipeline = o.id)
                    AND (:before IS NULL OR o.created < :before)
                    AND (:kinds IS NULL OR o.kind IN (SELECT value FROM json_each(:kinds)))
            )
        )
    )
ORDER BY p.created DESC
LIMIT :limit
