DROP TABLE tributary.report_attempts;
DROP INDEX tributary.link_attempts_address;
ALTER TABLE tributary.link_attempts DROP COLUMN address;
