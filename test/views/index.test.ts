/** The tests of the views. */
import "./cluster.cases.ts";
import "./lists.cases.ts";
