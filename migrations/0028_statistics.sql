-- Until a table is analysed, Postgres takes a workspace for a few of its rows and compares all of its people with all.
-- Its own look comes once a minute, too late for an installation that fills within seconds. A look at fewer than 32 pages
-- would be too early: a plan that reads these few as they lie would be kept while the table grows.
CREATE FUNCTION analyse_young_tables() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
DECLARE
    young regclass;
    number integer := 0;
BEGIN
    FOR young IN
        SELECT oid FROM pg_catalog.pg_class
        WHERE relkind = 'r' AND reltuples < 0 AND relnamespace = pg_catalog.current_schema()::regnamespace
            AND relowner = current_user::regrole AND pg_catalog.pg_relation_size(oid) >= 262144
        ORDER BY oid
    LOOP
        EXECUTE format('ANALYZE (SKIP_LOCKED) %s', young);
        number := number + 1;
    END LOOP;
    RETURN number;
END
$$;
REVOKE EXECUTE ON FUNCTION analyse_young_tables() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION analyse_young_tables() TO tagway_app, tagway_worker;
