import { TributaryClient, type Conversation, type Frame, type GetToken, type StreamState } from "../../src/index.js";
import { gate } from "./gate.js";
import { eventually } from "./program.js";

/** A page that follows: what it knows after the list and all frames, in the order of arrival. */
export function follow(url: string, getToken: GetToken) {
  const sockets = gate();
  const client = new TributaryClient({ url, getToken, WebSocket: sockets.WebSocket });
  const conversations: Conversation[] = [];
  const bodies: string[] = [];
  const frames: Frame[] = [];
  const states: StreamState[] = [];
  let snapshots = 0;
  const stream = client.follow({
    onSnapshot: ({ items }) => {
      snapshots += 1;
      conversations.splice(0, Infinity, ...items);
    },
    onFrame: (frame) => {
      frames.push(frame);
      if (frame.type === "message.created") bodies.push(frame.data.message.body);
      if (frame.type === "conversation.updated") conversations.push(frame.data.conversation);
    },
    onState: (state) => states.push(state),
  });
  const live = () => eventually("the stream is live", () => stream.state.status === "live");
  const has = (count: number) => eventually(`${count} messages`, () => bodies.length >= count);
  return { client, stream, sockets, conversations, bodies, frames, states, live, has, snapshots: () => snapshots };
}

/** What a page that follows has. */
export type Page = ReturnType<typeof follow>;

/** Bodies that are told apart. */
export const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, nth) => `message ${from + nth}`);
