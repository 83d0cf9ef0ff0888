export class Wakers {
    #stopped = new AbortController();
    constructor(onWake) {
        const { signal } = this.#stopped;
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
