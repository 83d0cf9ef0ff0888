import { vi } from "vitest";
import { connect, type Frame, type StreamOptions, type StreamState, type TributaryStream } from "../../src/index.js";
import { FakeSocket } from "./fake-socket.js";
import { jwt } from "./jwt.js";

/** A stream over fake sockets, and all that it said. */
export interface Watched {
  stream: TributaryStream;
  /** Cursors of the frames, in the order of delivery. */
  seen: string[];
  states: StreamState[];
  errors: unknown[];
  getToken: ReturnType<typeof vi.fn>;
}

export async function watched(options: Partial<StreamOptions> = {}): Promise<Watched> {
  FakeSocket.opened = [];
  const seen: string[] = [];
  const states: StreamState[] = [];
  const errors: unknown[] = [];
  const getToken = vi.fn(() => Promise.resolve<string | null>(jwt()));
  const stream = connect({
    url: "https://tributary.example",
    getToken,
    onFrame: (frame: Frame) => void seen.push(frame.cursor ?? frame.type),
    onResync: () => {},
    onState: (state) => states.push(state),
    onError: (error) => errors.push(error),
    WebSocket: FakeSocket,
    ...options,
  } as StreamOptions);
  await settle();
  return { stream, seen, states, errors, getToken };
}

/** Lets everything happen that waits for no clock. */
export async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}
