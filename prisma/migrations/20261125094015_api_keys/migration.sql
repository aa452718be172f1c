-- CreateEnum
CREATE TYPE "key_environment" AS ENUM ('live', 'test', 'dev');

-- CreateTable
CREATE TABLE "api_keys" (
    "id" TEXT NOT NULL,
    "digest" BYTEA NOT NULL,
    "hint" TEXT NOT NULL,
    "environment" "key_environment" NOT NULL,
    "name" TEXT NOT NULL,
    "note" TEXT,
    "scopes" TEXT[],
    "user_fields" TEXT[],
    "networks" TEXT[],
    "rate_limit" INTEGER,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "created_by" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "predecessor_id" TEXT,
    "rotated_at" TIMESTAMPTZ(3),
    "retires_at" TIMESTAMPTZ(3),
    "retire_after_quiet_seconds" INTEGER,
    "revoked_at" TIMESTAMPTZ(3),
    "revoked_by" TEXT,
    "revocation_reason" TEXT,
    "revision" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "api_keys_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "api_key_uses" (
    "key_id" TEXT NOT NULL,
    "last_used_at" TIMESTAMPTZ(3) NOT NULL,
    "source" TEXT NOT NULL,
    "client_name" TEXT,

    CONSTRAINT "api_key_uses_pkey" PRIMARY KEY ("key_id")
);

-- CreateTable
CREATE TABLE "idempotent_requests" (
    "digest" BYTEA NOT NULL,
    "request_digest" BYTEA NOT NULL,
    "api_key_id" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "idempotent_requests_pkey" PRIMARY KEY ("digest")
);

-- CreateTable
CREATE TABLE "instances" (
    "id" TEXT NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "instances_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "audit_events" (
    "sequence" BIGINT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "actor" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "before" TEXT,
    "after" TEXT,
    "previous_hash" BYTEA NOT NULL,
    "hash" BYTEA NOT NULL,

    CONSTRAINT "audit_events_pkey" PRIMARY KEY ("sequence")
);

-- CreateIndex
CREATE UNIQUE INDEX "api_keys_digest_key" ON "api_keys"("digest");

-- CreateIndex
CREATE UNIQUE INDEX "api_keys_predecessor_id_key" ON "api_keys"("predecessor_id");

-- CreateIndex
CREATE INDEX "idempotent_requests_created_at_idx" ON "idempotent_requests"("created_at");

-- CreateIndex
CREATE INDEX "audit_events_subject_idx" ON "audit_events"("subject");

-- AddForeignKey
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_predecessor_id_fkey" FOREIGN KEY ("predecessor_id") REFERENCES "api_keys"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What the schema language can't say
ALTER TABLE "api_keys"
    ADD CONSTRAINT "api_keys_digest_check" CHECK (octet_length("digest") = 32),
    ADD CONSTRAINT "api_keys_scopes_check" CHECK (cardinality("scopes") > 0),
    ADD CONSTRAINT "api_keys_rotation_check" CHECK (("rotated_at" IS NULL) = ("retires_at" IS NULL)),
    ADD CONSTRAINT "api_keys_revocation_check" CHECK (("revoked_at" IS NULL) = ("revoked_by" IS NULL));

CREATE SEQUENCE "api_keys_revision" OWNED BY "api_keys"."revision";

-- Every change has a number of its own, and no change brings a key back to life.
CREATE FUNCTION "api_keys_before_change"() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.id, NEW.digest, NEW.environment, NEW.created_at, NEW.created_by, NEW.predecessor_id)
            IS DISTINCT FROM (OLD.id, OLD.digest, OLD.environment, OLD.created_at, OLD.created_by, OLD.predecessor_id) THEN
            RAISE EXCEPTION 'what identifies a key cannot be changed';
        END IF;
        IF OLD.revoked_at IS NOT NULL AND (NEW.revoked_at, NEW.revoked_by) IS DISTINCT FROM (OLD.revoked_at, OLD.revoked_by) THEN
            RAISE EXCEPTION 'a revocation cannot be undone';
        END IF;
        IF OLD.retires_at IS NOT NULL AND (NEW.retires_at IS NULL OR NEW.retires_at > OLD.retires_at) THEN
            RAISE EXCEPTION 'a grace period cannot be prolonged';
        END IF;
    END IF;
    NEW.revision := nextval('api_keys_revision');
    RETURN NEW;
END $$;

CREATE TRIGGER "api_keys_before_change" BEFORE INSERT OR UPDATE ON "api_keys"
    FOR EACH ROW EXECUTE FUNCTION "api_keys_before_change"();

-- Tells every process that holds keys in memory, at the commit and by whatever program the change was made.
CREATE FUNCTION "api_keys_notify"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('latchkey_api_keys', NEW.id);
    RETURN NULL;
END $$;

CREATE TRIGGER "api_keys_notify" AFTER INSERT OR UPDATE ON "api_keys"
    FOR EACH ROW EXECUTE FUNCTION "api_keys_notify"();

-- By whatever program a key was changed, the change is in the trail. The hash is over these lines, of which none has a line
-- feed in it: sequence, time, actor, action, subject, before, after, hash of the row before (src/audit/audit-chain.ts).
CREATE FUNCTION "api_keys_audit"() RETURNS trigger LANGUAGE plpgsql
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
    INSERT INTO audit_events VALUES (event.*);
    RETURN NULL;
END $$;

CREATE TRIGGER "api_keys_audit" AFTER INSERT OR UPDATE ON "api_keys"
    FOR EACH ROW EXECUTE FUNCTION "api_keys_audit"();

CREATE FUNCTION "refuse_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is not allowed: its rows are kept', TG_OP, TG_TABLE_NAME;
END $$;

CREATE TRIGGER "api_keys_kept" BEFORE DELETE ON "api_keys" FOR EACH ROW EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "api_keys_not_emptied" BEFORE TRUNCATE ON "api_keys" FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "audit_events_kept" BEFORE UPDATE OR DELETE ON "audit_events" FOR EACH ROW EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "audit_events_not_emptied" BEFORE TRUNCATE ON "audit_events" FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();
