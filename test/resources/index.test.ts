import "./algebra.cases.ts";
import "./grammar.cases.ts";
import "./metadata.cases.ts";
import "./properties.cases.ts";
import "./quantities.cases.ts";
import "./values.cases.ts";
