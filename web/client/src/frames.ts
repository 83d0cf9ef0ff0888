import type { ServerFrame } from "./generated.js";

/** One kind of frame: `FrameOf<"message.created">`. */
export type FrameOf<T extends ServerFrame["type"]> = Extract<ServerFrame, { type: T }>;

/** What the client itself answers, and nobody else gets to see. */
type Housekeeping = "hello" | "live" | "resync" | "authed" | "pong";

/** What happens in the user's conversations. */
export type Frame = Exclude<ServerFrame, { type: Housekeeping }>;

/** Nothing can be replayed: whoever gets this has to load everything again. */
export type ResyncFrame = FrameOf<"resync">;

/** Reads a frame; `undefined` for what is none. A later server may send types that are not listed here. */
export function parseFrame(text: unknown): ServerFrame | undefined {
  if (typeof text !== "string") return undefined;
  try {
    const frame: unknown = JSON.parse(text);
    const isFrame = typeof frame === "object" && frame !== null && "type" in frame && typeof frame.type === "string";
    return isFrame ? (frame as ServerFrame) : undefined;
  } catch {
    return undefined;
  }
}

const KINDS: Record<Frame["type"], true> = {
  "message.created": true,
  "message.updated": true,
  "conversation.updated": true,
  "conversation.removed": true,
  "connection.status": true,
  "backfill.progress": true,
  typing: true,
  receipt: true,
};

/** Whether a frame is one for the page, of a type that this version knows. */
export function isForPage(frame: ServerFrame): frame is Frame {
  return Object.hasOwn(KINDS, frame.type);
}
