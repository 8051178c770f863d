-- Events lie in parts by the quarter of their receipt: a part that sweeps have emptied is dropped, and gives its room back to
-- the disk, and no index grows for ever. People are looked up, not months, and each look-up asks every part: with 13 months in
-- quarters, eight parts in all, a hot statement takes 1.3 to 1.7 times as long, 0.3 ms more (prepared, 300,000 events); with
-- months it was 2.1 times on the median.
-- `event_earlier` holds what was received before the first of them, also what a replay of the log brings into a new database.
-- `event_default` is for what fits nowhere: what a clock that was wrong has stamped.

-- Where parts begin and end; `event_default` is none of them.
CREATE VIEW event_part AS
SELECT part.oid::regclass AS part, coalesce(bound.begins, '-infinity') AS begins, bound.ends
FROM pg_catalog.pg_inherits JOIN pg_catalog.pg_class AS part ON part.oid = inhrelid
CROSS JOIN LATERAL (
    SELECT substring(said FROM 'FROM \(''(.+?)''\)')::timestamptz AS begins,
        substring(said FROM 'TO \(''(.+?)''\)')::timestamptz AS ends
    FROM pg_catalog.pg_get_expr(part.relpartbound, part.oid) AS said
) AS bound
WHERE inhparent = 'event'::regclass AND bound.ends IS NOT NULL;
GRANT SELECT ON event_part TO tagway_worker;

-- Makes the part of an instant's quarter, and that of the next, where there is none; returns how many it made. What lies
-- of it in `event_default` moves. Nobody reads or writes there meanwhile, and Postgres reads it all: it has to be small.
-- Each event is written anew when its address is over, and goes when its time is: a part changes for some months, a
-- hundredth of it each day. Left to a fifth, autovacuum would clear away when most of it is over.
CREATE FUNCTION make_event_quarters(at timestamptz) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT SET timezone = 'UTC' SET row_security = off
AS $$
DECLARE
    starts timestamptz := date_trunc('quarter', at);
    follows timestamptz := starts + interval '3 months';
    made integer := 0;
BEGIN
    FOR later IN 0..1 LOOP
        IF NOT EXISTS (SELECT FROM event_part WHERE begins < follows AND ends > starts) THEN
            LOCK TABLE event_default IN ACCESS EXCLUSIVE MODE;
            EXECUTE format(
                'CREATE TABLE %1$I (LIKE event INCLUDING ALL EXCLUDING INDEXES) WITH ('
                    'autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02, '
                    'toast.autovacuum_vacuum_scale_factor = 0.02);'
                'REVOKE ALL ON %1$I FROM PUBLIC, tagway_app, tagway_worker;'
                'INSERT INTO %1$I SELECT * FROM event_default WHERE received_at >= %2$L AND received_at < %3$L;'
                'DELETE FROM event_default WHERE received_at >= %2$L AND received_at < %3$L;'
                'ALTER TABLE event ATTACH PARTITION %1$I FOR VALUES FROM (%2$L) TO (%3$L)',
                to_char(starts, '"event_"YYYY"q"Q'), starts, follows
            );
            made := made + 1;
        END IF;
        starts := follows;
        follows := starts + interval '3 months';
    END LOOP;
    RETURN made;
END
$$;
REVOKE EXECUTE ON FUNCTION make_event_quarters(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_event_quarters(timestamptz) TO tagway_worker;

-- Drops the parts that are empty and ended more than 30 days before an instant, when no spool nor builder holds anything
-- of theirs; returns how many. `event_earlier` stays, and gives its room back. Whether a part is empty is asked before it is
-- locked, so that one with events never is, and again when it is, by an index: deleted rows may fill its pages still.
CREATE FUNCTION drop_event_quarters(at timestamptz) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT SET timezone = 'UTC' SET row_security = off SET enable_seqscan = off
AS $$
DECLARE
    past record;
    used boolean;
    dropped integer := 0;
BEGIN
    FOR past IN
        SELECT part, begins = '-infinity' AS stays FROM event_part
        WHERE ends < at - interval '30 days' AND (begins > '-infinity' OR pg_total_relation_size(part) > 1048576)
        ORDER BY ends
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s ORDER BY workspace_id LIMIT 1)', past.part) INTO used;
        CONTINUE WHEN used;
        -- First the whole and then the part, as everybody does.
        LOCK TABLE ONLY event IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', past.part);
        EXECUTE format('SELECT EXISTS (SELECT FROM %s ORDER BY workspace_id LIMIT 1)', past.part) INTO used;
        CONTINUE WHEN used;
        EXECUTE format(CASE WHEN past.stays THEN 'TRUNCATE %s' ELSE 'DROP TABLE %s' END, past.part);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;
