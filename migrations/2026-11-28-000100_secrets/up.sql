-- What all replicas sign with and nobody else may know. Random by Postgres itself:
-- each uuid has 122 bits of the operating system's randomness.
CREATE TABLE tributary.secrets (
    name       text PRIMARY KEY,
    secret     bytea NOT NULL CHECK (octet_length(secret) >= 32),
    created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE tributary.secrets ENABLE ROW LEVEL SECURITY;

INSERT INTO tributary.secrets (name, secret)
VALUES ('media_tickets', sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
