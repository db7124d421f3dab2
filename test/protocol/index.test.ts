/** One process for all cases of the protocol floor. */
import "./scan.cases.ts";
import "./frame.cases.ts";
import "./golden.cases.ts";
import "./session.cases.ts";
import "./streams.cases.ts";
