SELECT t.evento 
FROM t 
WHERE t.evento = CAST(? COLLATE Modern_Spanish_CI_AS AS VARCHAR(50))

SELECT t.evento 
FROM t 
WHERE t.evento = ?

SELECT t.timestamp 
FROM t 
WHERE t.timestamp = CAST(convert(datetime2(3), ?, 121) AS DATETIME)

SELECT t.timestamp 
FROM t 
WHERE t.timestamp = CAST(convert(datetime2(3), ?, 121) AS DATETIME2(3))

SELECT t.timestamp 
FROM t 
WHERE t.timestamp = CAST(convert(datetime2(3), ?, 121) AS SMALLDATETIME)

SELECT t.timestamp 
FROM t 
WHERE t.timestamp = ?
