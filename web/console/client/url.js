export function baseUrl(url) {
    const base = new URL(url, typeof location === "undefined" ? undefined : location.href);
    if (!base.pathname.endsWith("/"))
        base.pathname += "/";
    return base;
}
export function socketUrl(url, since) {
    const socket = new URL("ws", baseUrl(url));
    socket.protocol = socket.protocol.replace("http", "ws");
    if (since !== undefined)
        socket.searchParams.set("since", since);
    return socket.href;
}
