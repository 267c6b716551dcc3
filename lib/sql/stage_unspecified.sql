-- Codes without a specification of their device, and whether a typical one is known.
SELECT DISTINCT seen_codes.device_id, seen_codes.code, assumed.code IS NOT NULL AS known
FROM seen_codes
ANTI JOIN specifications USING (device_id, code)
LEFT JOIN assumed ON assumed.code = seen_codes.code
ORDER BY ALL;
