/** Tributary's address, also one that is relative to the page. */
export function baseUrl(url) {
    const base = new URL(url, typeof location === "undefined" ? undefined : location.href);
    if (!base.pathname.endsWith("/"))
        base.pathname += "/";
    return base;
}
/** Where the socket is. */
export function socketUrl(url, since) {
    const socket = new URL("ws", baseUrl(url));
    socket.protocol = socket.protocol.replace("http", "ws");
    if (since !== undefined)
        socket.searchParams.set("since", since);
    return socket.href;
}
