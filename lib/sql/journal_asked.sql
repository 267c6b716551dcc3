-- When the cloud was asked, by the table journal, before an instant (NULL: at any time). [us]
SELECT DISTINCT epoch_us(asked_at)
FROM journal
WHERE pages IS NOT NULL AND ($before_us::BIGINT IS NULL OR epoch_us(asked_at) < $before_us);
