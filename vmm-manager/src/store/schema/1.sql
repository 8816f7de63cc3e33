-- Times are nanoseconds since 1970. What is searched for is a column; the rest is in documents.
CREATE TABLE jobs (
    -- The order in which jobs came.
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    project TEXT NOT NULL,
    idempotency_key TEXT,
    state TEXT NOT NULL
        CHECK (state IN ('queued', 'running', 'completed', 'failed', 'cancelled', 'timeout')),
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    -- Everything that it took from the host has been given back.
    released INTEGER NOT NULL CHECK (released IN (0, 1)),
    guest_secret BLOB NOT NULL CHECK (length(guest_secret) = 32),
    document TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX jobs_by_key ON jobs (tenant, project, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX jobs_of_tenant ON jobs (tenant, id, project);
-- Few, however many jobs there are: what a restart looks at.
CREATE INDEX jobs_alive ON jobs (seq) WHERE released = 0;
-- What retention looks at.
CREATE INDEX jobs_over ON jobs (ended_at, id) WHERE released = 1;

-- Apart from the jobs, because it can be long and never changes.
CREATE TABLE requests (
    seq INTEGER PRIMARY KEY REFERENCES jobs (seq) ON DELETE CASCADE,
    document TEXT NOT NULL
) STRICT;

-- What jobs hold of the host. A job cannot be forgotten while it holds something.
CREATE TABLE leases (
    job TEXT NOT NULL REFERENCES jobs (id),
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    number INTEGER,
    boot_id TEXT NOT NULL,
    taken_at INTEGER NOT NULL,
    PRIMARY KEY (job, kind, name)
) STRICT, WITHOUT ROWID;

-- Written to where a commit's fate must become known: see `writer`.
CREATE TABLE fence (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    count INTEGER NOT NULL
) STRICT;
INSERT INTO fence VALUES (1, 0);

-- Written to by a store that could not write, to see whether there is room for a job again.
CREATE TABLE probe (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    padding BLOB NOT NULL
) STRICT;
