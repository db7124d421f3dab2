/** Tests of the replication floor, one process. */
import "./sha256.cases.ts";
import "./chain.cases.ts";
import "./registry.cases.ts";
import "./layered-map.cases.ts";
import "./snapshot.cases.ts";
import "./writer.cases.ts";
import "./election.cases.ts";
