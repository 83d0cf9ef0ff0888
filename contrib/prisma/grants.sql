-- A role for the web app's Prisma: it reads what schema.prisma names and nothing else, not even
-- other columns of the same tables, and writes nothing. It sees everybody's rows (BYPASSRLS), so
-- it is for a server, never for a browser.
--
--     psql "$ADMIN_DATABASE_URL" -v ON_ERROR_STOP=1 -v password=... -f grants.sql
--
-- in Tributary's database as a superuser, who alone may give BYPASSRLS; again, without the first statement, after an upgrade that
-- changed schema.prisma.
CREATE ROLE tributary_reader LOGIN PASSWORD :'password' NOINHERIT BYPASSRLS;
ALTER ROLE tributary_reader SET default_transaction_read_only = on;

GRANT USAGE ON SCHEMA tributary TO tributary_reader;
GRANT SELECT (id, user_id, bridge_id, matrix_user_id, bridge_user_id, remote_name, status, error,
              linked_at, disconnected_at, last_sync_at, created_at, updated_at)
    ON tributary.messenger_connections TO tributary_reader;
GRANT SELECT (id, bridge_id, network, matrix_room_id, is_group, avatar_media_id, created_at, updated_at)
    ON tributary.conversations TO tributary_reader;
GRANT SELECT (user_id, conversation_id, title, unread_count, has_left, former_avatar_media_id, last_event_at,
              sort_at, created_at, updated_at)
    ON tributary.conversation_access TO tributary_reader;
GRANT SELECT (id, connection_id, user_id, room_id, conversation_id, from_at, from_ts, until_at, until_ts)
    ON tributary.room_grants TO tributary_reader;
GRANT SELECT (id, conversation_id, matrix_user_id, external_id, display_name, avatar_media_id, membership,
              is_service, created_at, updated_at)
    ON tributary.participants TO tributary_reader;
GRANT SELECT (user_id, conversation_id, participant_id, display_name, avatar_media_id, membership)
    ON tributary.former_people TO tributary_reader;
GRANT SELECT (id, conversation_id, room_id, event_id, sender_id, type, body, formatted_body, content, metadata,
              "timestamp", edited_at, deleted_at, historical, received_at, edit_event_id, reply_to_event_id,
              thread_root_event_id)
    ON tributary.messages TO tributary_reader;
GRANT SELECT (room_id, event_id, target_event_id, media_id, kind, filename, mime_type, size, width, height,
              duration_ms)
    ON tributary.attachments TO tributary_reader;
GRANT SELECT (id, state) ON tributary.media TO tributary_reader;
