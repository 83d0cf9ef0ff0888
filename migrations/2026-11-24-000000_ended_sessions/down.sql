DROP TABLE tributary.webhook_deliveries;
DROP TABLE tributary.ended_sessions;
