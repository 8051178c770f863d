-- What a builder writes of a profile needs no foreign keys: it holds the profile's row locked and the workspace's
-- definitions still. Checking each row all the same locked the few rows of `segment` thousands of times a second, and
-- took a third of Postgres's time in a build. What hangs on a row that goes is removed with it, statement by statement.

ALTER TABLE leaf_state DROP CONSTRAINT leaf_state_workspace_id_profile_id_fkey;
ALTER TABLE membership DROP CONSTRAINT membership_workspace_id_profile_id_fkey;
ALTER TABLE membership DROP CONSTRAINT membership_workspace_id_segment_id_fkey;

CREATE FUNCTION forget_profiles() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM leaf_state USING gone
        WHERE leaf_state.workspace_id = gone.workspace_id AND leaf_state.profile_id = gone.id;
    DELETE FROM membership USING gone
        WHERE membership.workspace_id = gone.workspace_id AND membership.profile_id = gone.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER profiles_gone AFTER DELETE ON profile
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION forget_profiles();

CREATE FUNCTION forget_segments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM membership USING gone
        WHERE membership.workspace_id = gone.workspace_id AND membership.segment_id = gone.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER segments_gone AFTER DELETE ON segment
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION forget_segments();
