DROP INDEX tributary.rooms_replaced_by;
ALTER TABLE tributary.rooms DROP COLUMN replaced_by;
