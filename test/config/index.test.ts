/** The tests of the settings floor. */
import "./resolve.cases.ts";
