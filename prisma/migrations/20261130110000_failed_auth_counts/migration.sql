-- CreateTable
CREATE TABLE "failed_auth_counts" (
    "network" TEXT NOT NULL,
    "window_start" TIMESTAMPTZ(3) NOT NULL,
    "failures" INTEGER NOT NULL,

    CONSTRAINT "failed_auth_counts_pkey" PRIMARY KEY ("network")
);

-- Counts of the last minute: a crash may lose them, and they need no WAL.
ALTER TABLE "failed_auth_counts" SET UNLOGGED;

-- Adds the failed authentications of one process to those of all processes. Returns the failures of each network in its window, and the
-- number of networks that failed within the last window. Rows are few: expired ones are deleted at each call.
CREATE FUNCTION "count_failed_auth"(networks TEXT[], added INTEGER[], window_seconds INTEGER)
    RETURNS TABLE ("network" TEXT, "failures" INTEGER, "sources" INTEGER)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    expired TIMESTAMPTZ := now() - least(greatest(window_seconds, 1), 3600) * interval '1 second';
BEGIN
    IF cardinality(networks) > 1000 THEN
        RAISE EXCEPTION 'too many networks' USING ERRCODE = 'check_violation';
    END IF;
    -- In one order, or two processes would wait for each other.
    INSERT INTO failed_auth_counts AS known (network, window_start, failures)
        SELECT left(item.name, 128), now(), sum(least(item.number, 1000000)) FROM unnest(networks, added) AS item (name, number)
        GROUP BY 1 ORDER BY 1
        ON CONFLICT (network) DO UPDATE SET
            window_start = CASE WHEN known.window_start < expired THEN now() ELSE known.window_start END,
            failures = least(1000000, excluded.failures + CASE WHEN known.window_start < expired THEN 0 ELSE known.failures END);
    DELETE FROM failed_auth_counts WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM failed_auth_counts WHERE window_start < expired FOR UPDATE SKIP LOCKED));
    RETURN QUERY SELECT counted.network, counted.failures, (SELECT count(*)::int FROM failed_auth_counts)
        FROM failed_auth_counts AS counted WHERE counted.network = ANY (networks);
END $$;

-- Temporary tables come first unless the path says otherwise.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION "count_failed_auth"(TEXT[], INTEGER[], INTEGER) SET search_path TO %I, pg_temp', current_schema());
END $$;
