import { connect } from "./stream.js";
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
