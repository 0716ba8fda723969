-- Aforo: lo que el servicio necesita en SQL Server. Ejecútelo quien administra la base, en esa base (USE …).
-- Las tablas del estadio que ya existan se quedan como están.


IF OBJECT_ID(N'[eventos_Analisis]') IS NULL
CREATE TABLE [eventos_Analisis] (
    [analyticEventName] NVARCHAR(255) NULL,
    area NVARCHAR(255) NULL,
    activity NVARCHAR(255) NULL,
    [cameraId] NVARCHAR(255) NULL,
    timestamp DATETIME2(3) NULL,
    nombre_evento NVARCHAR(255) NULL
);

GO

IF OBJECT_ID(N'[estadio].[Norte]') IS NULL
CREATE TABLE estadio.[Norte] (
    evento NVARCHAR(255) NULL,
    aforo INTEGER NULL
);

GO

IF OBJECT_ID(N'[Sur]') IS NULL
CREATE TABLE [Sur] (
    evento NVARCHAR(255) NULL,
    aforo INTEGER NULL
);

GO

SET XACT_ABORT ON;

BEGIN TRANSACTION;

CREATE TABLE aforo_version (
    version_num VARCHAR(32) NOT NULL, 
    CONSTRAINT aforo_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> 0001

CREATE TABLE aforo_shows (
    id INTEGER NOT NULL, 
    day VARCHAR(10) NOT NULL, 
    name NVARCHAR(1000) NOT NULL, 
    starts_ms BIGINT NOT NULL, 
    ends_ms BIGINT NOT NULL, 
    rules NVARCHAR(max) NOT NULL, 
    revision BIGINT NOT NULL, 
    opened_ms BIGINT NOT NULL, 
    closed_ms BIGINT NULL, 
    CONSTRAINT pk_aforo_shows PRIMARY KEY (id)
);

CREATE TABLE aforo_servers (
    id INTEGER NOT NULL, 
    server_id NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    CONSTRAINT pk_aforo_servers PRIMARY KEY (id)
);

CREATE TABLE aforo_sources (
    id INTEGER NOT NULL, 
    camera_id NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    name NVARCHAR(1000) NOT NULL, 
    area NVARCHAR(1000) NOT NULL, 
    activity NVARCHAR(1000) NOT NULL, 
    CONSTRAINT pk_aforo_sources PRIMARY KEY (id)
);

CREATE INDEX ix_aforo_sources_camera_id ON aforo_sources (camera_id);

CREATE TABLE aforo_events (
    occurred_ms BIGINT NOT NULL, 
    server INTEGER NOT NULL, 
    this_id NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    source INTEGER NOT NULL, 
    show_id INTEGER NOT NULL, 
    history SMALLINT NOT NULL, 
    seen_ms BIGINT NOT NULL, 
    CONSTRAINT pk_aforo_events PRIMARY KEY (occurred_ms, server, this_id)
);

CREATE TABLE aforo_minutes (
    show_id INTEGER NOT NULL, 
    zone NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    minute_ms BIGINT NOT NULL, 
    entries INTEGER NOT NULL, 
    exits INTEGER NOT NULL, 
    net INTEGER NOT NULL, 
    floor INTEGER NOT NULL, 
    peak_net INTEGER NOT NULL, 
    peak_floor INTEGER NOT NULL, 
    last_ms BIGINT NOT NULL, 
    CONSTRAINT pk_aforo_minutes PRIMARY KEY (show_id, zone, minute_ms)
);

CREATE TABLE aforo_checkpoints (
    show_id INTEGER NOT NULL, 
    server_id NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    camera_id NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    until_ms BIGINT NOT NULL, 
    CONSTRAINT pk_aforo_checkpoints PRIMARY KEY (show_id, server_id, camera_id)
);

CREATE TABLE aforo_corrections (
    id NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    show_id INTEGER NOT NULL, 
    zone NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    delta INTEGER NOT NULL, 
    reason NVARCHAR(1000) NOT NULL, 
    author NVARCHAR(1000) NOT NULL, 
    at_ms BIGINT NOT NULL, 
    CONSTRAINT pk_aforo_corrections PRIMARY KEY (id)
);

CREATE TABLE aforo_journal (
    id INTEGER NOT NULL, 
    show_id INTEGER NULL, 
    kind VARCHAR(40) NOT NULL, 
    subject NVARCHAR(1000) NOT NULL, 
    began_ms BIGINT NOT NULL, 
    ended_ms BIGINT NULL, 
    detail NVARCHAR(max) NOT NULL, 
    CONSTRAINT pk_aforo_journal PRIMARY KEY (id)
);

INSERT INTO aforo_version (version_num) OUTPUT inserted.version_num VALUES ('0001');

-- Running upgrade 0001 -> 0002

ALTER TABLE aforo_events DROP CONSTRAINT pk_aforo_events;

ALTER TABLE aforo_events ADD CONSTRAINT pk_aforo_events PRIMARY KEY (occurred_ms, server, this_id, source);

UPDATE aforo_events
SET this_id = LEFT(this_id, LEN(this_id) - LEN(CAST(source AS nvarchar(12))) - 2)
WHERE this_id LIKE N'_%~#' + CAST(source AS nvarchar(12));

CREATE TABLE aforo_totals (
    show_id INTEGER NOT NULL, 
    total NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    zone NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    CONSTRAINT pk_aforo_totals PRIMARY KEY (show_id, total, zone)
);

CREATE TABLE aforo_ended_sessions (
    session_key NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    expires_ms BIGINT NOT NULL, 
    CONSTRAINT pk_aforo_ended_sessions PRIMARY KEY (session_key)
);

CREATE TABLE aforo_push (
    url NVARCHAR(300) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    instance NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    token VARCHAR(64) NOT NULL, 
    keeps SMALLINT NOT NULL, 
    seen_ms BIGINT NOT NULL, 
    CONSTRAINT pk_aforo_push PRIMARY KEY (url, instance)
);

UPDATE aforo_version SET version_num='0002' WHERE aforo_version.version_num = '0001';

COMMIT;

GO

-- Los permisos de la cuenta del servicio: aforo.

GRANT SELECT, INSERT, UPDATE ON [aforo_shows] TO [aforo];
GRANT SELECT, INSERT ON [aforo_servers] TO [aforo];
GRANT SELECT, INSERT ON [aforo_sources] TO [aforo];
GRANT SELECT, INSERT, UPDATE ON [aforo_events] TO [aforo];
GRANT SELECT, INSERT, UPDATE, DELETE ON [aforo_minutes] TO [aforo];
GRANT SELECT, INSERT, DELETE ON [aforo_totals] TO [aforo];
GRANT SELECT, INSERT, UPDATE, DELETE ON [aforo_checkpoints] TO [aforo];
GRANT SELECT, INSERT, UPDATE ON [aforo_corrections] TO [aforo];
GRANT SELECT, INSERT, UPDATE ON [aforo_journal] TO [aforo];
GRANT SELECT, INSERT, UPDATE, DELETE ON [aforo_push] TO [aforo];
GRANT SELECT, INSERT, DELETE ON [aforo_ended_sessions] TO [aforo];
GRANT SELECT ON [aforo_version] TO [aforo];
GRANT SELECT, INSERT, UPDATE ON [eventos_Analisis] TO [aforo];
GRANT SELECT, INSERT, UPDATE ON [estadio].[Norte] TO [aforo];
GRANT SELECT, INSERT, UPDATE ON [Sur] TO [aforo];
