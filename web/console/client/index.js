export { createApi } from "./api.js";
export { TributaryClient } from "./client.js";
export { TributaryError } from "./errors.js";
export { frames } from "./frames-of.js";
export { connect, TributaryStream, } from "./stream.js";
