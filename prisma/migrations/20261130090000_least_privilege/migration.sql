-- AlterTable
ALTER TABLE "api_keys" ADD COLUMN     "budgets" JSONB,
ADD COLUMN     "lineage_ends_at" TIMESTAMPTZ(3),
ADD COLUMN     "write_fields" TEXT[];

-- CreateIndex
CREATE INDEX "api_keys_created_by_id_idx" ON "api_keys"("created_by", "id");

-- Existing keys keep their rights and gain none: user_fields limited writes as well as reads, and
-- users:write included roles and permissions. The trigger on api_keys records each change.
DO $$
BEGIN
    PERFORM set_config('latchkey.actor', 'migration', true);
    UPDATE "api_keys" AS key
    SET "write_fields" = key."user_fields",
        "scopes" = CASE WHEN change."grants" THEN array_append(key."scopes", 'users:grant') ELSE key."scopes" END
    FROM (
        SELECT "id", "revoked_at" IS NULL AND least("expires_at", "retires_at") > now()
            AND 'users:write' = ANY("scopes") AND NOT coalesce('users:grant' = ANY("scopes"), false)
            AND (coalesce(cardinality("user_fields"), 0) = 0 OR "user_fields" && '{roles,permissions}') AS "grants"
        FROM "api_keys"
    ) AS change
    WHERE key."id" = change."id" AND (change."grants" OR cardinality(key."user_fields") > 0);
END $$;

-- The release before this one does not set write_fields. Its keys inherit the list of the
-- predecessor, or can write the fields that they can read.
CREATE FUNCTION "api_keys_limits"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.write_fields IS NULL THEN
            NEW.write_fields := coalesce((SELECT write_fields FROM api_keys WHERE id = NEW.predecessor_id), NEW.user_fields);
        END IF;
    ELSIF (NEW.budgets, NEW.lineage_ends_at) IS DISTINCT FROM (OLD.budgets, OLD.lineage_ends_at) THEN
        RAISE EXCEPTION 'the budgets and the lineage of a key cannot be changed';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER "api_keys_limits" BEFORE INSERT OR UPDATE ON "api_keys"
    FOR EACH ROW EXECUTE FUNCTION "api_keys_limits"();

-- Temporary tables come first unless the path says otherwise.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION "api_keys_limits"() SET search_path TO %I, pg_temp', current_schema());
END $$;
