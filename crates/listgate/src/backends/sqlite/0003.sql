-- Migration 3: entries are leased.
--
-- The states of an entry:
--   waiting   whoever comes next may lease it
--   leased    a consumer has it, until available_at; after that whoever comes next may lease it
--   later     it is put off until available_at; reason says why
--   held      an operator holds it
--   shunted   it could not be handled; reason says why
-- A lease adds one to attempts, which an operator may reset, and to fence, which nobody does: whoever
-- settles names the fence of its lease, so that one who comes too late changes nothing.
ALTER TABLE entry RENAME COLUMN leased_until TO fence;

-- The lists that have something waiting, and the first entry of each, are found in one step each
-- however many entries there are. Rows of an index end with the primary key, the order of arrival.
DROP INDEX entry_queue;
CREATE INDEX entry_waiting ON entry (queue, list_id) WHERE state = 'waiting';

-- What waits again when its time has come, and the lists that must keep their order meanwhile. Mail
-- that arrives is in neither.
CREATE INDEX entry_away ON entry (queue, available_at) WHERE state IN ('leased', 'later');
CREATE INDEX entry_busy ON entry (queue, list_id) WHERE state IN ('leased', 'later');
