SET XACT_ABORT ON; SET LOCK_TIMEOUT 10000; SET DEADLOCK_PRIORITY LOW; SET TRANSACTION ISOLATION LEVEL READ COMMITTED

SELECT COUNT(*) FROM OPENJSON(N'[1]')

SET NOCOUNT ON; DECLARE @taken int; SELECT @taken = COUNT(*) FROM sys.schemas; EXEC @taken = sp_getapplock @Resource = N'aforo', @LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout = 5000; SELECT @taken

SELECT t.[occurred_ms], t.[server], t.[this_id] FROM OPENJSON(CAST(? AS nvarchar(max))) WITH (c0 bigint '$') AS j JOIN [aforo_events] AS t ON t.[occurred_ms] = j.c0
    ('[1768683600000, 7]',)

SET NOCOUNT ON; INSERT INTO [aforo_events] ([occurred_ms], [server], [this_id], [source], [show_id], [history], [seen_ms]) SELECT j.c0, j.c1, j.c2, j.c3, j.c4, j.c5, j.c6 FROM OPENJSON(CAST(? AS nvarchar(max))) WITH (c0 bigint '$[0]', c1 int '$[1]', c2 nvarchar(4000) '$[2]', c3 int '$[3]', c4 int '$[4]', c5 smallint '$[5]', c6 bigint '$[6]') AS j
    ('[[1768683600000,1,"32732",7,1,1,1768683605000]]',)

SET NOCOUNT ON; INSERT INTO [dbo].[eventos_Analisis] ([analyticEventName], [cameraId], [timestamp]) SELECT j.c0, j.c1, CONVERT(datetime2(3), j.c2, 121) FROM OPENJSON(CAST(? AS nvarchar(max))) WITH (c0 nvarchar(4000) '$[0]', c1 nvarchar(4000) '$[1]', c2 nvarchar(30) '$[2]') AS j
    ('[["PUERTA \\u00d1","4xIx1","2026-01-17 16:00:00.048"]]',)

SET NOCOUNT ON; UPDATE t SET [entries] = j.c3, [exits] = j.c4 FROM [aforo_minutes] AS t JOIN OPENJSON(CAST(? AS nvarchar(max))) WITH (c0 int '$[0]', c1 nvarchar(4000) '$[1]', c2 bigint '$[2]', c3 int '$[3]', c4 int '$[4]') AS j ON t.[show_id] = j.c0 AND t.[zone] = j.c1 COLLATE Latin1_General_100_BIN2 AND t.[minute_ms] = j.c2
    ('[[1,"Zona Sur",1768683600000,5,2]]',)

SELECT APPLOCK_MODE('public', N'aforo', 'Transaction')

SELECT j.c0, j.c1 FROM OPENJSON(CAST(? AS nvarchar(max))) WITH (c0 nvarchar(400) '$[0]', c1 nvarchar(20) '$[1]') AS j WHERE HAS_PERMS_BY_NAME(j.c0, 'OBJECT', j.c1) = 0

SELECT DATETIME_PRECISION FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = ? AND COLUMN_NAME = ? AND TABLE_SCHEMA = COALESCE(NULLIF(?, ''), SCHEMA_NAME())
