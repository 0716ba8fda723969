-- Aforo: las tablas aforo_… vuelven a una versión anterior. Detenga antes el servicio; no se pierde ningún evento.
-- Ejecútelo quien administra la base, en esa base (USE …). Las tablas del estadio se quedan como están.


SET XACT_ABORT ON;

BEGIN TRANSACTION;

-- Running downgrade 0002 -> 0001

DROP TABLE aforo_push;

DROP TABLE aforo_ended_sessions;

DROP TABLE aforo_totals;

UPDATE aforo_events
SET this_id = LEFT(this_id, 110) + N'~#' + CAST(source AS nvarchar(12))
WHERE EXISTS (
    SELECT 1 FROM aforo_events AS other WHERE other.occurred_ms = aforo_events.occurred_ms
    AND other.server = aforo_events.server AND other.this_id = aforo_events.this_id
    AND other.source < aforo_events.source);

ALTER TABLE aforo_events DROP CONSTRAINT pk_aforo_events;

ALTER TABLE aforo_events ADD CONSTRAINT pk_aforo_events PRIMARY KEY (occurred_ms, server, this_id);

UPDATE aforo_version SET version_num='0001' WHERE aforo_version.version_num = '0002';

COMMIT;

GO
