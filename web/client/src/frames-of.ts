import type { Frame, ResyncFrame } from "./frames.js";
import { connect, type CommonOptions, type Resuming } from "./stream.js";

/** What an iteration may be given. */
export type FramesOptions = Omit<CommonOptions, "onFrame"> & Omit<Resuming, "onResync">;

interface Offer {
  frame: Frame | ResyncFrame;
  /** It has been handled. */
  done: () => void;
}

/**
 * The frames of a stream, one after the other: the next one is taken when the loop comes back for
 * it, and only then is the one before behind the cursor. On a `resync` the loop has to load
 * everything again. It ends with `signal`; leaving the loop closes the stream.
 */
export async function* frames(options: FramesOptions): AsyncGenerator<Frame | ResyncFrame, void, void> {
  let offered: Offer | undefined;
  let notify = () => {};
  const offer = (frame: Frame | ResyncFrame) =>
    new Promise<void>((done) => {
      offered = { frame, done };
      notify();
    });
  const stream = connect({
    ...options,
    onFrame: offer,
    onResync: offer,
    onState: (state) => {
      options.onState?.(state);
      notify();
    },
  });
  try {
    for (;;) {
      if (stream.state.status === "closed") {
        if (stream.state.error) throw stream.state.error;
        return;
      }
      if (offered === undefined) {
        await new Promise<void>((resolve) => (notify = resolve));
        continue;
      }
      const { frame, done }: Offer = offered;
      offered = undefined;
      yield frame;
      done();
    }
  } finally {
    stream.close();
  }
}
