-- Temporary tables come first unless the path says otherwise: whoever may make one could have the trail written into it.
DO $$
DECLARE
    path TEXT := format('%I, pg_temp', current_schema());
BEGIN
    EXECUTE 'ALTER FUNCTION "api_keys_before_change"() SET search_path TO ' || path;
    EXECUTE 'ALTER FUNCTION "api_keys_audit"() SET search_path TO ' || path;
END $$;
