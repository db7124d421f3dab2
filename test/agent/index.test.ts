/** Cases of the agent and of the isolator of its node. */
import t from "tap";
import "./stories.cases.ts";
import "./crash.cases.ts";
import "./journal.cases.ts";
import "./updates.cases.ts";
import "./registration.cases.ts";
import "./logs.cases.ts";
import "./sandbox.cases.ts";
import "./isolator.cases.ts";
import "./real.cases.ts";
import "./resize.cases.ts";
import "./drain.cases.ts";
import "./operations.cases.ts";

/** Of the whole file; hundreds of simulated lives, and a real one. */
t.setTimeout(120_000);
