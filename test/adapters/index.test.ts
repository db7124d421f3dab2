/** Runs every case of the adapters floor: the real things behind the ports. */
import "./bus.cases.ts";
import "./disk.cases.ts";
import "./log.cases.ts";
import "./system.cases.ts";
