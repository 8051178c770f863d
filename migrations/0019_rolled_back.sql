-- A version that was taken back is remembered as such: no later rollback makes it live again.

ALTER TABLE recommender_model ADD COLUMN rolled_back_at timestamptz;
GRANT UPDATE (rolled_back_at) ON recommender_model TO tagway_app;
