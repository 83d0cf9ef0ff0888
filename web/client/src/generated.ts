// Made by `TRIBUTARY_TEST_UPDATE=1 cargo test --test typescript` from the server's own types.

/** A file that came with a message. */
export type Attachment = {
  /** Milliseconds. */
  durationMs: number | null;
  /** Its name. */
  filename: string | null;
  /** Pixels. */
  height: number | null;
  /** What it is. */
  kind: "image" | "video" | "audio" | "voice" | "file" | "sticker";
  /** Its id; nothing serves it yet. */
  mediaId: string;
  /** Its MIME type. */
  mimeType: string | null;
  /** Bytes. */
  size: number | null;
  /** How far the archive is with it. */
  state: "pending" | "stored" | "too_large" | "forbidden" | "missing" | "failed";
  /** Pixels. */
  width: number | null;
};

/** How far the newest backfill of a conversation is. */
export type BackfillProgress = {
  /** The viewer's connection that sees the room. */
  connectionId: string;
  /** The conversation. */
  conversationId: string;
  /** The time of the oldest event read so far. */
  oldestAt: string | null;
  /** Its state; what is `waiting` is tried again. */
  state: "queued" | "running" | "waiting" | "done" | "failed" | "cancelled";
  /** Messages that it brought. */
  stored: number;
};

/** How the history of a connection's rooms is coming in. */
export type BackfillSummary = {
  /** Messages that backfills have stored; those that came by themselves are not counted. */
  messages: number;
  /** Rooms whose history is in. */
  roomsDone: number;
  /** Rooms that it sees. */
  roomsTotal: number;
  /** Whether it is coming in, or is in. */
  state: "idle" | "running" | "done";
};

/** A frame from the client. Strict: what is not exactly this is malformed. */
export type ClientFrame = {
  /** The new one. */
  token: string;
  type: "auth";
} | {
  type: "ping";
};

/** A `MessengerConnection`: one Clerk user, one Matrix user, one bridge. */
export type Connection = {
  /** How its history is coming in. */
  backfill: BackfillSummary;
  /** The id on the network, once it is known. */
  bridgeUserId: string | null;
  /** What is wrong, in the bridge's words; `bridge_silent: ...` while the bridge itself does not answer. */
  error: string | null;
  /** Its id. */
  id: string;
  /** When an event of it was last stored. */
  lastSyncAt: string | null;
  /** The Matrix user, once it is known. */
  matrixUserId: string | null;
  /** The name on the network. */
  remoteName: string | null;
  /** How it is doing. */
  status: Status;
};

/** A conversation, as one viewer sees it. */
export type Conversation = {
  /** Where the picture is, once it is stored: null so far. */
  avatarUrl: string | null;
  /** When Tributary first knew it. */
  createdAt: string;
  /** Its id. */
  id: string;
  /** Whether it is more than a direct chat. */
  isGroup: boolean;
  /** The time of the newest message that the viewer may see. */
  lastEventAt: string | null;
  lastMessage: Message | null;
  /** The Matrix room, the newest one if the portal was re-created. */
  matrixRoomId: string;
  /** The network it is on. */
  network: string;
  /** Who is in it; not in lists. */
  participants?: Array<Participant>;
  /** Its name, or in a direct chat the other person's. */
  title: string | null;
  /** Other people's live messages that the viewer has not read. */
  unreadCount: number;
  /** When anything of it last changed. */
  updatedAt: string;
};

/** A page of the caller's conversations. */
export type ConversationList = {
  /** What to give to `/ws?since=`, so that nothing is missed after this answer. */
  cursor: string;
  /** The conversations. */
  items: Array<Conversation>;
  /** The `cursor` of the next page; null at the end. */
  nextCursor: string | null;
};

/** What a frame says. */
export type Event = {
  /** The first frame of every socket. */
  data: {
    heartbeatSeconds: number;
    /** Whether everything after the client's cursor follows. */
    resumed: boolean;
    /** Clerk's session, the one a renewing token has to be of. */
    sessionId: string;
  };
  type: "hello";
} | {
  /** What was missed has been sent: from now on frames come as things happen. */
  data: Record<string, unknown>;
  type: "live";
} | {
  /** Nothing can be replayed: load the list again and go on from this frame's cursor. */
  data: {
    reason: Reason;
  };
  type: "resync";
} | {
  /** A live message is new. */
  data: {
    conversationId: string;
    message: Message;
    unreadCount: number;
  };
  type: "message.created";
} | {
  /** Edited, redacted, or other reactions. */
  data: {
    conversationId: string;
    message: Message;
  };
  type: "message.updated";
} | {
  /** New, renamed, read, other members, history came in; with `participants`. */
  data: {
    conversation: Conversation;
  };
  type: "conversation.updated";
} | {
  /** Purged, or part of another one. */
  data: {
    conversationId: string;
  };
  type: "conversation.removed";
} | {
  /** The bridge says how a connection is. */
  data: {
    connectionId: string;
    error?: string;
    status: Status;
  };
  type: "connection.status";
} | {
  /** History of a conversation comes in. */
  data: BackfillProgress;
  type: "backfill.progress";
} | {
  /** All who type now; without a cursor. */
  data: {
    conversationId: string;
    participantIds: Array<string>;
  };
  type: "typing";
} | {
  /** Read up to there; without a cursor. */
  data: {
    conversationId: string;
    messageId: string;
    participantId: string;
  };
  type: "receipt";
} | {
  /** The answer to `auth`. */
  data: {
    expiresAt: string;
  };
  type: "authed";
} | {
  /** The answer to `ping`. */
  data: Record<string, unknown>;
  type: "pong";
};

