/** Entry of the command line's tests. */
import "./refusals.cases.ts";
import "./task-ends.cases.ts";
