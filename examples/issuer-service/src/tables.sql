-- A change is `sending` from the moment before its call until its outcome is known, and `unknown` where only a person
-- can find it out. A card has one such change at most.
BEGIN;
-- Instances that start at the same time make the tables one after the other.
SELECT pg_advisory_xact_lock(20261126);

CREATE TABLE IF NOT EXISTS card_change (
    -- The channel and the id that it gave the change: channel/id.
    request_id text PRIMARY KEY,
    card_id text NOT NULL,
    -- What the channel ordered, to compare a repetition with.
    request text NOT NULL,
    state text NOT NULL DEFAULT 'sending'
        CHECK (state IN ('sending', 'done', 'refused', 'not_done', 'unknown')),
    -- The status of the response to a repetition.
    status int NOT NULL DEFAULT 202,
    -- What is needed to reconcile the change: a PendingChange.
    pending text NOT NULL,
    -- The id of the last call, and how many there were.
    correlation_id text NOT NULL,
    sends int NOT NULL DEFAULT 1,
    sent_at timestamptz NOT NULL DEFAULT now(),
    -- When the change is to be reconciled, while it is `sending`.
    look_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS card_change_open ON card_change (card_id)
    WHERE state IN ('sending', 'unknown');
CREATE INDEX IF NOT EXISTS card_change_due ON card_change (look_at)
    WHERE state = 'sending';

CREATE TABLE IF NOT EXISTS d1_notification (
    card_id text NOT NULL,
    operation_id text,
    operation text,
    status text,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS d1_notification_once
    ON d1_notification (operation_id, coalesce(status, ''));
COMMIT;
