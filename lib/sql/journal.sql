-- Every line of the journal, of a file entered twice the later one, as `Journal.all` has them;
-- a line torn by a crash says nothing. Parameter $journal (a list of one file).
CREATE OR REPLACE TEMP TABLE journal AS
WITH lines AS MATERIALIZED (
    SELECT *, row_number() OVER () AS number
    FROM read_json(
        $journal, format = 'newline_delimited', ignore_errors = true, columns = {
            'file': 'VARCHAR', 'device_id': 'VARCHAR', 'start': 'TIMESTAMPTZ',
            'end': 'TIMESTAMPTZ', 'asked_at': 'TIMESTAMPTZ', 'complete': 'BOOLEAN',
            'rows': 'BIGINT', 'sha256': 'VARCHAR', 'dates': 'VARCHAR[]', 'pages': 'BIGINT',
            'origin_sha256': 'VARCHAR'
        }
    )
    WHERE file IS NOT NULL AND device_id IS NOT NULL AND start IS NOT NULL AND "end" IS NOT NULL
        AND asked_at IS NOT NULL AND complete IS NOT NULL AND rows IS NOT NULL
        AND sha256 IS NOT NULL AND dates IS NOT NULL
),
newest AS (SELECT max(number) AS number FROM lines GROUP BY file)
SELECT lines.* FROM lines SEMI JOIN newest USING (number);
