-- What the table journal says of each device: its files, and until when a whole window goes. [us]
SELECT device_id, count(*), epoch_us(max("end") FILTER (complete AND start < "end"))
FROM journal
GROUP BY device_id
ORDER BY device_id;
