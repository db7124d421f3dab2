/** Runs every case of the daemon floor: brokers and trust. */
import "./broker.cases.ts";
import "./broker-sources.cases.ts";
import "./credentials.cases.ts";
import "./executor-credentials.cases.ts";
import "./joining.cases.ts";
import "./restarts.cases.ts";
import "./young-generation.cases.ts";
