import "./host.cases.ts";
