/**
 * The database schema as ordered migrations. A migration is never edited once released; a change is a new entry.
 * JSON columns named `doc` hold a domain object of the owning package; what is queried or must be unique has a column.
 * Times are milliseconds since the epoch unless the name says otherwise.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

  CREATE TABLE blobs (
    digest TEXT PRIMARY KEY, size INTEGER NOT NULL, created_at INTEGER NOT NULL, used_at INTEGER NOT NULL,
    -- 0 until the bytes are known to have reached the device; such a blob is verified when the store is opened
    durable INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID;
  -- bytes of a partial blob are in content/ingest/<file>; ref survives restarts
  CREATE TABLE ingests (
    ref TEXT PRIMARY KEY, file TEXT NOT NULL UNIQUE, expected_digest TEXT, expected_size INTEGER,
    started_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
  ) WITHOUT ROWID;
  -- where a blob came from: lets push mount it across repositories of one registry
  CREATE TABLE blob_sources (
    digest TEXT NOT NULL, registry TEXT NOT NULL, repository TEXT NOT NULL, PRIMARY KEY (digest, registry, repository)
  ) WITHOUT ROWID;

  CREATE TABLE leases (id TEXT PRIMARY KEY, purpose TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER) WITHOUT ROWID;
  CREATE TABLE lease_refs (
    lease_id TEXT NOT NULL REFERENCES leases(id) ON DELETE CASCADE, kind TEXT NOT NULL, key TEXT NOT NULL,
    PRIMARY KEY (lease_id, kind, key)
  ) WITHOUT ROWID;

  -- a name is a normalized reference (docker.io/library/busybox:latest, host/repo@sha256:...) or
  -- '<none>@sha256:...' for an image that lost its last name
  CREATE TABLE images (
    name TEXT PRIMARY KEY, digest TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX images_digest ON images(digest);
  -- facts about an image that are not part of it: {parent, comment, lastTagged}
  CREATE TABLE image_facts (digest TEXT PRIMARY KEY, doc TEXT NOT NULL) WITHOUT ROWID;

  CREATE TABLE snapshots (
    driver TEXT NOT NULL, key TEXT NOT NULL, parent TEXT, kind TEXT NOT NULL, directory TEXT NOT NULL,
    created_at INTEGER NOT NULL, bytes INTEGER, inodes INTEGER,
    PRIMARY KEY (driver, key)
  ) WITHOUT ROWID;
  CREATE INDEX snapshots_parent ON snapshots(driver, parent);
  CREATE UNIQUE INDEX snapshots_directory ON snapshots(driver, directory);

  CREATE TABLE containers (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL,
    config TEXT NOT NULL, state TEXT NOT NULL
  ) WITHOUT ROWID;

  CREATE TABLE networks (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, created_at INTEGER NOT NULL, doc TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE endpoints (
    id TEXT PRIMARY KEY, network_id TEXT NOT NULL, container_id TEXT NOT NULL, doc TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX endpoints_network ON endpoints(network_id);
  CREATE INDEX endpoints_container ON endpoints(container_id);
  CREATE TABLE addresses (
    network_id TEXT NOT NULL, address TEXT NOT NULL, endpoint_id TEXT, PRIMARY KEY (network_id, address)
  ) WITHOUT ROWID;

  CREATE TABLE volumes (
    name TEXT PRIMARY KEY, driver TEXT NOT NULL, created_at INTEGER NOT NULL, doc TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE volume_users (
    name TEXT NOT NULL, container_id TEXT NOT NULL, PRIMARY KEY (name, container_id)
  ) WITHOUT ROWID;

  CREATE TABLE build_cache (
    key TEXT PRIMARY KEY, doc TEXT NOT NULL, snapshot TEXT, created_at INTEGER NOT NULL, used_at INTEGER NOT NULL,
    uses INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID;

  CREATE TABLE events (seq INTEGER PRIMARY KEY, time_nano INTEGER NOT NULL, doc TEXT NOT NULL);
  `,
  `
  -- few among thousands, and every collection asks for them
  CREATE INDEX snapshots_uncommitted ON snapshots(driver, key) WHERE kind <> 'committed';
  -- when an image was last made, named, pulled, run or built upon; for automatic removal
  CREATE TABLE image_uses (digest TEXT PRIMARY KEY, used_at INTEGER NOT NULL) WITHOUT ROWID;
  `,
  `
  -- signatures, bills of materials and such that came with a manifest and go with it; doc: {mediaType, size, suffix}
  CREATE TABLE image_referrers (
    subject TEXT NOT NULL, digest TEXT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (subject, digest)
  ) WITHOUT ROWID;
  `,
  `
  -- how much of a container's log its log driver has sent on: all before this byte of the file with this inode
  CREATE TABLE log_deliveries (
    container_id TEXT PRIMARY KEY, inode TEXT NOT NULL, offset INTEGER NOT NULL
  ) WITHOUT ROWID;
  `,
];
