-- As before, but the insertion names its columns: one that a later migration adds would have been set to null, whatever its default.
CREATE OR REPLACE FUNCTION "api_keys_audit"() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT SET timezone TO 'UTC' AS $$
DECLARE
    event audit_events%ROWTYPE;
BEGIN
    -- One after another, or two events would follow the same one. 7205013 is this lock's own number.
    PERFORM pg_advisory_xact_lock(7205013);
    SELECT sequence, hash INTO event.sequence, event.previous_hash FROM audit_events ORDER BY sequence DESC LIMIT 1;
    event.sequence := coalesce(event.sequence, 0) + 1;
    event.previous_hash := coalesce(event.previous_hash, decode(repeat('00', 32), 'hex'));
    event.at := clock_timestamp();
    event.actor := translate(coalesce(nullif(current_setting('latchkey.actor', true), ''), 'database:' || session_user), E'\n\r', '  ');
    event.subject := NEW.id;
    event.after := (to_jsonb(NEW) - 'digest')::text;
    IF TG_OP = 'INSERT' THEN
        event.action := CASE WHEN NEW.predecessor_id IS NULL THEN 'create' ELSE 'succeed' END;
    ELSE
        event.before := (to_jsonb(OLD) - 'digest')::text;
        event.action := CASE
            WHEN NEW.revoked_at IS DISTINCT FROM OLD.revoked_at THEN 'revoke'
            WHEN NEW.rotated_at IS DISTINCT FROM OLD.rotated_at THEN 'rotate'
            WHEN NEW.retires_at IS DISTINCT FROM OLD.retires_at THEN 'retire'
            ELSE 'update'
        END;
    END IF;
    event.hash := sha256(convert_to(concat_ws(E'\n',
        event.sequence, to_char(event.at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), event.actor, event.action, event.subject,
        coalesce(event.before, ''), coalesce(event.after, ''), encode(event.previous_hash, 'hex')), 'UTF8'));
    INSERT INTO audit_events (sequence, at, actor, action, subject, before, after, previous_hash, hash)
        VALUES (event.sequence, event.at, event.actor, event.action, event.subject, event.before, event.after,
                event.previous_hash, event.hash);
    RETURN NULL;
END $$;

-- What replaces a function takes its settings away.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION "api_keys_audit"() SET search_path TO %I, pg_temp', current_schema());
END $$;
