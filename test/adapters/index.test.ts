/** Runs every case of the adapters floor: the real things behind the ports. */
import t from "tap";
import "./bus.cases.ts";
import "./damage.cases.ts";
import "./disk.cases.ts";
import "./log.cases.ts";
import "./system.cases.ts";

// Three brokers elect a leader again and again in it, four to nine seconds each time.
t.setTimeout(240_000);
