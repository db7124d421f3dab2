/** One process for all cases of the runtime floor. */
import "./epochs.cases.ts";
import "./crowd.cases.ts";
import "./host.cases.ts";
import "./links.cases.ts";
import "./supervisor.cases.ts";
