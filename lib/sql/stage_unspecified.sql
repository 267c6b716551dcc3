-- Codes without a specification of their device, and whether a typical one is known.
SELECT device_word::VARCHAR AS device_id, code, known
FROM kinds
WHERE code IS NOT NULL AND NOT specified;
