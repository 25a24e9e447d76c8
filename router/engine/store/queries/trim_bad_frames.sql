DELETE FROM bad_frames
WHERE source = :source AND number <= (
    SELECT number FROM bad_frames WHERE source = :source ORDER BY number DESC LIMIT 1 OFFSET :keep
)
