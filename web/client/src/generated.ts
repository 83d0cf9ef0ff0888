// Made by `TRIBUTARY_TEST_UPDATE=1 cargo test --test typescript` from the server's own types.

/** A file that came with a message. */
export type Attachment = {
  /** Milliseconds. */
  durationMs: number | null;
  /** Its name. */
  filename: string | null;
  /** Pixels. */
  height: number | null;
  /** `image`, `video`, `audio`, `voice`, `file` or `sticker`. */
  kind: string;
  /** Its id; nothing serves it yet. */
  mediaId: string;
  /** Its MIME type. */
  mimeType: string | null;
  /** Bytes. */
  size: number | null;
  /** `pending`, `stored`, `too_large`, `forbidden`, `missing` or `failed`. */
  state: string;
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
  /** The state of the job. */
  state: string;
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
  /** `idle`, `running` or `done`. */
  state: string;
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
export type Page_Message = {
  /** The items. */
  items: Array<{
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
  }>;
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
  /** For programs: `unauthorized`, `forbidden`, `not_found`, `method_not_allowed`, `invalid_request`, `conflict`, `request_timeout`, `payload_too_large`, `unsupported_media_type`, `rate_limited`, `unavailable` or `internal`. */
  code: string;
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

/** What a web page may call: what it sends, and what is answered. */
export interface Operations {
  /** Erases everything of the caller: all connections with their conversations, messages and files that no other customer holds. It is out of sight when this answers; what is much is deleted soon after. May be repeated. The user stays signed in at Clerk, and may begin anew. */
  "DELETE /api/account": { query: {}; body: undefined; answer: undefined };
  /** Ends a connection; what it saw stays readable unless it is purged: then it is out of sight when this answers, and what is much is deleted soon after. May be repeated, also to purge later. */
  "DELETE /api/messenger/connections/{id}": { query: { purge?: boolean }; body: undefined; answer: undefined };
  /** The caller's conversations, those with the newest messages first. */
  "GET /api/conversations": { query: { limit?: number; cursor?: string }; body: undefined; answer: ConversationList };
  /** One of the caller's conversations, with its participants. */
  "GET /api/conversations/{id}": { query: {}; body: undefined; answer: Conversation };
  /** The messages of one of the caller's conversations, the newest first. */
  "GET /api/conversations/{id}/messages": { query: { limit?: number; cursor?: string }; body: undefined; answer: Page_Message };
  /** A message that the caller may see, with the event's full content; a redacted one has none. */
  "GET /api/messages/{id}": { query: {}; body: undefined; answer: FullMessage };
  /** How the caller's connections are doing. */
  "GET /api/messenger/status": { query: { connectionId?: string }; body: undefined; answer: Statuses };
  /** Marks everything in a conversation as read, for the caller; answers the conversation. */
  "POST /api/conversations/{id}/read": { query: {}; body: undefined; answer: Conversation };
  /** Makes sure that the caller has a connection: the one that is linked, or one that waits for its code. */
  "POST /api/messenger/connect": { query: {}; body: undefined; answer: Connection };
  /** Redeems a code: the connection becomes the caller's. */
  "POST /api/messenger/link": { query: {}; body: Link; answer: Connection };
}
