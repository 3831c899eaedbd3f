-- Migration 3: entries are leased.
--
-- The states of an entry:
--   waiting   the next consumer may lease it
--   leased    a consumer has it until available_at; after that the next consumer may lease it
--   later     it is deferred until available_at; reason says why
--   held      an operator holds it
--   shunted   it could not be handled; reason says why
-- A lease adds one to attempts, which an operator may reset, and one to fence, which is never reset. A
-- consumer that settles a lease names its fence, so a consumer that is too late changes nothing.
ALTER TABLE entry RENAME COLUMN leased_until TO fence;

-- One lookup finds the next list that has something waiting, and one more its first entry, however many
-- entries there are. Index rows end with the primary key, which is the order of arrival.
DROP INDEX entry_queue;
CREATE INDEX entry_waiting ON entry (queue, list_id) WHERE state = 'waiting';

-- Entries that will wait again at a certain time, and the lists that must keep their order until then.
-- Arriving mail is in neither index.
CREATE INDEX entry_away ON entry (queue, available_at) WHERE state IN ('leased', 'later');
CREATE INDEX entry_busy ON entry (queue, list_id) WHERE state IN ('leased', 'later');
