DROP TABLE tributary.secrets;
