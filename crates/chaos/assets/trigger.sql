CREATE TABLE chaos_changes (
    seq bigserial PRIMARY KEY,
    xid bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    -- Seconds since the machine started: the clock of PostgreSQL itself is stepped.
    at float8 NOT NULL DEFAULT split_part(pg_read_file('/proc/uptime'), ' ', 1)::float8,
    job_id uuid NOT NULL,
    automation_id integer NOT NULL,
    before text,
    after text,
    lease uuid,
    worker uuid
);
CREATE INDEX chaos_changes_worker ON chaos_changes (worker, seq);

CREATE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_changes (job_id, automation_id, before, after, lease, worker) VALUES (
        coalesce(NEW.id, OLD.id), coalesce(NEW.automation_id, OLD.automation_id), OLD.status, NEW.status, NEW.lease_token, NEW.worker_id);
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER chaos_made AFTER INSERT ON jobs DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION chaos_note();
CREATE CONSTRAINT TRIGGER chaos_removed AFTER DELETE ON jobs DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION chaos_note();
CREATE CONSTRAINT TRIGGER chaos_changed AFTER UPDATE ON jobs DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (
        (OLD.status, OLD.lease_token, OLD.worker_id, OLD.result, OLD.error_class, OLD.error_message, OLD.completed_at, OLD.attempt,
            OLD.retry_of, OLD.parameters)
        IS DISTINCT FROM
        (NEW.status, NEW.lease_token, NEW.worker_id, NEW.result, NEW.error_class, NEW.error_message, NEW.completed_at, NEW.attempt,
            NEW.retry_of, NEW.parameters)
    ) EXECUTE FUNCTION chaos_note();

-- Every pause that a schedule had, also those that are over: a row for each time one was set or changed.
CREATE TABLE chaos_pauses (
    seq bigserial PRIMARY KEY,
    schedule_id uuid NOT NULL,
    from_at timestamptz NOT NULL,
    until_at timestamptz
);

CREATE FUNCTION chaos_note_pause() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_pauses (schedule_id, from_at, until_at) VALUES (NEW.schedule_id, NEW.from_at, NEW.until_at);
    RETURN NULL;
END
$$;

CREATE TRIGGER chaos_paused AFTER INSERT OR UPDATE ON schedule_pauses
    FOR EACH ROW EXECUTE FUNCTION chaos_note_pause();

-- Each alert that opened or was resolved, in a possible commit order.
CREATE TABLE chaos_alerts (
    seq bigserial PRIMARY KEY,
    alert_id uuid NOT NULL,
    key text NOT NULL,
    is_open boolean NOT NULL
);

CREATE FUNCTION chaos_note_alert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_alerts (alert_id, key, is_open) VALUES (NEW.id, NEW.key, NEW.resolved_at IS NULL);
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER chaos_alert_opened AFTER INSERT ON alerts DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION chaos_note_alert();
CREATE CONSTRAINT TRIGGER chaos_alert_ended AFTER UPDATE ON alerts DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN ((OLD.resolved_at IS NULL) <> (NEW.resolved_at IS NULL)) EXECUTE FUNCTION chaos_note_alert();
