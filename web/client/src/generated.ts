// Made by `TRIBUTARY_TEST_UPDATE=1 cargo test --test typescript` from the server's own types.

/** A conversation in which something was written. */
export type ActiveConversation = Tally & {
  /** Which one. */
  conversationId: string;
  /** Its title for the viewer. */
  title: string | null;
};

/** Somebody who wrote. */
export type ActivePerson = {
  /** Their picture there, once it is stored. */
  avatarUrl: string | null;
  /** In how many conversations. */
  conversations: number;
  /** Their name where they wrote most. */
  displayName: string | null;
  /** Their id on the network, for a ghost. */
  externalId: string | null;
  /** Their Matrix id. */
  matrixUserId: string;
  /** How much they wrote. */
  messages: number;
};

/** The numbers of one viewer, in a period. Counted is what the viewer may see and nobody has redacted; an edited message is one, and what the bridge's bot says is nobody's. */
export type Analytics = Tally & {
  /** The conversation that was asked for; null for all of them. */
  conversationId: string | null;
  /** The 20 conversations with most messages. */
  conversations: Array<ActiveConversation>;
  /** The days with messages, the oldest first. */
  days: Array<Day>;
  /** The beginning of the period, which belongs to it. */
  from: string;
  /** The hours of the day, 0 to 23, all of them. */
  hours: Array<Hour>;
  /** The 20 others who wrote most; a person is one in all conversations. */
  people: Array<ActivePerson>;
  /** How fast answers came. */
  responseTimes: ResponseTimes;
  /** In which days and hours are counted. */
  timeZone: string;
  /** Its end, which does not. */
  to: string;
};

/** How long answers took. A percentile is the time of one of them: the shortest one that at least so many percent do not exceed. */
export type Answers = {
  /** How many there were. */
  count: number;
  /** Milliseconds; null without an answer. */
  medianMs: number | null;
  /** Milliseconds; null without an answer. */
  p90Ms: number | null;
};

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

/** A day, from midnight to midnight in the time zone. */
export type Day = Tally & {
  /** Which one. */
  day: string;
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

/** A conversation that was found by its title or by somebody in it. */
export type FoundConversation = {
  /** The conversation, without its participants. */
  conversation: Conversation;
  /** The names that were. */
  names: Array<FoundName>;
};

/** A message that was found: the message, and where. */
export type FoundMessage = Message & {
  /** What of its `body` was searched for: in order, apart, a hundred at most. */
  inBody: Array<Range>;
  /** What of its attachment's `filename` was. */
  inFilename: Array<Range>;
};

/** A name that was found. */
export type FoundName = {
  /** What of it was searched for. */
  inName: Array<Range>;
  /** The name: the conversation's title, or a participant's. */
  name: string;
};

/** A message with what only the one who asks for it alone is told. */
export type FullMessage = Message & {
  /** The full content of the shown version; none once redacted. */
  content?: Record<string, unknown>;
  /** Of an edited message every version, the original first. */
  versions?: Array<Version>;
};

/** An hour of the day in the time zone. */
export type Hour = Tally & {
  /** 0 to 23. */
  hour: number;
};

/** What the desktop program showed. */
export type Link = {
  /** The code, in any case, with spaces and dashes wherever they are. */
  code: string;
};

/** Tickets for files. */
export type MediaTickets = {
  /** Until when they are good. */
  expiresAt: string;
  /** A ticket for each of the files that are the caller's, by its id; none for another. */
  tickets: Record<string, string>;
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

/** A message among those around it. */
export type MessageContext = {
  /** Its conversation. */
  conversationId: string;
  /** The messages, the newest first. */
  items: Array<Message>;
  /** For the same with `&order=oldest`, which goes on with newer ones; null when there are none. */
  newerCursor: string | null;
  /** For `GET /api/conversations/{id}/messages?cursor=`, which goes on with older ones; null when there are none. */
  olderCursor: string | null;
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
  code: "invalid_request" | "unauthorized" | "forbidden" | "not_found" | "method_not_allowed" | "request_timeout" | "conflict" | "payload_too_large" | "unsupported_media_type" | "rate_limited" | "internal" | "unavailable" | "media_pending" | "media_too_large" | "media_forbidden" | "media_missing" | "media_failed" | "no_thumbnail" | "range_not_satisfiable";
  /** For people; may change. */
  detail: string;
  /** The HTTP status. */
  status: number;
  /** The status in words. */
  title: string;
  /** Always `about:blank`: `code` says which problem it is. */
  type: string;
};

/** A part of a text, in UTF-16 code units: `text.slice(start, end)` in JavaScript. */
export type Range = {
  /** Behind its last code unit. */
  end: number;
  /** Where it begins. */
  start: number;
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

/** How long whoever was written to took.  Messages of one side that follow each other in a conversation are a turn. An answer is the first message of the next turn, and took from the first message of the turn before. The messages of the period are looked at and no others; no answer is too late to count. */
export type ResponseTimes = {
  /** Others' answers to the viewer. */
  others: Answers;
  /** The viewer's answers to others. */
  own: Answers;
};

/** A page of what was found. */
export type SearchPage = {
  /** Conversations with such a title, or with somebody of such a name in them: ten at most, with the first page of a search in all conversations. */
  conversations: Array<FoundConversation>;
  /** Messages. There may be fewer than `limit`, even none, although there is a next page. */
  items: Array<FoundMessage>;
  /** The `cursor` of the next page; null at the end. */
  nextCursor: string | null;
};

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

/** A number of messages. */
export type Tally = {
  /** Those of others. */
  received: number;
  /** Those of the viewer. */
  sent: number;
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

/** The files that tickets are wanted for. */
export type WantedTickets = {
  /** Ids of files: `mediaId` of attachments, and what is behind `/api/media/` in an `avatarUrl`. */
  ids: Array<string>;
};
