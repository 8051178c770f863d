-- What models say of people, and what serves the people that the build of an edited segment has not reached.

ALTER TABLE profile ADD COLUMN scores jsonb NOT NULL DEFAULT '{}'; -- {model: {"s": score, "c": confidence, "t": microseconds}}

-- Earlier definitions, newest first: [{"definition": …, "version": 3, "through": id or null}]. A profile beyond
-- `built_through` is served by the first of them that has reached it. A build that failed leaves everybody where it
-- came to.
ALTER TABLE segment ADD COLUMN earlier jsonb NOT NULL DEFAULT '[]';
ALTER TABLE segment NO FORCE ROW LEVEL SECURITY; -- the owner itself is to see every row, for once
UPDATE segment SET earlier = jsonb_build_array(
    jsonb_build_object('definition', previous_definition, 'version', version - 1, 'through', NULL)
) WHERE previous_definition IS NOT NULL;
ALTER TABLE segment FORCE ROW LEVEL SECURITY;
ALTER TABLE segment DROP COLUMN previous_definition;
