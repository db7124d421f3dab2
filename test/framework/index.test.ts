/** The tests of the framework driver. */
import "./driver.cases.ts";