/** A message with what only the one who asks for it alone is told. */
export type FullMessage = Message & {
  /** The full content of the shown version; none once redacted. */
  content?: Record<string, unknown>;
  /** Of an edited message every version, the original first. */
  versions?: Array<Version>;
};

/** What the desktop program showed. */
export type Link = {
  /** The code, in any case, with spaces and dashes wherever they are. */
  code: string;
};

/** A message, as one viewer sees it. */
export type Message = {
  /** Files that came with it. */
  attachments: Array<Attachment>;
  /** The plain text. */
  body: string;
  /** Its conversation. */
  conversationId: string;
  /** When it was redacted. */
  deletedAt: string | null;
  /** When the shown version was written. */
  editedAt: string | null;
  /** HTML, safe to show. */
  formattedBody: string | null;
  /** Whether it reached the homeserver more than ten minutes after its own time. */
  historical: boolean;
  /** Its id. */
  id: string;
  /** Its Matrix event. */
  matrixEventId: string;
  /** Who reacted, per key. */
  reactions: Array<Reaction>;
  /** The message it answers, when that is known. */
  replyTo: string | null;
  /** Who sent it. */
  sender: Participant;
  /** The root of its thread, when that is known. */
  threadRoot: string | null;
  /** When it was sent. */
  timestamp: string;
  /** `msgtype`, or the event's type. */
  type: string;
};

/** A page of a list. */
export type MessagePage = {
  /** The items. */
  items: Array<Message>;
  /** The `cursor` of the next page; null at the end. */
  nextCursor: string | null;
};

/** A person in a conversation. */
export type Participant = {
  /** Where the picture is, once it is stored: null so far. */
  avatarUrl: string | null;
  /** Their name in this room. */
  displayName: string | null;
  /** Their id on the network, for a ghost. */
  externalId: string | null;
  /** Their id within the conversation. */
  id: string;
  /** Whether it is the viewer, as themselves or as their own ghost. */
  isSelf: boolean;
  /** Their Matrix id. */
  matrixUserId: string;
  /** `join`, `invite`, `leave`, `ban` or `knock`. */
  membership: string;
};

/** An error as it is sent (RFC 9457). */
export type Problem = {
  /** For programs; stable. */
  code: "invalid_request" | "unauthorized" | "forbidden" | "not_found" | "method_not_allowed" | "request_timeout" | "conflict" | "payload_too_large" | "unsupported_media_type" | "rate_limited" | "internal" | "unavailable";
  /** For people; may change. */
  detail: string;
  /** The HTTP status. */
  status: number;
  /** The status in words. */
  title: string;
  /** Always `about:blank`: `code` says which problem it is. */
  type: string;
};

/** Everybody who reacted with one key. */
export type Reaction = {
  /** How many reacted with it. */
  count: number;
  /** The emoji, or whatever the key is. */
  key: string;
  /** Whether the viewer is one of them. */
  mine: boolean;
  /** Who, as participants. */
  senders: Array<string>;
};

/** Why there is no replay. */
export type Reason = "unknown" | "foreign" | "expired";

/** A frame to the client. */
export type ServerFrame = Event & {
  /** When it happened. */
  at: string;
  /** Where the stream stands once the client has this frame. */
  cursor?: string;
};

/** How a connection is doing, as the bridge last said. */
export type Status = "PENDING" | "CONNECTED" | "ERROR" | "DISCONNECTED";

/** The caller's connections, the newest first, and how the newest is doing. */
export type Statuses = {
  connectionId: string | null;
  connections: Array<Connection>;
  error: string | null;
  status: Status | null;
};

/** One version of an edited message. */
export type Version = {
  /** When it was written. */
  at: string;
  /** The plain text. */
  body: string;
  /** Its Matrix event. */
  eventId: string;
  /** HTML, safe to show. */
  formattedBody: string | null;
};
