/** One process for all cases of the runtime floor. */
import "./host.cases.ts";
import "./links.cases.ts";
import "./supervisor.cases.ts";
