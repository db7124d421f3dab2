/** The tests of the run framework. */
import "./run-framework.cases.ts";
