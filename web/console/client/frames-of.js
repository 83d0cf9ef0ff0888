import { connect } from "./stream.js";
/**
 * The frames of a stream, one after the other: the next one is taken when the loop comes back for
 * it, and only then is the one before behind the cursor. On a `resync` the loop has to load
 * everything again. It ends with `signal`; leaving the loop closes the stream.
 */
export async function* frames(options) {
    let offered;
    let notify = () => { };
    const offer = (frame) => new Promise((done) => {
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
                if (stream.state.error)
                    throw stream.state.error;
                return;
            }
            if (offered === undefined) {
                await new Promise((resolve) => (notify = resolve));
                continue;
            }
            const { frame, done } = offered;
            offered = undefined;
            yield frame;
            done();
        }
    }
    finally {
        stream.close();
    }
}
