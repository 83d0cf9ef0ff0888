"use client";

import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { TributaryClient, type FollowOptions } from "./client.js";
import type { ClientOptions } from "./client.js";
import type { StreamState, TributaryStream } from "./stream.js";

/** What the hook needs. */
export interface MessengerWebSocketOptions
  extends Pick<ClientOptions, "getToken" | "fetch" | "WebSocket">,
    Pick<FollowOptions, "onSnapshot" | "onFrame" | "onError" | "limit"> {
  url: string;
  /** Who is signed in, as Clerk's `useAuth` says; while it is nobody there is no stream. Another one begins anew. */
  userId: string | null | undefined;
}

/** What the hook answers. */
export interface MessengerWebSocket {
  state: StreamState;
  /** The rest of the API. */
  client: TributaryClient;
  /** Does not wait any longer. */
  reconnect: () => void;
}

/**
 * The signed-in user's conversations and what happens to them, while the component is mounted. The
 * callbacks may be new ones with every render: the newest is called.
 */
export function useMessengerWebSocket(options: MessengerWebSocketOptions): MessengerWebSocket {
  const { url, userId } = options;
  const newest = useRef(options);
  useEffect(() => {
    newest.current = options;
  });
  const [state, setState] = useState<StreamState>({ status: userId ? "connecting" : "signedOut" });
  const stream = useRef<TributaryStream | undefined>(undefined);
  const client = useMemo(
    () =>
      new TributaryClient({
        url,
        getToken: (how) => newest.current.getToken(how),
        fetch: (...request) => (newest.current.fetch ?? fetch)(...request),
        WebSocket: newest.current.WebSocket,
      }),
    [url],
  );
  useEffect(() => {
    if (!userId) return setState({ status: "signedOut" });
    const opened = client.follow({
      limit: newest.current.limit,
      onSnapshot: (list) => newest.current.onSnapshot(list),
      onFrame: (frame) => newest.current.onFrame(frame),
      onError: (error) => newest.current.onError?.(error),
      onState: setState,
    });
    stream.current = opened;
    setState(opened.state);
    return () => {
      stream.current = undefined;
      opened.close();
    };
  }, [client, userId]);
  const reconnect = useCallback(() => stream.current?.reconnect(), []);
  return { state, client, reconnect };
}
