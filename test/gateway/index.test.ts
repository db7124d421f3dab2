/** Entry of the tests of a master's HTTP doors. */
import "./doors.cases.ts";
