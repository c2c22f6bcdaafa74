-- What `sqlite3 sessions.db .dump` says of a store that doorkey wrote at version 2.
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE sessions (
    key text primary key, session text, whole integer not null, gen integer not null,
    claim text not null, claimed_until real not null, failed_until real not null, why text not null,
    code text not null, change integer not null
) without rowid
;
INSERT INTO "sessions" VALUES('down|http://127.0.0.1:1/|desktop|direct|',NULL,0,-1,'',0.0,1795824300.0,'down: the site can''t be reached','provider_unavailable',2);
INSERT INTO "sessions" VALUES('shop|http://127.0.0.1:1/|desktop|direct|','{"key": {"site": "shop", "url": "http://127.0.0.1:1/", "profile": "desktop", "egress": "direct", "caller": ""}, "gen": 1795824000001, "url": "http://127.0.0.1:1/", "born": 1795824000.0, "soft": 21600, "hard": 43200, "max_uses": null, "cookies": [{"name": "sid", "value": "by hand", "domain": "127.0.0.1", "path": "/", "host_only": true, "secure": false, "http_only": true, "same_site": "", "expires": 2000000000.0}, {"name": "lang", "value": "en", "domain": "example.com", "path": "/docs", "host_only": false, "secure": false, "http_only": false, "same_site": "", "expires": null}], "headers": {"user-agent": "Chrome"}, "tokens": {"csrf": "t0ken", "bots": [1, null]}, "local": {"refresh": "r0"}, "visitor": "v1", "rung": "browser", "rungs": {"browser": 1}}',1,1795824000001,'',0.0,0.0,'','',2);
INSERT INTO "sessions" VALUES('wiki|http://127.0.0.1:1/|desktop|direct|','{"key": {"site": "wiki", "url": "http://127.0.0.1:1/", "profile": "desktop", "egress": "direct", "caller": ""}, "gen": 1795824000001, "url": "http://127.0.0.1:1/", "born": 1795824000.0, "soft": 21600, "hard": 43200, "max_uses": null, "cookies": [{"name": "sid", "value": "by hand", "domain": "127.0.0.1", "path": "/", "host_only": true, "secure": false, "http_only": true, "same_site": "", "expires": 2000000000.0}, {"name": "lang", "value": "en", "domain": "example.com", "path": "/docs", "host_only": false, "secure": false, "http_only": false, "same_site": "", "expires": null}], "headers": {"user-agent": "Chrome"}, "tokens": {"csrf": "t0ken", "bots": [1, null]}, "local": {"refresh": "r0"}, "visitor": "v1", "rung": "a person", "rungs": {"a person": 1}}',1,1795824000001,'',0.0,0.0,'','',2);
COMMIT;
