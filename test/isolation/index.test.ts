import "./contract.cases.ts";
