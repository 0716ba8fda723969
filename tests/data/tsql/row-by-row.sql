SET XACT_ABORT ON; SET LOCK_TIMEOUT 10000; SET DEADLOCK_PRIORITY LOW; SET TRANSACTION ISOLATION LEVEL READ COMMITTED

SELECT COUNT(*) FROM OPENJSON(N'[1]')

SET NOCOUNT ON; DECLARE @taken int; SELECT @taken = COUNT(*) FROM sys.schemas; EXEC @taken = sp_getapplock @Resource = N'aforo', @LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout = 5000; SELECT @taken

SELECT t.[occurred_ms], t.[server], t.[this_id] FROM [aforo_events] AS t WHERE t.[occurred_ms] IN (?, ?)
    (1768683600000, 7)

INSERT INTO [aforo_events] ([occurred_ms], [server], [this_id], [source], [show_id], [history], [seen_ms]) VALUES (?, ?, ?, ?, ?, ?, ?)
    [(1768683600000, 1, '32732', 7, 1, 1, 1768683605000)]

INSERT INTO [dbo].[eventos_Analisis] ([analyticEventName], [cameraId], [timestamp]) VALUES (?, ?, CONVERT(datetime2(3), ?, 121))
    [('PUERTA Ñ', '4xIx1', '2026-01-17 16:00:00.048')]

UPDATE [aforo_minutes] SET [entries] = ?, [exits] = ? WHERE [show_id] = ? AND [zone] = ? AND [minute_ms] = ?
    [(5, 2, 1, 'Zona Sur', 1768683600000)]

SELECT APPLOCK_MODE('public', N'aforo', 'Transaction')

SELECT j.c0, j.c1 FROM OPENJSON(CAST(? AS nvarchar(max))) WITH (c0 nvarchar(400) '$[0]', c1 nvarchar(20) '$[1]') AS j WHERE HAS_PERMS_BY_NAME(j.c0, 'OBJECT', j.c1) = 0

SELECT DATETIME_PRECISION FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = ? AND COLUMN_NAME = ? AND TABLE_SCHEMA = COALESCE(NULLIF(?, ''), SCHEMA_NAME())
