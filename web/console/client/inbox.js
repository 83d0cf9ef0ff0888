/** Hands over items one after the other, each when the one before is done with. */
export class Inbox {
    #handle;
    #limit;
    #queue = [];
    #isBusy = false;
    #waiting = [];
    /** `handle` must not fail; no more than `limit` items wait for it. */
    constructor(handle, limit) {
        this.#handle = handle;
        this.#limit = limit;
    }
    /** Takes an item; false when there is no room for it. */
    push(item) {
        if (this.#queue.length >= this.#limit)
            return false;
        this.#queue.push(item);
        if (!this.#isBusy)
            void this.#work();
        return true;
    }
    /** Forgets what waits. What is being handled goes on. */
    clear() {
        this.#queue = [];
    }
    /** Resolves when all is done with. */
    drained() {
        return this.#isBusy ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve();
    }
    async #work() {
        this.#isBusy = true;
        for (let item = this.#queue.shift(); item !== undefined; item = this.#queue.shift()) {
            const handled = this.#handle(item);
            // What is done already needs no turn of the event loop.
            if (handled !== undefined)
                await handled;
        }
        this.#isBusy = false;
        for (const resolve of this.#waiting.splice(0))
            resolve();
    }
}
