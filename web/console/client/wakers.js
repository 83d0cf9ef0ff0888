/** Listens for what means that it is worth trying again: the network is back, or somebody looks at the page. */
export class Wakers {
    #stopped = new AbortController();
    /** `onWake` is told whether there is a person behind it. */
    constructor(onWake) {
        const { signal } = this.#stopped;
        // There is neither in Node.
        if (typeof window !== "undefined")
            window.addEventListener("online", () => onWake(false), { signal });
        if (typeof document !== "undefined") {
            const look = () => {
                if (document.visibilityState === "visible")
                    onWake(true);
            };
            document.addEventListener("visibilitychange", look, { signal });
        }
    }
    stop() {
        this.#stopped.abort();
    }
}
