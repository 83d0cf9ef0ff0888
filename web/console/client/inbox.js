export class Inbox {
    #handle;
    #limit;
    #queue = [];
    #isBusy = false;
    #waiting = [];
    constructor(handle, limit) {
        this.#handle = handle;
        this.#limit = limit;
    }
    push(item) {
        if (this.#queue.length >= this.#limit)
            return false;
        this.#queue.push(item);
        if (!this.#isBusy)
            void this.#work();
        return true;
    }
    clear() {
        this.#queue = [];
    }
    drained() {
        return this.#isBusy ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve();
    }
    async #work() {
        this.#isBusy = true;
        for (let item = this.#queue.shift(); item !== undefined; item = this.#queue.shift()) {
            const handled = this.#handle(item);
            if (handled !== undefined)
                await handled;
        }
        this.#isBusy = false;
        for (const resolve of this.#waiting.splice(0))
            resolve();
    }
}
