/** The tests of the HTTP kit. */
import "./server.cases.ts";
