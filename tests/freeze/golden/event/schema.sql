-- index ix_aforo_sources_camera_id on aforo_sources
CREATE INDEX ix_aforo_sources_camera_id ON aforo_sources (camera_id)
-- index sqlite_autoindex_aforo_version_1 on aforo_version

-- table Aforo_parqueadero on Aforo_parqueadero
CREATE TABLE "Aforo_parqueadero" (
	evento VARCHAR(255), 
	aforo INTEGER
)
-- table Aforo_parqueadero_SUR on Aforo_parqueadero_SUR
CREATE TABLE "Aforo_parqueadero_SUR" (
	evento VARCHAR(255), 
	aforo INTEGER
)
-- table Aforo_parqueadero_campinsito on Aforo_parqueadero_campinsito
CREATE TABLE "Aforo_parqueadero_campinsito" (
	evento VARCHAR(255), 
	aforo INTEGER
)
-- table aforo_checkpoints on aforo_checkpoints
CREATE TABLE aforo_checkpoints (
	show_id INTEGER NOT NULL, 
	server_id VARCHAR(128) NOT NULL, 
	camera_id VARCHAR(128) NOT NULL, 
	until_ms BIGINT NOT NULL, 
	CONSTRAINT pk_aforo_checkpoints PRIMARY KEY (show_id, server_id, camera_id)
)
 WITHOUT ROWID


-- table aforo_corrections on aforo_corrections
CREATE TABLE aforo_corrections (
	id VARCHAR(128) NOT NULL, 
	show_id INTEGER NOT NULL, 
	zone VARCHAR(100) NOT NULL, 
	delta INTEGER NOT NULL, 
	reason VARCHAR(1000) NOT NULL, 
	author VARCHAR(1000) NOT NULL, 
	at_ms BIGINT NOT NULL, 
	CONSTRAINT pk_aforo_corrections PRIMARY KEY (id)
)
 WITHOUT ROWID


-- table aforo_ended_sessions on aforo_ended_sessions
CREATE TABLE aforo_ended_sessions (
	session_key VARCHAR(128) NOT NULL, 
	expires_ms BIGINT NOT NULL, 
	CONSTRAINT pk_aforo_ended_sessions PRIMARY KEY (session_key)
)
 WITHOUT ROWID


-- table aforo_events on aforo_events
CREATE TABLE "aforo_events" (
	occurred_ms BIGINT NOT NULL, 
	server INTEGER NOT NULL, 
	this_id VARCHAR(128) NOT NULL, 
	source INTEGER NOT NULL, 
	show_id INTEGER NOT NULL, 
	history SMALLINT NOT NULL, 
	seen_ms BIGINT NOT NULL, 
	CONSTRAINT pk_aforo_events PRIMARY KEY (occurred_ms, server, this_id, source)
)
 WITHOUT ROWID


-- table aforo_journal on aforo_journal
CREATE TABLE aforo_journal (
	id INTEGER NOT NULL, 
	show_id INTEGER, 
	kind VARCHAR(40) NOT NULL, 
	subject VARCHAR(1000) NOT NULL, 
	began_ms BIGINT NOT NULL, 
	ended_ms BIGINT, 
	detail TEXT NOT NULL, 
	CONSTRAINT pk_aforo_journal PRIMARY KEY (id)
)
-- table aforo_minutes on aforo_minutes
CREATE TABLE aforo_minutes (
	show_id INTEGER NOT NULL, 
	zone VARCHAR(100) NOT NULL, 
	minute_ms BIGINT NOT NULL, 
	entries INTEGER NOT NULL, 
	exits INTEGER NOT NULL, 
	net INTEGER NOT NULL, 
	floor INTEGER NOT NULL, 
	peak_net INTEGER NOT NULL, 
	peak_floor INTEGER NOT NULL, 
	last_ms BIGINT NOT NULL, 
	CONSTRAINT pk_aforo_minutes PRIMARY KEY (show_id, zone, minute_ms)
)
 WITHOUT ROWID


-- table aforo_push on aforo_push
CREATE TABLE aforo_push (
	url VARCHAR(300) NOT NULL, 
	instance VARCHAR(128) NOT NULL, 
	token VARCHAR(64) NOT NULL, 
	keeps SMALLINT NOT NULL, 
	seen_ms BIGINT NOT NULL, 
	CONSTRAINT pk_aforo_push PRIMARY KEY (url, instance)
)
 WITHOUT ROWID


-- table aforo_servers on aforo_servers
CREATE TABLE aforo_servers (
	id INTEGER NOT NULL, 
	server_id VARCHAR(128) NOT NULL, 
	CONSTRAINT pk_aforo_servers PRIMARY KEY (id)
)
-- table aforo_shows on aforo_shows
CREATE TABLE aforo_shows (
	id INTEGER NOT NULL, 
	day VARCHAR(10) NOT NULL, 
	name VARCHAR(1000) NOT NULL, 
	starts_ms BIGINT NOT NULL, 
	ends_ms BIGINT NOT NULL, 
	rules TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	opened_ms BIGINT NOT NULL, 
	closed_ms BIGINT, 
	CONSTRAINT pk_aforo_shows PRIMARY KEY (id)
)
-- table aforo_sources on aforo_sources
CREATE TABLE aforo_sources (
	id INTEGER NOT NULL, 
	camera_id VARCHAR(128) NOT NULL, 
	name VARCHAR(1000) NOT NULL, 
	area VARCHAR(1000) NOT NULL, 
	activity VARCHAR(1000) NOT NULL, 
	CONSTRAINT pk_aforo_sources PRIMARY KEY (id)
)
-- table aforo_totals on aforo_totals
CREATE TABLE aforo_totals (
	show_id INTEGER NOT NULL, 
	total VARCHAR(100) NOT NULL, 
	zone VARCHAR(100) NOT NULL, 
	CONSTRAINT pk_aforo_totals PRIMARY KEY (show_id, total, zone)
)
 WITHOUT ROWID


-- table aforo_version on aforo_version
CREATE TABLE aforo_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT aforo_version_pkc PRIMARY KEY (version_num)
)
-- table eventos_Analisis on eventos_Analisis
CREATE TABLE "eventos_Analisis" (
	"analyticEventName" VARCHAR(255), 
	area VARCHAR(255), 
	activity VARCHAR(255), 
	"cameraId" VARCHAR(255), 
	timestamp DATETIME, 
	nombre_evento VARCHAR(255)
)
-- aforo_version: [('0002',)]
-- user_version 0
-- application_id 0
-- journal_mode wal
-- encoding UTF-8
-- auto_vacuum 0
-- page_size 4096
