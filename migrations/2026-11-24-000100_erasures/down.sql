DROP TABLE tributary.erasure_rooms;
DROP TABLE tributary.erasures;
