/** The tests of the project's own tools: each rule of tidy bites, diagrams are true, the core compiles without a platform. */
import t from "tap";
import "./tokens.cases.ts";
import "./names.cases.ts";
import "./imports.cases.ts";
import "./shape.cases.ts";
import "./pages.cases.ts";
import "./diagrams.cases.ts";
import "./core-compile.cases.ts";
import "./chaos.cases.ts";

/** Of the whole file: the compiler runs in it, on machines that do other things too. */
t.setTimeout(120_000);
