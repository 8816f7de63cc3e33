-- Whose bytes are counted together: a tenant's, and those of all mirrors (0).
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    tenant TEXT UNIQUE,
    -- Of all that its repositories link, each once.
    bytes INTEGER NOT NULL DEFAULT 0
) STRICT;

INSERT INTO accounts (id) VALUES (0);

CREATE TABLE repositories (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES accounts,
    -- Of the registry that is mirrored; empty for a tenant's own.
    host TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (account, host, name)
) STRICT;

-- A row stands for a file that is whole, verified and durable.
CREATE TABLE blobs (
    digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    size INTEGER NOT NULL,
    -- Milliseconds since 1970, as everywhere here; brought up to date now and then.
    used INTEGER NOT NULL,
    -- Of the file when it was verified. A change of what is in it changes them.
    inode INTEGER NOT NULL,
    changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE manifests (
    digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    bytes BLOB NOT NULL,
    subject BLOB,
    artifact_type TEXT,
    -- A JSON object.
    annotations TEXT NOT NULL,
    used INTEGER NOT NULL
) STRICT;

CREATE INDEX manifests_by_subject ON manifests (subject) WHERE subject IS NOT NULL;

-- What a manifest refers to, its subject aside. Kind 0 is a blob, 1 a manifest.
CREATE TABLE edges (
    parent BLOB NOT NULL,
    kind INTEGER NOT NULL,
    child BLOB NOT NULL,
    PRIMARY KEY (parent, kind, child)
) STRICT, WITHOUT ROWID;

CREATE INDEX edges_by_child ON edges (child, kind);

-- Content of a repository.
CREATE TABLE links (
    repository INTEGER NOT NULL REFERENCES repositories,
    kind INTEGER NOT NULL,
    digest BLOB NOT NULL,
    account INTEGER NOT NULL,
    size INTEGER NOT NULL,
    -- Of a manifest.
    media_type TEXT,
    -- When it was last put there.
    at INTEGER NOT NULL,
    PRIMARY KEY (repository, kind, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX links_by_digest ON links (digest, kind, account);

CREATE TABLE tags (
    repository INTEGER NOT NULL REFERENCES repositories,
    name TEXT NOT NULL,
    digest BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (repository, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX tags_by_digest ON tags (repository, digest);

-- That a registry outside let a tenant read a repository.
CREATE TABLE rights (
    repository INTEGER NOT NULL REFERENCES repositories,
    tenant TEXT NOT NULL,
    at INTEGER NOT NULL,
    public INTEGER NOT NULL,
    PRIMARY KEY (repository, tenant)
) STRICT, WITHOUT ROWID;
