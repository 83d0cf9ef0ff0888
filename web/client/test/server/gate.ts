import WebSocket from "ws";

/** WebSockets that can be kept from coming about, and counted. */
export function gate() {
  const door = { isShut: false, opened: 0 };
  class Gated extends WebSocket {
    constructor(url: string, protocols: string[]) {
      // Nobody listens at the discard port.
      super(door.isShut ? "ws://127.0.0.1:9/" : url, protocols);
      if (!door.isShut) door.opened += 1;
    }
  }
  return Object.assign(door, { WebSocket: Gated });
}
