CREATE TABLE chaos_changes (
    seq integer PRIMARY KEY AUTOINCREMENT,
    at real NOT NULL DEFAULT (unixepoch('subsec')),
    job_id blob NOT NULL,
    automation_id integer NOT NULL,
    before text,
    after text,
    lease blob,
    worker blob
);

CREATE TRIGGER chaos_made AFTER INSERT ON jobs BEGIN
    INSERT INTO chaos_changes (job_id, automation_id, before, after, lease, worker)
        VALUES (NEW.id, NEW.automation_id, NULL, NEW.status, NEW.lease_token, NEW.worker_id);
END;
CREATE TRIGGER chaos_removed AFTER DELETE ON jobs BEGIN
    INSERT INTO chaos_changes (job_id, automation_id, before, after, lease, worker)
        VALUES (OLD.id, OLD.automation_id, OLD.status, NULL, OLD.lease_token, OLD.worker_id);
END;
CREATE TRIGGER chaos_changed AFTER UPDATE ON jobs
    WHEN (OLD.status, OLD.lease_token, OLD.worker_id, OLD.result, OLD.error_class, OLD.error_message, OLD.completed_at, OLD.attempt,
            OLD.retry_of, OLD.parameters)
        IS NOT
        (NEW.status, NEW.lease_token, NEW.worker_id, NEW.result, NEW.error_class, NEW.error_message, NEW.completed_at, NEW.attempt,
            NEW.retry_of, NEW.parameters)
BEGIN
    INSERT INTO chaos_changes (job_id, automation_id, before, after, lease, worker)
        VALUES (NEW.id, NEW.automation_id, OLD.status, NEW.status, NEW.lease_token, NEW.worker_id);
END;
