/** The tests of the HTTP API's words. */
import "./client.cases.ts";
import "./lists.cases.ts";
import "./sse.cases.ts";
