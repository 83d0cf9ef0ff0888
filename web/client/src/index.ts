export { createApi, type AnswerOf, type Api, type ApiOptions, type RequestOf } from "./api.js";
export type { components, operations, paths } from "./api.generated.js";
export { TributaryClient, type ClientOptions, type FollowOptions, type Paging } from "./client.js";
export { TributaryError, type ErrorCode } from "./errors.js";
export type { Frame, FrameOf, ResyncFrame } from "./frames.js";
export { frames, type FramesOptions } from "./frames-of.js";
export type {
  Attachment,
  BackfillProgress,
  BackfillSummary,
  Connection,
  Conversation,
  ConversationList,
  FullMessage,
  Message,
  MessagePage,
  Participant,
  Reaction,
  ServerFrame,
  Status as ConnectionStatus,
  Statuses as ConnectionStatuses,
  Version,
} from "./generated.js";
export type { End as StreamEnd } from "./policy.js";
export type { WebSocketConstructor, WebSocketLike } from "./session.js";
export {
  connect,
  TributaryStream,
  type CommonOptions,
  type Loading,
  type Resuming,
  type StreamOptions,
  type StreamState,
} from "./stream.js";
export type { GetToken } from "./token.js";
