-- What rows of a tenant's own repositories take beside their content: 512 bytes for each repository,
-- tag and link, and the annotations of each manifest that is linked.
ALTER TABLE accounts ADD COLUMN rows_bytes INTEGER NOT NULL DEFAULT 0;

CREATE VIEW charges (account, bytes) AS
    SELECT account, 512 FROM repositories
    UNION ALL
    SELECT account, 512 FROM tags JOIN repositories ON repositories.id = tags.repository
    UNION ALL
    SELECT account, 512 + CASE kind WHEN 1 THEN coalesce(
        (SELECT length(CAST(annotations AS BLOB)) FROM manifests
            WHERE manifests.digest = links.digest), 0
    ) ELSE 0 END FROM links;

UPDATE accounts SET rows_bytes =
    (SELECT coalesce(sum(charges.bytes), 0) FROM charges WHERE account = accounts.id)
    WHERE id != 0;

CREATE TRIGGER repository_made AFTER INSERT ON repositories WHEN new.account != 0 BEGIN
    UPDATE accounts SET rows_bytes = rows_bytes + 512 WHERE id = new.account;
END;

CREATE TRIGGER repository_gone AFTER DELETE ON repositories WHEN old.account != 0 BEGIN
    UPDATE accounts SET rows_bytes = rows_bytes - 512 WHERE id = old.account;
END;

CREATE TRIGGER tag_made AFTER INSERT ON tags BEGIN
    UPDATE accounts SET rows_bytes = rows_bytes + 512
    WHERE id = (SELECT account FROM repositories WHERE id = new.repository) AND id != 0;
END;

CREATE TRIGGER tag_gone AFTER DELETE ON tags BEGIN
    UPDATE accounts SET rows_bytes = rows_bytes - 512
    WHERE id = (SELECT account FROM repositories WHERE id = old.repository) AND id != 0;
END;

CREATE TRIGGER link_made AFTER INSERT ON links WHEN new.account != 0 BEGIN
    UPDATE accounts SET rows_bytes = rows_bytes + 512 + CASE new.kind WHEN 1 THEN coalesce(
        (SELECT length(CAST(annotations AS BLOB)) FROM manifests WHERE digest = new.digest), 0
    ) ELSE 0 END WHERE id = new.account;
END;

CREATE TRIGGER link_gone AFTER DELETE ON links WHEN old.account != 0 BEGIN
    UPDATE accounts SET rows_bytes = rows_bytes - 512 - CASE old.kind WHEN 1 THEN coalesce(
        (SELECT length(CAST(annotations AS BLOB)) FROM manifests WHERE digest = old.digest), 0
    ) ELSE 0 END WHERE id = old.account;
END;
