-- Contract: the checks below refuse only values that no release has written.

-- AlterTable
ALTER TABLE "alert_outbox" ADD COLUMN     "delivered_at" TIMESTAMPTZ(3);

-- The sequence of revisions is the owner's: no other role needs a right to it.
ALTER FUNCTION "api_keys_before_change"() SECURITY DEFINER;

-- What a new key must be, by whatever program it is made. Not as constraints of the table, which would keep a key that was made before
-- from being revoked. The hour is for the clocks of the processes, which check the same.
CREATE FUNCTION "api_keys_check_new"() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.id !~ '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' THEN
        RAISE EXCEPTION 'the id of a key must be a UUID' USING ERRCODE = 'check_violation';
    END IF;
    IF concat(NEW.hint, NEW.name, NEW.note, NEW.created_by) ~ '[[:cntrl:]]' THEN
        RAISE EXCEPTION 'the texts of a key must not contain control characters' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.created_at > clock_timestamp() + interval '1 hour' OR NEW.expires_at <= NEW.created_at
        OR NEW.expires_at > clock_timestamp() + interval '366 days 1 hour' THEN
        RAISE EXCEPTION 'a key must be made now and expire within 366 days' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.expires_at > NEW.lineage_ends_at THEN
        RAISE EXCEPTION 'a key must not outlive its lineage' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER "api_keys_check_new" BEFORE INSERT ON "api_keys" FOR EACH ROW EXECUTE FUNCTION "api_keys_check_new"();

-- Rows that are there already may be anything.
ALTER TABLE "api_keys"
    ADD CONSTRAINT "api_keys_revoked_by_check" CHECK ("revoked_by" !~ '[[:cntrl:]]') NOT VALID,
    ADD CONSTRAINT "api_keys_revocation_reason_check" CHECK ("revocation_reason" !~ '[[:cntrl:]]') NOT VALID;

ALTER TABLE "api_key_uses"
    ADD CONSTRAINT "api_key_uses_key_id_check" CHECK ("key_id" ~ '^[A-Za-z0-9:_-]{1,64}$') NOT VALID,
    ADD CONSTRAINT "api_key_uses_source_check" CHECK ("source" !~ '[[:cntrl:]]') NOT VALID,
    ADD CONSTRAINT "api_key_uses_client_name_check" CHECK ("client_name" !~ '[[:cntrl:]]') NOT VALID;

ALTER TABLE "api_key_usage"
    ADD CONSTRAINT "api_key_usage_key_id_check" CHECK ("key_id" ~ '^[A-Za-z0-9:_-]{1,64}$') NOT VALID,
    ADD CONSTRAINT "api_key_usage_route_check" CHECK ("route" !~ '[[:cntrl:]]') NOT VALID,
    ADD CONSTRAINT "api_key_usage_outcome_check" CHECK ("outcome" ~ '^[a-z-]{1,64}$') NOT VALID;

ALTER TABLE "alert_episodes"
    ADD CONSTRAINT "alert_episodes_rule_check" CHECK ("rule" ~ '^[a-z-]{1,64}$') NOT VALID,
    ADD CONSTRAINT "alert_episodes_subject_check" CHECK ("subject" !~ '[[:cntrl:]]') NOT VALID,
    ADD CONSTRAINT "alert_episodes_open_key_check" CHECK ("open_key" = "rule" || ' ' || "subject") NOT VALID;

ALTER TABLE "instances"
    ADD CONSTRAINT "instances_id_check" CHECK ("id" ~ '^[A-Za-z0-9_-]{1,64}$') NOT VALID;

-- What is recorded is evidence: a count only grows, a last use is never in the future or taken back, and an episode that has ended stays
-- as it was. So the functions below delete only what is as old as it says.
CREATE FUNCTION "api_key_usage_keep"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.requests < OLD.requests THEN
        RAISE EXCEPTION 'a count of requests cannot be lowered' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER "api_key_usage_keep" BEFORE UPDATE ON "api_key_usage" FOR EACH ROW EXECUTE FUNCTION "api_key_usage_keep"();

CREATE FUNCTION "api_key_uses_keep"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.last_used_at := least(NEW.last_used_at, clock_timestamp());
    IF TG_OP = 'UPDATE' AND NEW.last_used_at < OLD.last_used_at THEN
        RAISE EXCEPTION 'a last use cannot be taken back' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER "api_key_uses_keep" BEFORE INSERT OR UPDATE ON "api_key_uses" FOR EACH ROW EXECUTE FUNCTION "api_key_uses_keep"();

CREATE FUNCTION "alert_episodes_keep"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.ended_at IS NOT NULL THEN
        RAISE EXCEPTION 'an episode that has ended cannot be changed' USING ERRCODE = 'check_violation';
    END IF;
    NEW.last_seen_at := least(NEW.last_seen_at, clock_timestamp());
    IF NEW.ended_at IS NOT NULL THEN
        NEW.ended_at := clock_timestamp();
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER "alert_episodes_keep" BEFORE UPDATE ON "alert_episodes" FOR EACH ROW EXECUTE FUNCTION "alert_episodes_keep"();

CREATE FUNCTION "purge_api_key_usage"(most INTEGER) RETURNS INTEGER LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    purged INTEGER;
BEGIN
    DELETE FROM api_key_usage WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM api_key_usage WHERE hour < now() - interval '90 days' LIMIT most));
    GET DIAGNOSTICS purged = ROW_COUNT;
    RETURN purged;
END $$;

CREATE FUNCTION "purge_alerts"() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM alert_episodes WHERE ended_at < now() - interval '30 days';
    -- By the time of creation, which does not change.
    DELETE FROM alert_outbox
        WHERE created_at < now() - interval '30 days' AND (delivered_at IS NOT NULL OR gave_up_at IS NOT NULL);
END $$;

-- Temporary tables come first unless the path says otherwise.
DO $$
DECLARE
    path TEXT := format('%I, pg_temp', current_schema());
BEGIN
    EXECUTE 'ALTER FUNCTION "api_keys_check_new"() SET search_path TO ' || path;
    EXECUTE 'ALTER FUNCTION "purge_api_key_usage"(INTEGER) SET search_path TO ' || path;
    EXECUTE 'ALTER FUNCTION "purge_alerts"() SET search_path TO ' || path;
END $$;
