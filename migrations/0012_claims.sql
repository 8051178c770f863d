-- When each claim was recorded: events may claim anything, so a person's claims of one day are bounded.

ALTER TABLE consent_evidence ADD COLUMN at timestamptz NOT NULL DEFAULT now();
