/** The resources floor: values, grammar, algebra, its laws. Holds no test itself. */
import "./algebra.cases.ts";
import "./conversions.cases.ts";
import "./grammar.cases.ts";
import "./interning.cases.ts";
import "./kinds.cases.ts";
import "./metadata.cases.ts";
import "./properties.cases.ts";
import "./quantities.cases.ts";
import "./values.cases.ts";