REVOKE EXECUTE ON FUNCTION drop_event_quarters(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_event_quarters(timestamptz) TO tagway_worker;

-- Postgres analyses parts by itself, never the whole, and only by the whole does it know of how many people events are.
-- Once a day it has to be asked, and as soon as there are twice as many events as it knew of.
CREATE FUNCTION analyse_events() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_class AS whole
        LEFT JOIN pg_catalog.pg_stat_all_tables AS known ON known.relid = whole.oid
        WHERE whole.oid = 'event'::regclass AND (
            SELECT sum(greatest(part.reltuples, 0))
            FROM pg_catalog.pg_inherits JOIN pg_catalog.pg_class AS part ON part.oid = inhrelid
            WHERE inhparent = whole.oid
        ) > CASE WHEN known.last_analyze > now() - interval '1 day' THEN 2 * greatest(whole.reltuples, 0) ELSE 0 END
    ) THEN
        RETURN false;
    END IF;
    ANALYZE (SKIP_LOCKED) event;
    RETURN true;
END
$$;
REVOKE EXECUTE ON FUNCTION analyse_events() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION analyse_events() TO tagway_worker;

-- With the whole, parts are analysed that hold nothing yet, and by plans of that time a quarter that begins is read as it
-- lies. So a table is young, too, that had not a page when it was last looked at.
CREATE OR REPLACE FUNCTION analyse_young_tables() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT
AS $$
DECLARE
    young regclass;
    number integer := 0;
BEGIN
    FOR young IN
        SELECT oid FROM pg_catalog.pg_class
        WHERE relkind = 'r' AND (reltuples < 0 OR relpages = 0) AND relowner = current_user::regrole
            AND relnamespace = pg_catalog.current_schema()::regnamespace AND pg_catalog.pg_relation_size(oid) >= 262144
        ORDER BY oid
    LOOP
        EXECUTE format('ANALYZE (SKIP_LOCKED) %s', young);
        number := number + 1;
    END LOOP;
    RETURN number;
END
$$;

LOCK TABLE event IN ACCESS EXCLUSIVE MODE;
ALTER TABLE event DETACH PARTITION event_default;
ALTER TABLE event_default RENAME TO event_earlier;
ALTER INDEX event_default_pkey RENAME TO event_earlier_pkey;
ALTER INDEX event_default_workspace_id_subject_id_at_message_id_idx RENAME TO event_earlier_by_subject;
ALTER INDEX event_default_workspace_id_name_at_idx RENAME TO event_earlier_by_name;
ALTER INDEX event_default_workspace_id_received_at_message_id_idx RENAME TO event_earlier_by_receipt;
DO $$
DECLARE
    ends timestamptz;
BEGIN
    IF EXISTS (SELECT FROM event_earlier) THEN
        SELECT substring(pg_get_constraintdef(oid) FROM '''(.+?)''')::timestamptz INTO STRICT ends
        FROM pg_constraint WHERE conrelid = 'event_earlier'::regclass AND conname = 'event_earlier_ends';
    ELSE
        ends := date_trunc('quarter', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    END IF;
    EXECUTE format('ALTER TABLE event ATTACH PARTITION event_earlier FOR VALUES FROM (MINVALUE) TO (%L)', ends);
END
$$;
ALTER TABLE event_earlier DROP CONSTRAINT event_earlier_ends;
ALTER TABLE event_earlier SET (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.02,
    toast.autovacuum_vacuum_scale_factor = 0.02
);
CREATE TABLE event_default PARTITION OF event DEFAULT;
SELECT make_event_quarters(now());
