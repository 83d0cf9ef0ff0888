DROP TABLE tributary.bridges;
