import "./host.cases.ts";
import "./links.cases.ts";
import "./supervisor.cases.ts";
