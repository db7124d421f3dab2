/** Tests of the master, one process. */
import "./accept-rules.cases.ts";
import "./agents.cases.ts";
import "./allocation-metrics.cases.ts";
import "./drain.cases.ts";
import "./frameworks.cases.ts";
import "./launch.cases.ts";
import "./lending.cases.ts";
import "./leadership.cases.ts";
import "./log-bounds.cases.ts";
import "./maintenance.cases.ts";
import "./operations.cases.ts";
import "./operator.cases.ts";
import "./quota.cases.ts";
import "./reconcile.cases.ts";
import "./resize.cases.ts";
