export function parseFrame(text) {
    if (typeof text !== "string")
        return undefined;
    try {
        const frame = JSON.parse(text);
        const isFrame = typeof frame === "object" && frame !== null && "type" in frame && typeof frame.type === "string";
        return isFrame ? frame : undefined;
    }
    catch {
        return undefined;
    }
}
const KINDS = {
    "message.created": true,
    "message.updated": true,
    "conversation.updated": true,
    "conversation.removed": true,
    "connection.status": true,
    "backfill.progress": true,
    typing: true,
    receipt: true,
};
export function isForPage(frame) {
    return Object.hasOwn(KINDS, frame.type);
}
