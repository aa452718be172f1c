-- Grants the run-time role only the rights that the backend's statements need, by table and column.
-- `migrate.mjs` runs this file as the owner of the tables, after the migrations. Another run
-- changes nothing. `test/run-time-rights.e2e-spec.ts` compares the rights with the statements.
-- The role cannot log in. The backend logs in with an account that is a member of the role. A role
-- belongs to the whole server, so accounts for other databases may be members, too. Therefore
-- `migrate.mjs` grants the right CONNECT to the backend's account, not to the role.
DO $$
BEGIN
    CREATE ROLE latchkey_run_time NOLOGIN;
EXCEPTION
    -- A migration of another database on this server may already have created the role.
    WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

-- PostgreSQL grants CONNECT and TEMPORARY to PUBLIC. With TEMPORARY, an account could hide a table
-- from a trigger behind a temporary table of the same name.
DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM latchkey_run_time', current_database());
END $$;
REVOKE ALL ON SCHEMA public FROM PUBLIC, latchkey_run_time;
GRANT USAGE ON SCHEMA public TO latchkey_run_time;

-- Earlier releases granted rights on future tables.
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM latchkey_run_time;
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON SEQUENCES FROM latchkey_run_time;
-- No `IN SCHEMA`: default privileges of a schema cannot revoke the global default privileges.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Revoking a right on a table also revokes it on the columns.
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, latchkey_run_time;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, latchkey_run_time;
-- Trigger functions run even if the account has no EXECUTE right on them.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC, latchkey_run_time;

GRANT
    SELECT (id, email, name, phone, roles, permissions, created_at, last_login_at),
    INSERT (id, email, name, phone, roles, permissions, updated_at),
    UPDATE (email, name, phone, roles, permissions, updated_at, last_login_at),
    DELETE
    ON users TO latchkey_run_time;

GRANT SELECT (id, user_id, type, currency, balance, created_at) ON accounts TO latchkey_run_time;

-- Keys are never deleted. After a key is issued, only the columns of UPDATE may change.
GRANT
    SELECT,
    INSERT (id, digest, hint, environment, name, note, scopes, user_fields, write_fields, networks, rate_limit, budgets, created_at,
            created_by, expires_at, lineage_ends_at, predecessor_id, revision),
    UPDATE (rotated_at, retires_at, retire_after_quiet_seconds, revoked_at, revoked_by, revocation_reason)
    ON api_keys TO latchkey_run_time;

GRANT
    SELECT (digest, request_digest, api_key_id, created_at),
    INSERT (digest, request_digest, api_key_id, created_at),
    UPDATE (api_key_id),
    DELETE
    ON idempotent_requests TO latchkey_run_time;

-- Only triggers write the audit trail, with the rights of the owner.
GRANT SELECT (sequence, at, actor, action, subject, before, after, previous_hash, hash) ON audit_events TO latchkey_run_time;

GRANT SELECT (id, last_seen_at, secret_digest, proof) ON instances TO latchkey_run_time;
GRANT EXECUTE ON FUNCTION record_heartbeat(TEXT, TEXT, TEXT), remove_instance(TEXT, TEXT) TO latchkey_run_time;

-- No DELETE on the following tables: only the functions below delete rows, and only old rows.
GRANT
    SELECT (key_id, last_used_at, source, client_name),
    INSERT (key_id, last_used_at, source, client_name),
    UPDATE (last_used_at, source, client_name)
    ON api_key_uses TO latchkey_run_time;

GRANT
    SELECT (key_id, hour, route, outcome, recorder, requests),
    INSERT (key_id, hour, route, outcome, recorder, requests),
    UPDATE (requests)
    ON api_key_usage TO latchkey_run_time;

GRANT
    SELECT (id, open_key, rule, subject, details, started_at, last_seen_at, ended_at),
    INSERT (id, open_key, rule, subject, details, started_at, last_seen_at),
    UPDATE (open_key, last_seen_at, ended_at)
    ON alert_episodes TO latchkey_run_time;

GRANT
    SELECT (id, body, created_at, attempts, next_attempt_at, delivered_at, gave_up_at),
    INSERT (id, body, created_at, attempts, next_attempt_at),
    UPDATE (attempts, next_attempt_at, delivered_at, gave_up_at)
    ON alert_outbox TO latchkey_run_time;

GRANT EXECUTE ON FUNCTION purge_api_key_usage(INTEGER), purge_alerts(), count_failed_auth(TEXT[], INTEGER[], INTEGER)
    TO latchkey_run_time;

-- During a rolling update, processes of the previous release write their rows of `instances`
-- directly. A trigger keeps them from changing the rows of processes of this release.
DO $$
BEGIN
    IF EXISTS (SELECT FROM instances WHERE secret_digest IS NULL AND last_seen_at > now() - interval '1 minute') THEN
        GRANT INSERT (id, last_seen_at), UPDATE (last_seen_at), DELETE ON instances TO latchkey_run_time;
        RAISE WARNING 'Processes of an earlier release are running. Migrate once more, one minute after they have ended, to revoke their rights.';
    END IF;
END $$;

-- Every account may create large objects; only a superuser can revoke that right.
DO $$
DECLARE
    statement TEXT := 'REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC';
BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE statement;
    END IF;
    IF has_function_privilege('latchkey_run_time', 'lo_create(oid)', 'EXECUTE') THEN
        RAISE WARNING 'The backend may create large objects, which could fill the disk. Let a superuser run in database %: %;',
            current_database(), statement;
    END IF;
    -- A prepared transaction holds its locks without a session that could be terminated.
    IF current_setting('max_prepared_transactions')::int > 0 THEN
        RAISE WARNING 'max_prepared_transactions is not 0, so the account of the backend could hold locks that delay the revocation of keys. Set max_prepared_transactions to 0, and restart PostgreSQL.';
    END IF;
END $$;
