-- What the backend may do in its database. Run by the owner of the tables after each migration; running it again changes nothing.
-- Accounts that serve are members of this role, which can't log in itself. Only those that `migrate` is given may connect: the role is the
-- whole server's, and so has members that serve other databases.
DO $$
BEGIN
    CREATE ROLE latchkey_run_time NOLOGIN;
EXCEPTION
    -- Roles are the whole server's: another database, or another migration at the same moment, may have made it.
    WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

-- PostgreSQL grants these to everybody. A temporary table could take the place of one that a trigger names.
DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM latchkey_run_time', current_database());
END $$;
REVOKE ALL ON SCHEMA public FROM PUBLIC, latchkey_run_time;
GRANT USAGE ON SCHEMA public TO latchkey_run_time;

-- Tables of later migrations, also of those that somebody applies by hand. TRUNCATE, REFERENCES and TRIGGER are not among them.
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO latchkey_run_time;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO latchkey_run_time;
-- Not `IN SCHEMA`, which could only add to what everybody has.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, latchkey_run_time;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, latchkey_run_time;
-- Triggers run without it.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC, latchkey_run_time;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO latchkey_run_time;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO latchkey_run_time;

-- Keys are kept, and what identifies them stays: only these columns change in the life of a key.
REVOKE UPDATE, DELETE ON api_keys FROM latchkey_run_time;
GRANT UPDATE (rotated_at, retires_at, retire_after_quiet_seconds, revoked_at, revoked_by, revocation_reason)
    ON api_keys TO latchkey_run_time;

-- The trigger writes the trail, with the rights of the owner.
REVOKE INSERT, UPDATE, DELETE ON audit_events FROM latchkey_run_time;

-- What Prisma knows of the migrations; not there where they were applied without it.
DO $$
BEGIN
    IF to_regclass('public._prisma_migrations') IS NOT NULL THEN
        REVOKE ALL ON public._prisma_migrations FROM latchkey_run_time;
    END IF;
END $$;

REVOKE ALL ON audit_lock FROM latchkey_run_time;
GRANT EXECUTE ON FUNCTION record_heartbeat(TEXT, TEXT, TEXT), remove_instance(TEXT, TEXT) TO latchkey_run_time;
