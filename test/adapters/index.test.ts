import "./bus.cases.ts";
import "./disk.cases.ts";
import "./log.cases.ts";
