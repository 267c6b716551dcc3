-- Lines of the table journal, oldest first; instants in microseconds. Parameters $start_us and
-- $end_us (windows that touch the span between them; NULL: all) and $unheld (those alone that
-- are not complete).
SELECT
    file, device_id, epoch_us(start), epoch_us("end"), epoch_us(asked_at), complete, rows,
    sha256, dates, pages, coalesce(origin_sha256, '')
FROM journal
WHERE ($start_us::BIGINT IS NULL OR (epoch_us(start) < $end_us AND epoch_us("end") > $start_us))
    AND NOT (complete AND $unheld)
ORDER BY number;
