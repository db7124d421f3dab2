/** Bounds of the HTTP door: how large a request may be, how many readers may hang on. */

/** Largest body of a request, in bytes. */
export const HTTP_BODY_BYTES_MAX = 1024 * 1024;
/** Longest path with query, in characters. */
export const HTTP_TARGET_LENGTH_MAX = 8 * 1024;
/** Streams (events, logs) open at the same time. */
export const HTTP_STREAMS_MAX = 200;
/** Text that waits for one slow reader, in bytes; beyond it the reader is cut. */
export const HTTP_STREAM_BUFFER_BYTES_MAX = 4 * 1024 * 1024;
/** Time a client may take to send its headers, and its whole request. */
export const HTTP_HEADERS_MS_MAX = 10_000;
export const HTTP_REQUEST_MS_MAX = 30_000;
/** A comment line goes out this often, so that both ends notice a dead connection. */
export const HTTP_STREAM_COMMENT_MS = 5_000;
