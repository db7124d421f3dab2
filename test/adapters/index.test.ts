import "./bus.cases.ts";
