/** Cases of the simulator: its kernel, its ports, whole clusters, scenarios and regressions. */
import t from "tap";
import "./kernel.cases.ts";
import "./checkers.cases.ts";
import "./watch.cases.ts";
import "./bus.cases.ts";
import "./interest.cases.ts";
import "./disk.cases.ts";
import "./log.cases.ts";
import "./trace.cases.ts";
import "./trace-file.cases.ts";
import "./view.cases.ts";
import "./page.cases.ts";
import "./patience.cases.ts";
import "./contract-bus.cases.ts";
import "./contract-storage.cases.ts";
import "./launcher.cases.ts";
import "./cluster.cases.ts";
import "./failure.cases.ts";
import "./scenario.cases.ts";
import "./experiments.cases.ts";
import "./swarm.cases.ts";
import "./guards.cases.ts";

t.setTimeout(400_000);
