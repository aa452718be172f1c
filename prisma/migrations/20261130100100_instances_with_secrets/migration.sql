-- AlterTable
ALTER TABLE "instances" ADD COLUMN     "proof" TEXT,
ADD COLUMN     "secret_digest" BYTEA;

-- A process records by this that it is alive. The row keeps the digest of a secret of the process, so that no other session can refresh,
-- date or remove it; the time is the database's own. The proof is for the other processes: src/api-keys/feed/instance.ts.
CREATE FUNCTION "record_heartbeat"(instance_id TEXT, secret TEXT, instance_proof TEXT) RETURNS TIMESTAMPTZ LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF (instance_id ~ '^[0-9a-f]{16}$' AND length(secret) = 64 AND octet_length(instance_proof) <= 4000) IS NOT TRUE THEN
        RAISE EXCEPTION 'malformed heartbeat' USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO instances AS known (id, last_seen_at, secret_digest, proof)
        VALUES (instance_id, clock_timestamp(), sha256(convert_to(secret, 'UTF8')), instance_proof)
        ON CONFLICT (id) DO UPDATE SET last_seen_at = excluded.last_seen_at, proof = excluded.proof
        WHERE known.secret_digest = excluded.secret_digest;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'another process has this instance id' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN clock_timestamp();
END $$;

-- A process leaves by this, and removes the rows of processes that were killed.
CREATE FUNCTION "remove_instance"(instance_id TEXT, secret TEXT) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM instances
        WHERE (id = instance_id AND secret_digest = sha256(convert_to(secret, 'UTF8'))) OR last_seen_at < now() - interval '1 hour';
END $$;

-- Processes of the release before write their rows themselves. A later release drops this trigger with the right to do so, which
-- deploy/database/roles.sql grants only while such a process is alive.
CREATE FUNCTION "instances_guard"() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    -- Within the functions above, the current user is the owner of the table.
    IF NOT pg_has_role((SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'MEMBER') THEN
        IF TG_OP <> 'INSERT' AND OLD.secret_digest IS NOT NULL THEN
            RETURN NULL;
        END IF;
        IF TG_OP <> 'DELETE' THEN
            NEW.last_seen_at := clock_timestamp();
        END IF;
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;

CREATE TRIGGER "instances_guard" BEFORE INSERT OR UPDATE OR DELETE ON "instances"
    FOR EACH ROW EXECUTE FUNCTION "instances_guard"();

-- Temporary tables come first unless the path says otherwise.
DO $$
DECLARE
    path TEXT := format('%I, pg_temp', current_schema());
BEGIN
    EXECUTE 'ALTER FUNCTION "record_heartbeat"(TEXT, TEXT, TEXT) SET search_path TO ' || path;
    EXECUTE 'ALTER FUNCTION "remove_instance"(TEXT, TEXT) SET search_path TO ' || path;
    EXECUTE 'ALTER FUNCTION "instances_guard"() SET search_path TO ' || path;
END $$;
