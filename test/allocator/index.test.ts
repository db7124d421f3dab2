/** The allocator floor: order, runs, filters, explanations, laws. Holds no test itself. */
import t from "tap";
import "./accounts.cases.ts";
import "./agents.cases.ts";
import "./allocate.cases.ts";
import "./drf.cases.ts";
import "./events.cases.ts";
import "./explain.cases.ts";
import "./fairness.cases.ts";
import "./filters.cases.ts";
import "./hierarchy.cases.ts";
import "./hoarding.cases.ts";
import "./lending.cases.ts";
import "./marks.cases.ts";
import "./placement.cases.ts";
import "./plan.cases.ts";
import "./properties.cases.ts";
import "./quota.cases.ts";
import "./quota-tree.cases.ts";
import "./timing-wheel.cases.ts";
import "./unbroken-rules.cases.ts";

/** Long histories beside the slow model. */
t.setTimeout(300_000);
