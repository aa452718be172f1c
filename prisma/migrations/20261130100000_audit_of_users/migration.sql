-- CreateTable
CREATE TABLE "audit_lock" (
    "id" INTEGER NOT NULL,

    CONSTRAINT "audit_lock_pkey" PRIMARY KEY ("id")
);

-- Appends an event to the hash chain. The triggers below call it, with the rights of the owner. The hash is over these lines, none of which
-- contains a line feed: sequence, time, actor, action, subject, before, after, hash of the event before (src/audit/audit-chain.ts).
-- A timeout of its own, because PostgreSQL does not apply statement_timeout to triggers that run at COMMIT.
CREATE FUNCTION "append_audit_event"(event_action TEXT, event_subject TEXT, event_before TEXT, event_after TEXT) RETURNS void LANGUAGE plpgsql
    SET search_path FROM CURRENT SET timezone TO 'UTC' SET lock_timeout TO '500ms' AS $$
DECLARE
    event audit_events%ROWTYPE;
BEGIN
    -- Two events must not follow the same one. No other role has a right to this table, so no other session can hold the lock by itself;
    -- the advisory lock that it replaces could be taken by any role.
    LOCK TABLE audit_lock IN EXCLUSIVE MODE;
    SELECT sequence, hash INTO event.sequence, event.previous_hash FROM audit_events ORDER BY sequence DESC LIMIT 1;
    event.sequence := coalesce(event.sequence, 0) + 1;
    event.previous_hash := coalesce(event.previous_hash, decode(repeat('00', 32), 'hex'));
    event.at := clock_timestamp();
    event.actor := coalesce(nullif(current_setting('latchkey.actor', true), ''), 'database:' || session_user);
    event.actor := translate(event.actor, E'\n\r', '  ');
    event.subject := translate(event_subject, E'\n\r', '  ');
    event.hash := sha256(convert_to(concat_ws(E'\n',
        event.sequence, to_char(event.at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), event.actor, event_action, event.subject,
        coalesce(event_before, ''), coalesce(event_after, ''), encode(event.previous_hash, 'hex')), 'UTF8'));
    INSERT INTO audit_events (sequence, at, actor, action, subject, before, after, previous_hash, hash)
        VALUES (event.sequence, event.at, event.actor, event_action, event.subject, event_before, event_after, event.previous_hash, event.hash);
END $$;
REVOKE ALL ON FUNCTION "append_audit_event"(TEXT, TEXT, TEXT, TEXT) FROM PUBLIC;

-- The events of keys, as before.
CREATE OR REPLACE FUNCTION "api_keys_audit"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM append_audit_event(
            CASE WHEN NEW.predecessor_id IS NULL THEN 'create' ELSE 'succeed' END,
            NEW.id, NULL, (to_jsonb(NEW) - 'digest')::text);
    ELSE
        PERFORM append_audit_event(
            CASE
                WHEN NEW.revoked_at IS DISTINCT FROM OLD.revoked_at THEN 'revoke'
                WHEN NEW.rotated_at IS DISTINCT FROM OLD.rotated_at THEN 'rotate'
                WHEN NEW.retires_at IS DISTINCT FROM OLD.retires_at THEN 'retire'
                ELSE 'update'
            END,
            NEW.id, (to_jsonb(OLD) - 'digest')::text, (to_jsonb(NEW) - 'digest')::text);
    END IF;
    RETURN NULL;
END $$;

-- Which fields of a user were changed, by their names in the API: no values, which are personal data. Changes by the owner of the tables
-- that name no actor are not recorded: bulk loads, which would hold the lock for seconds; the owner could switch the trigger off anyway.
CREATE FUNCTION "users_audit"() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    before JSONB;
    -- The time of the change is no change, and a new user always has an id and a time of creation.
    ignored TEXT[] := CASE WHEN TG_OP = 'INSERT' THEN '{id,created_at,updated_at}' ELSE '{updated_at}' END;
    fields JSONB;
BEGIN
    IF coalesce(current_setting('latchkey.actor', true), '') = '' AND pg_has_role(session_user, current_user, 'MEMBER') THEN
        RETURN NULL;
    END IF;
    before := coalesce(to_jsonb(OLD), '{}');
    SELECT coalesce(jsonb_agg(lower(left(name, 1)) || substr(replace(initcap(replace(name, '_', ' ')), ' ', ''), 2) ORDER BY name), '[]')
        INTO fields
        FROM jsonb_each(coalesce(to_jsonb(NEW), '{}')) AS field (name, value)
        WHERE name <> ALL (ignored) AND coalesce(nullif(value, '[]'), 'null') <> coalesce(nullif(before -> name, '[]'), 'null');
    IF TG_OP = 'UPDATE' AND fields = '[]' THEN
        RETURN NULL;
    END IF;
    PERFORM append_audit_event(
        CASE TG_OP WHEN 'INSERT' THEN 'user.create' WHEN 'UPDATE' THEN 'user.update' ELSE 'user.delete' END,
        'user:' || CASE TG_OP WHEN 'DELETE' THEN OLD.id ELSE NEW.id END,
        NULL,
        jsonb_build_object('fields', fields, 'actingUser', left(nullif(current_setting('latchkey.acting_user', true), ''), 64))::text);
    RETURN NULL;
END $$;

-- At the commit, so that writers hold the lock while the transaction is written to disk and not between their statements.
CREATE CONSTRAINT TRIGGER "users_audit" AFTER INSERT OR UPDATE OR DELETE ON "users" DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION "users_audit"();

-- Temporary tables come first unless the path says otherwise.
DO $$
DECLARE
    path TEXT := format('%I, pg_temp', current_schema());
BEGIN
    EXECUTE 'ALTER FUNCTION "append_audit_event"(TEXT, TEXT, TEXT, TEXT) SET search_path TO ' || path;
    EXECUTE 'ALTER FUNCTION "api_keys_audit"() SET search_path TO ' || path;
    EXECUTE 'ALTER FUNCTION "users_audit"() SET search_path TO ' || path;
END $$;
